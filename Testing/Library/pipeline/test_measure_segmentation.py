"""Surfaces and measurements of a segmentation from elsewhere."""

from __future__ import annotations

import json

import numpy as np
import pytest

from MultiJointSegLib.anatomy import bone, joint
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.imaging.writing import write_volume
from MultiJointSegLib.pipeline.measure_segmentation import joint_of_labels, measure_segmentation, with_catalog_labels
from MultiJointSegLib.pipeline.segmentation_nrrd import write_plain_segmentation


def _labels(*values: int, **metadata: object) -> Volume:
    return Volume(np.array(values, np.uint8).reshape(1, 1, -1), Geometry((len(values), 1, 1)), "", dict(metadata))


@pytest.mark.parametrize(
    ("bones", "joint"),
    [
        (("femur", "tibia"), "knee"),
        (("femur", "tibia", "fibula", "patella"), "knee"),
        (("calcaneus", "talus", "tibia"), "ankle"),
        (("talus",), "ankle"),
        (("humerus", "scapula"), "shoulder"),
        (("femur", "hip_bone"), "hip"),
    ],
)
def test_joint_is_told_from_the_bones(bones, joint):
    assert joint_of_labels(_labels(0, *(bone(key).label for key in bones))).key == joint


@pytest.mark.parametrize(
    ("values", "joint", "words"),
    [
        ((0, 0), "auto", "empty"),
        ((0, 99), "auto", "label value 99"),
        ((1, 7), "auto", "no single joint"),
        ((0, 2), "auto", "--joint"),
        ((0, 1), "auto", "--joint"),
        ((0, 7), "knee", "humerus"),
        ((0, 1), "elbow", "Unknown joint"),
    ],
)
def test_labels_that_tell_no_joint_are_refused(values, joint, words):
    with pytest.raises(InputError, match=words):
        joint_of_labels(_labels(*values), joint)


def test_segments_renumbered_by_an_editor_find_their_bones():
    segments = [{"id": "tibia", "name": "Tibia", "label": 1}, {"id": "Segment_2", "name": "femur", "label": 2}]
    assert with_catalog_labels(_labels(0, 1, 2, 2, segments=segments)).array.ravel().tolist() == [0, 2, 1, 1]


def test_segment_that_is_no_bone_is_refused_if_it_has_voxels():
    segments = [{"id": "tibia", "name": "Tibia", "label": 1}, {"id": "s", "name": "Effusion", "label": 2}]
    assert with_catalog_labels(_labels(0, 1, segments=segments)).array.ravel().tolist() == [0, 2]
    with pytest.raises(InputError, match="Effusion"):
        with_catalog_labels(_labels(0, 1, 2, segments=segments))


def test_files_of_a_measured_segmentation(a_small_knee, tmp_path):
    write_volume(a_small_knee[1], tmp_path / "labels.nii.gz")
    result = measure_segmentation(tmp_path / "labels.nii.gz", tmp_path / "out")
    found = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    surfaces = {f"surfaces/{key}.stl" for key in ("femur", "fibula", "patella", "tibia")}
    pictures = {name for name in found if name.startswith("measures/")}
    assert found - pictures == {"labels.nii.gz", "measurements.csv", "measurements.json", "run.json"} | surfaces
    assert pictures <= {f"measures/{m.key}.png" for m in result.measurements if m.value is not None}
    assert bool(pictures) != any("not drawn" in str(w) for w in result.run["warnings"])
    assert result.joint.key == "knee"
    assert json.loads((tmp_path / "out" / "run.json").read_text())["joint"] == "knee"
    assert {m.bone for m in result.measurements} >= {"femur", "tibia"}


def test_two_bones_under_one_label_are_refused(tmp_path):
    array = np.zeros((20, 20, 20), np.uint8)
    array[2:8, 4:16, 4:16] = array[12:18, 4:16, 4:16] = bone("femur").label
    write_volume(Volume(array, Geometry((20, 20, 20))), tmp_path / "labels.nii.gz")
    with pytest.raises(InputError, match="two separate bodies"):
        measure_segmentation(tmp_path / "labels.nii.gz", tmp_path / "out", joint="knee")
    assert not (tmp_path / "out").exists()


def test_reader_that_knows_slicers_files_and_its_warnings(a_small_knee, tmp_path):
    (tmp_path / "made.seg.nrrd").write_bytes(b"")
    labels = a_small_knee[1]
    metadata = {"left_out": ["Effusion"], "overlapping_voxels": 3, "side": "right"}
    read = Volume(labels.array, labels.geometry, "SEG", metadata)
    result = measure_segmentation(
        tmp_path / "made.seg.nrrd", tmp_path / "out", reader=lambda _: read, surface_format="glb", pictures=False
    )
    assert [sentence.split()[0] for sentence in result.run["warnings"]] == ["Segments", "Segments"]
    assert "Effusion" in result.run["warnings"][0]
    assert result.run["side"] == "right"
    assert [path.name for path in (tmp_path / "out" / "surfaces").iterdir()] == ["bones.glb"]


def test_without_that_reader_the_files_are_read_too(a_small_knee, tmp_path):
    def missing(_):
        raise ImportError("not here")

    write_plain_segmentation(tmp_path / "knee.seg.nrrd", a_small_knee[1], joint("knee").bones)
    result = measure_segmentation(tmp_path / "knee.seg.nrrd", tmp_path / "out", reader=missing, pictures=False)
    assert result.joint.key == "knee"
    with pytest.raises(InputError, match="written as"):
        measure_segmentation(tmp_path / "knee.seg.nrrd", tmp_path / "no", surface_format="3ds")
