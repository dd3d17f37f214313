"""Image files: read, written whole or not at all, and the same after a round trip."""

from __future__ import annotations

import gzip
import hashlib
import os
import threading
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from MultiJointSegLib.errors import InputError, MultiJointSegError
from MultiJointSegLib.imaging.atomic import atomic_write
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.hashing import sha256_of
from MultiJointSegLib.imaging.native_output import silent_native_output
from MultiJointSegLib.imaging.reading import read_label_map, read_volume
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.imaging.writing import write_volume

SUFFIXES = [".nii.gz", ".nii", ".nrrd", ".mha"]


def oblique(array: np.ndarray) -> Volume:
    rotation = Rotation.from_euler("zyx", (33, -21, 12), degrees=True).as_matrix()
    return Volume(
        array, Geometry(array.shape[::-1], (0.4, 0.7, 3.3), (-312.5, 44.25, 801.125), tuple(map(tuple, rotation)))
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float32])
def test_round_trip(tmp_path: Path, suffix: str, dtype: type) -> None:
    rng = np.random.default_rng(0)
    volume = oblique(rng.integers(0, 200, (7, 20, 18)).astype(dtype))
    path = tmp_path / f"image{suffix}"
    write_volume(volume, path)
    result = read_volume(path)
    assert result.array.dtype == dtype
    np.testing.assert_array_equal(result.array, volume.array)
    assert result.geometry.same_grid(volume.geometry)
    assert result.metadata == {}
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_left_handed_axes_survive(tmp_path: Path, suffix: str) -> None:
    array = np.random.default_rng(0).integers(0, 200, (7, 20, 18)).astype(np.int16)
    volume = Volume(array, Geometry((18, 20, 7), (1, 1, 2), (5, 6, 7), ((0, 0, 1), (1, 0, 0), (0, -1, 0))))
    write_volume(volume, tmp_path / f"a{suffix}")
    assert read_volume(tmp_path / f"a{suffix}").geometry.same_grid(volume.geometry)


def test_unusual_types_are_written_as_the_next_wider_one(tmp_path: Path) -> None:
    array = np.random.default_rng(0).random((5, 6, 7))
    write_volume(oblique(array > 0.5), tmp_path / "mask.nrrd")
    write_volume(oblique(array.astype(np.float16)), tmp_path / "half.nrrd")
    assert read_label_map(tmp_path / "mask.nrrd").array.dtype == np.uint8
    assert read_volume(tmp_path / "half.nrrd").array.dtype == np.float32


def test_existing_file_survives_a_failed_write(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_write(path) as temporary:  # noqa: PT012
        temporary.write_text("half of the n")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
    with atomic_write(path) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".html"
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert len(list(tmp_path.iterdir())) == 1


def test_interrupt_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), atomic_write(tmp_path / "a.txt") as temporary:  # noqa: PT012
        temporary.write_text("x")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "match"), [("nowhere/a.nrrd", "does not exist"), ("a.bmp", "extension"), ("folder.nrrd", "a folder")]
)
def test_places_that_cannot_be_written(tmp_path: Path, name: str, match: str) -> None:
    (tmp_path / "folder.nrrd").mkdir()
    with pytest.raises(InputError, match=match):
        write_volume(oblique(np.zeros((3, 4, 5), np.uint8)), tmp_path / name)


def test_denied_and_full_folders_have_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="permission denied"), atomic_write(tmp_path / "a"):
        raise PermissionError(13, "Permission denied")
    with pytest.raises(MultiJointSegError, match="No space left"), atomic_write(tmp_path / "a"):
        raise OSError(28, "No space left on device")


def test_nifti_without_orientation_is_read_with_a_warning(tmp_path: Path, write_nifti) -> None:
    path = tmp_path / "plain.nii.gz"
    path.write_bytes(gzip.compress(write_nifti(np.ones((3, 4, 5), np.int16), codes=(0, 0), pixdim=(1, 2, 3))))
    volume = read_volume(path)
    assert volume.spacing_mm == (1, 2, 3)
    assert "does not state its orientation" in volume.metadata["warnings"][0]


