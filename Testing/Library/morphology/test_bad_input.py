"""Segmentations as they come: holes, islands, one slice, fused or mistaken bones. Nothing crashes or is guessed."""

from __future__ import annotations

import numpy as np
import pytest

from MultiJointSegLib.anatomy import bone
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.morphology.from_segmentation import measure_label_map

FEMUR, TIBIA, FIBULA = (bone(key).label for key in ("femur", "tibia", "fibula"))
BALLS = {  # center and half axes, voxels (k, j, i) of 1.5 mm
    FEMUR: ((44, 20, 20), (11, 10, 12)),
    TIBIA: ((18, 20, 20), (12, 9, 11)),
    FIBULA: ((17, 32, 33), (12, 2.4, 2.4)),
}


def make() -> Volume:
    """Three ellipsoids as femur, tibia and fibula."""
    array = np.zeros((64, 40, 40), np.uint8)
    grid = np.moveaxis(np.indices(array.shape), 0, -1)
    for label, (center, half) in BALLS.items():
        array[(((grid - center) / half) ** 2).sum(axis=-1) <= 1] = label
    return Volume(array, Geometry((40, 40, 64), (1.5, 1.5, 1.5)))


@pytest.fixture(scope="module")
def clean() -> Volume:
    return make()


@pytest.fixture(scope="module")
def values(clean) -> dict[str, float | None]:
    return {m.key: m.value for m in measure_label_map(clean, "knee")[1]}


def test_holes_and_islands_change_nothing(clean, values):
    array = clean.array.copy()
    array[42:46, 18:22, 18:22] = 0
    array[60:62, 36:38, 2:4] = FEMUR
    found = {m.key: m.value for m in measure_label_map(clean.with_array(array), "knee")[1]}
    for key in ("femur_volume", "femur_area", "femur_principal_length_1", "tibia_volume"):
        assert found[key] == pytest.approx(values[key], rel=1e-6), key


def test_a_bone_of_one_slice_is_measured_as_it_is(clean):
    array = clean.array.copy()
    tibia = array == TIBIA
    tibia[18] = False
    array[tibia] = 0
    found = {m.key: m for m in measure_label_map(clean.with_array(array), "knee")[1]}
    disk_mm3 = np.count_nonzero(array == TIBIA) * 1.5**3
    assert found["tibia_volume"].value == pytest.approx(disk_mm3, rel=0.15)
    assert found["tibia_ampta"].value is None
    assert all(m.reason for m in found.values() if m.value is None)


def test_a_bone_of_few_voxels_is_refused(clean):
    array = clean.array.copy()
    array[array == TIBIA] = 0
    array[18, 20, 20:22] = TIBIA
    with pytest.raises(InputError, match="at least 8"):
        measure_label_map(clean.with_array(array), "knee")


def test_fused_bones_leave_the_other_missing(clean):
    array = clean.array.copy()
    # The segmentation of the femur ran down into the tibia.
    array[28:36, 17:23, 17:23] = FEMUR
    array[array == TIBIA] = FEMUR
    found = {m.key: m for m in measure_label_map(clean.with_array(array), "knee")[1]}
    assert "tibia" in found["knee_flexion"].reason
    assert "missing" in found["knee_flexion"].reason


def test_swapped_labels_are_told(clean):
    array = clean.array.copy()
    array[clean.array == FEMUR], array[clean.array == TIBIA] = TIBIA, FEMUR
    found = {m.key: m for m in measure_label_map(clean.with_array(array), "knee")[1]}
    assert "swapped" in found["knee_flexion"].reason
    assert found["femur_volume"].value is not None


def test_what_is_no_knee_has_reasons_only(values):
    """Ellipsoids have no shaft, no condyles and no plateau."""
    for key in ("femur_alldfa", "femur_sulcus_angle", "tibia_ampta", "knee_tibiofemoral_angle", "patella_length"):
        assert values[key] is None
