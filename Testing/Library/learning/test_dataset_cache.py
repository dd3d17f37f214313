"""Cached slices are those that would be computed, and a changed file is never answered from the cache."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from MultiJointSegLib.errors import CancelledError, InputError
from MultiJointSegLib.imaging.canonical import canonical_slices
from MultiJointSegLib.imaging.intensity import normalize_intensity
from MultiJointSegLib.imaging.writing import write_volume
from MultiJointSegLib.learning import dataset_cache
from MultiJointSegLib.learning.dataset_cache import SliceSettings, cache_key, cached_dataset, cached_slices
from MultiJointSegLib.learning.manifest import Examination
from MultiJointSegLib.progress import CallbackProgress


@pytest.fixture
def an_examination(tmp_path, a_small_knee) -> Examination:
    image, labels = a_small_knee
    write_volume(image, tmp_path / "knee.nii.gz")
    write_volume(labels, tmp_path / "labels.nii.gz")
    values = tuple((n, n) for n in (1, 2, 3, 4))
    return Examination(
        name="knee",
        image=tmp_path / "knee.nii.gz",
        label=tmp_path / "labels.nii.gz",
        joint="knee",
        subject="a",
        label_values=values,
    )


def test_slices_are_those_of_the_examination(an_examination, a_small_knee, tmp_path) -> None:
    found = cached_slices(an_examination, tmp_path / "cache")
    wanted = canonical_slices(normalize_intensity(a_small_knee[0]))
    np.testing.assert_allclose(found.images, wanted.images, atol=1e-3)
    assert (found.labels == wanted.grid.sample_labels(a_small_knee[1])).all()
    assert (found.plane, found.pitch_mm) == (wanted.grid.plane, wanted.grid.pitch_mm)
    assert not found.images.flags.writeable and isinstance(found.images, np.memmap)


def test_second_time_reads_from_the_disk(an_examination, tmp_path, monkeypatch) -> None:
    first = cached_slices(an_examination, tmp_path / "cache")
    monkeypatch.setattr(dataset_cache, "read_examination", lambda *_: pytest.fail("was read again"))
    moved = an_examination.image.rename(tmp_path / "moved.nii.gz")
    again = cached_slices(replace(an_examination, image=moved, name="other"), tmp_path / "cache")
    assert (first.images == again.images).all() and again.examination.name == "other"
    assert [p.name for p in (tmp_path / "cache").iterdir()] == [cache_key(again.examination, SliceSettings())]


def test_a_corrected_label_map_is_read_again(an_examination, a_small_knee, tmp_path) -> None:
    before = cached_slices(an_examination, tmp_path / "cache")
    corrected = np.where(a_small_knee[1].array == 1, 0, a_small_knee[1].array)
    write_volume(a_small_knee[1].with_array(corrected), an_examination.label)
    after = cached_slices(an_examination, tmp_path / "cache")
    assert (before.labels == 1).any() and not (after.labels == 1).any()


def test_key_depends_on_meaning_and_settings(an_examination) -> None:
    keys = {
        cache_key(an_examination, SliceSettings()),
        cache_key(an_examination, SliceSettings(pixel_mm=1.0)),
        cache_key(replace(an_examination, label_values=((1, 2),)), SliceSettings()),
    }
    assert len(keys) == 3
    assert cache_key(an_examination, SliceSettings()) == cache_key(replace(an_examination, name="x"), SliceSettings())


@pytest.mark.parametrize("name", ["images.npy", "labels.npy", "facts.json"])
def test_damaged_entry_is_made_again(an_examination, tmp_path, name) -> None:
    whole = cached_slices(an_examination, tmp_path / "cache")
    kept = np.array(whole.labels)
    path = next((tmp_path / "cache").iterdir()) / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    again = cached_slices(an_examination, tmp_path / "cache")
    assert (again.labels == kept).all() and again.images.shape[0] == len(kept)


def test_failure_leaves_nothing(an_examination, tmp_path, monkeypatch) -> None:
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(dataset_cache.np, "save", full)
    with pytest.raises(Exception, match="No space left"):
        cached_slices(an_examination, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        cached_slices(an_examination, tmp_path / "file" / "cache")


def test_dataset_reports_and_cancels(an_examination, tmp_path) -> None:
    seen = []
    progress = CallbackProgress(lambda fraction, message: seen.append((fraction, message)))
    found = cached_dataset([an_examination] * 2, tmp_path / "cache", progress=progress)
    assert len(found) == 2 and seen == [(0, "Cutting knee"), (0.5, "Cutting knee"), (1, "Cut")]
    with pytest.raises(CancelledError):
        cached_dataset([an_examination], tmp_path / "cache", progress=CallbackProgress(lambda *_: None, lambda: True))