def test_fourth_dimension_of_one_is_accepted(tmp_path: Path, write_nifti) -> None:
    path = tmp_path / "one.nii"
    path.write_bytes(write_nifti(np.ones((1, 3, 4, 5), np.float32), pixdim=(1, 2, 3, 1)))
    assert read_volume(path).array.shape == (3, 4, 5)


def test_double_precision_becomes_float32(tmp_path: Path, write_nifti) -> None:
    path = tmp_path / "double.nii"
    path.write_bytes(write_nifti(np.full((3, 4, 5), 0.1)))
    assert read_volume(path).array.dtype == np.float32


def test_label_maps(tmp_path: Path) -> None:
    labels = np.zeros((4, 5, 6), np.float32)
    labels[1, 2, 3] = 17
    write_volume(oblique(labels), tmp_path / "a.nii.gz")
    assert read_label_map(tmp_path / "a.nii.gz").array.dtype == np.uint8
    write_volume(oblique(labels.astype(np.int16) * 100), tmp_path / "b.nii.gz")
    assert read_label_map(tmp_path / "b.nii.gz").array.dtype == np.uint16
    for bad in (labels + 0.5, labels - 1, labels * np.nan):
        write_volume(oblique(bad), tmp_path / "c.nrrd")
        with pytest.raises(InputError, match="not a label map"):
            read_label_map(tmp_path / "c.nrrd")
    with pytest.raises(InputError, match="not a label map"):
        read_label_map(tmp_path)


def seg_nrrd(path: Path, layers: np.ndarray, segments: list[tuple[str, int, int]]) -> None:
    image = sitk.GetImageFromArray(layers, isVector=layers.ndim == 4)
    for n, (name, label, layer) in enumerate(segments):
        for key, value in {"ID": f"S{n}", "Name": name, "LabelValue": label, "Layer": layer}.items():
            image.SetMetaData(f"Segment{n}_{key}", str(value))
    sitk.WriteImage(image, str(path))


def test_slicer_segmentation_tells_its_segments(tmp_path: Path) -> None:
    layers = np.zeros((4, 5, 6), np.uint8)
    layers[1:3, 2, 3] = 5
    seg_nrrd(tmp_path / "a.seg.nrrd", layers, [("Femur", 5, 0)])
    volume = read_label_map(tmp_path / "a.seg.nrrd")
    np.testing.assert_array_equal(volume.array, layers)
    assert volume.metadata["segments"] == [{"id": "S0", "name": "Femur", "label": 5, "layer": 0}]


def test_overlapping_segments_are_merged(tmp_path: Path) -> None:
    layers = np.zeros((4, 5, 6, 2), np.uint8)
    layers[0:3, ..., 0] = 1
    layers[2:4, ..., 1] = 1
    seg_nrrd(tmp_path / "a.seg.nrrd", layers, [("Femur", 1, 0), ("Tibia", 1, 1)])
    volume = read_label_map(tmp_path / "a.seg.nrrd")
    np.testing.assert_array_equal(volume.array[:, 0, 0], [1, 1, 2, 2])
    assert [(s["name"], s["label"]) for s in volume.metadata["segments"]] == [("Femur", 1), ("Tibia", 2)]


def test_fingerprint_of_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1").write_bytes(b"x")
    (tmp_path / "a" / "2").write_bytes(b"y")
    assert sha256_of(tmp_path / "a" / "1") == hashlib.sha256(b"x").hexdigest()
    before = sha256_of(tmp_path / "a")
    (tmp_path / "a" / "1").rename(tmp_path / "a" / "z")
    assert sha256_of(tmp_path / "a") == before
    (tmp_path / "a" / "2").write_bytes(b"other")
    assert sha256_of(tmp_path / "a") != before
    with pytest.raises(InputError, match="does not exist"):
        sha256_of(tmp_path / "nowhere")


def test_silence_ends_with_the_block(capfd: pytest.CaptureFixture[str]) -> None:
    with silent_native_output(), silent_native_output():
        os.write(2, b"noise")
    os.write(2, b"word")
    assert capfd.readouterr().err == "word"


def test_silence_of_several_threads(capfd: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        for _ in range(20):
            with silent_native_output():
                os.write(2, b"noise")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.write(2, b"word")
    assert capfd.readouterr().err == "word"
