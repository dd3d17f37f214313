"""Bones of real people to tissue maps; the shape data is optional."""

import os
from pathlib import Path

import numpy as np
import pytest

from MultiJointSegLib.anatomy.catalog import joint as catalog_joint
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.phantom.real_shapes import ShapeCase, real_shape_cases
from MultiJointSegLib.phantom.real_shapes_reading import guard_permitted, mask_to_shape
from MultiJointSegLib.phantom.tissue_map import Tissue


@pytest.fixture(scope="module")
def data_folder() -> Path:
    named = os.environ.get("MULTIJOINTSEG_SHARED_DATA")
    folder = Path(named) if named else Path(__file__).parents[4] / "shared" / "data"
    if not (folder / "knee" / "meshes").is_dir():
        pytest.skip("The bone shape data is not on this machine; set MULTIJOINTSEG_SHARED_DATA to its folder.")
    return folder


def _case(folder: Path, start: str) -> ShapeCase:
    return next(c for c in real_shape_cases(folder) if c.name.startswith(start))


def test_thick_slices_of_a_ball_become_a_round_distance():
    spacing = (1.0, 1.0, 4.0)
    z, y, x = np.meshgrid(4.0 * np.arange(16), np.arange(60.0), np.arange(60.0), indexing="ij")
    center = np.array([30.0, 29.0, 31.0])
    mask = (x - center[0]) ** 2 + (y - center[1]) ** 2 + (z - center[2]) ** 2 < 18.0**2
    shape = mask_to_shape(mask, Geometry((60, 60, 16), spacing), "femur", 1)
    directions = np.random.default_rng(0).normal(size=(300, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    error = shape.sample(center + 18.0 * directions)
    assert np.abs(error).mean() < 0.6
    assert np.abs(error).max() < 2.0


def test_cut_shaft_goes_on_beyond_the_field_of_view():
    k, j, i = np.meshgrid(np.arange(40), np.arange(40), np.arange(40), indexing="ij")
    mask = (i - 20) ** 2 + (j - 20) ** 2 < 64
    shape = mask_to_shape(mask, Geometry((40, 40, 40)), "femur", 1)
    beyond = shape.sample(np.array([[20.0, 20.0, 90.0], [35.0, 20.0, 90.0]]))
    assert beyond[0] < -5 < 5 < beyond[1]
    del k


def test_evaluation_data_is_refused(tmp_path):
    for name in ("label_maps_evaluation_only", "hip_mr"):
        file = tmp_path / name / "x.nii.gz"
        file.parent.mkdir()
        file.touch()
        with pytest.raises(InputError, match="evaluation only"):
            guard_permitted(file)


def test_empty_folder_is_named(tmp_path):
    with pytest.raises(InputError, match="holds no bone shapes"):
        real_shape_cases(tmp_path)


def test_no_case_reads_evaluation_data(data_folder, monkeypatch):
    import SimpleITK

    opened: list[str] = []
    read_image = SimpleITK.ReadImage
    monkeypatch.setattr(SimpleITK, "ReadImage", lambda name: (opened.append(name), read_image(name))[1])
    _case(data_folder, "skm_segmentation_corrected").load()
    real_shape_cases(data_folder)
    assert not [name for name in opened if "evaluation_only" in name or "hip_mr" in name]


def test_cases_cover_joints_and_sides_with_unique_names(data_folder):
    cases = real_shape_cases(data_folder)
    assert len({c.name for c in cases}) == len(cases)
    assert {("knee", "left"), ("knee", "right"), ("ankle", "left"), ("ankle", "right")} <= {
        (c.joint, c.side) for c in cases
    }


def test_knee_map_has_every_bone_apart_and_is_repeatable(data_folder):
    case = _case(data_folder, "bmf_knee_right")
    result = case.tissue_map(4, age_years=9.0, spacing_mm=1.6)
    again = case.tissue_map(4, age_years=9.0, spacing_mm=1.6)
    np.testing.assert_array_equal(result.tissue, again.tissue)
    assert set(np.unique(result.labels)) == {0, *catalog_joint("knee").labels}
    assert {Tissue.PHYSIS, Tissue.CARTILAGE, Tissue.MUSCLE, Tissue.FAT, Tissue.SKIN} <= set(np.unique(result.tissue))
    # Femur above tibia, patella in front of the femur, fibula lateral (right side: smaller x) of the tibia.
    middle = {b.key: np.argwhere(result.labels == b.label).mean(0) for b in catalog_joint("knee").bones}
    assert middle["femur"][0] > middle["tibia"][0]
    assert middle["patella"][1] < middle["femur"][1]
    assert middle["fibula"][2] < middle["tibia"][2]


def test_mirrored_case_is_the_other_side(data_folder):
    case = _case(data_folder, "bmf_knee_left_mirrored")
    labels = case.tissue_map(1, age_years=30.0, spacing_mm=1.6, deform=False).labels
    tibia, fibula = (np.argwhere(labels == label).mean(0) for label in (2, 3))
    assert case.side == "left" and fibula[2] > tibia[2]


def test_fused_fibula_is_split_off_and_a_patella_lent(data_folder):
    scene = _case(data_folder, "pybiomech_c").load()
    assert {b.name for b in scene.bones} == {"femur", "tibia", "fibula", "patella"}
    middle = {b.name: b.surface_mm.mean(0) for b in scene.bones}
    # Right side: the fibula lies to the right (smaller x) and behind (larger y), the patella in front.
    assert middle["fibula"][0] < middle["tibia"][0] and middle["fibula"][1] > middle["tibia"][1]
    assert middle["patella"][1] < middle["femur"][1]


def test_shoulder_is_put_together_without_overlap(data_folder):
    result = _case(data_folder, "bonemapy_myosim").tissue_map(2, age_years=30.0, spacing_mm=2.0, deform=False)
    assert set(np.unique(result.labels)) == {0, *catalog_joint("shoulder").labels}
    humerus, scapula = (np.argwhere(result.labels == b.label).mean(0) for b in catalog_joint("shoulder").bones)
    # Right side: the scapula lies to the left (larger x) of the humerus and behind it.
    assert scapula[2] > humerus[2] and scapula[1] > humerus[1]
