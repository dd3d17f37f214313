"""Whole phantoms, counter-examples, and their files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from MultiJointSegLib import anatomy
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.reading import read_label_map, read_volume
from MultiJointSegLib.phantom.others import KINDS, procedural_other_map
from MultiJointSegLib.phantom.phantom import Phantom, make_phantom
from MultiJointSegLib.phantom.writing import write_phantom


@pytest.fixture(scope="module")
def knee() -> Phantom:
    return make_phantom("knee", seed=7, plane="sagittal", spacing_mm=(1.0, 1.0, 4.0), map_spacing_mm=1.6)


def test_phantom_is_the_same_from_its_seed(knee: Phantom) -> None:
    again = make_phantom("knee", seed=7, plane="sagittal", spacing_mm=(1.0, 1.0, 4.0), map_spacing_mm=1.6)
    first, second = (hashlib.sha256(p.volume.array.tobytes()).hexdigest() for p in (knee, again))
    assert first == second
    assert again.truth == knee.truth
    assert again.settings == knee.settings


def test_phantom_has_image_labels_and_truth(knee: Phantom) -> None:
    assert knee.volume.modality == "MR"
    assert knee.volume.geometry.same_grid(knee.labels.geometry)
    assert knee.volume.spacing_mm == (1.0, 1.0, 4.0)
    assert set(np.unique(knee.labels.array)) == {0, *anatomy.joint("knee").labels}
    assert knee.settings["joint"] == "knee"
    assert "condyle_radius_mm" in knee.truth


def test_full_anatomy_shows_all_of_every_bone(knee: Phantom) -> None:
    whole = make_phantom("knee", seed=7, spacing_mm=(1.6, 1.6, 3.0), full_anatomy=True, map_spacing_mm=1.6)

    def volume_mm3(phantom: Phantom) -> float:
        return float((phantom.labels.array > 0).sum()) * phantom.labels.geometry.voxel_volume_mm3

    assert volume_mm3(whole) > volume_mm3(knee)


def test_hip_can_be_a_ct() -> None:
    hip = make_phantom("hip", seed=2, modality="CT", spacing_mm=(1.5, 1.5, 3.0), map_spacing_mm=2.0)
    assert hip.volume.modality == "CT"
    assert hip.volume.array.min() < -900
    assert hip.volume.array.max() > 500
    assert set(np.unique(hip.labels.array)) == {0, *anatomy.joint("hip").labels}


def test_files_hold_the_phantom(knee: Phantom, tmp_path: Path) -> None:
    paths = write_phantom(knee, tmp_path / "new" / "folder")
    assert sorted(p.name for p in (tmp_path / "new" / "folder").iterdir()) == sorted(p.name for p in paths.values())
    image, labels = read_volume(paths["image"]), read_label_map(paths["labels"])
    np.testing.assert_array_equal(image.array, knee.volume.array)
    np.testing.assert_array_equal(labels.array, knee.labels.array)
    assert image.geometry.same_grid(knee.volume.geometry)
    assert json.loads(paths["truth"].read_text()) == knee.truth
    assert json.loads(paths["settings"].read_text())["seed"] == 7


def test_folder_that_cannot_be_made_is_said(knee: Phantom, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="Cannot make the folder"):
        write_phantom(knee, tmp_path / "file" / "folder")


@pytest.mark.parametrize("kind", list(KINDS))
def test_counter_examples_have_no_labels(kind: str) -> None:
    one = procedural_other_map(3, kind=kind, spacing_mm=3.0)
    assert one.joint == "other"
    assert one.truth["kind"] == kind
    assert not one.labels.any()
    assert 0.05 < np.mean(one.tissue > 0) <= 1.0
    assert len(np.unique(one.tissue)) >= 2
    np.testing.assert_array_equal(one.tissue, procedural_other_map(3, kind=kind, spacing_mm=3.0).tissue)


def test_unknown_kind_is_said() -> None:
    with pytest.raises(InputError, match="chest"):
        procedural_other_map(1, kind="tree")
