"""Soft tissue around analytic bones on tiny grids."""

import numpy as np
import pytest

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.phantom.clothing import clothe
from MultiJointSegLib.phantom.tissue_map import BoneField, Tissue

SPACING_MM = 2.0
SIZE = 72


def _coordinates() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x = (SPACING_MM * (np.arange(SIZE) - SIZE / 2)).astype(np.float32)
    return x[None, None, :], x[None, :, None], x[:, None, None]


def _geometry() -> Geometry:
    corner = -SPACING_MM * SIZE / 2
    return Geometry((SIZE,) * 3, (SPACING_MM,) * 3, (corner,) * 3)


def _rod(radius_mm: float, low_mm: float, high_mm: float, x_mm: float = 0.0, y_mm: float = 0.0) -> np.ndarray:
    x, y, z = _coordinates()
    beyond = np.maximum(np.maximum(low_mm - z, z - high_mm), 0)
    return (np.sqrt((x - x_mm) ** 2 + (y - y_mm) ** 2 + beyond**2) - radius_mm).astype(np.float32)


def _knee(physis: bool = False) -> list[BoneField]:
    _, _, z = _coordinates()
    femur = np.minimum(_rod(14, 20, 200), np.minimum(_rod(20, 22, 26, 18), _rod(20, 22, 26, -18)))
    tibia = np.minimum(_rod(13, -200, -20), np.minimum(_rod(18, -21, -19, 15), _rod(18, -21, -19, -15)))
    plate = np.broadcast_to(z - 48, femur.shape).astype(np.float32) if physis else None
    return [BoneField(1, femur, plate), BoneField(2, tibia), BoneField(3, _rod(6, -200, -28, -34, 15))]


def _dressed(joint: str = "knee", seed: int = 3, age_years: float = 12.0, physis: bool = True):
    return clothe(
        _knee(physis), _geometry(), rng=np.random.default_rng(seed), joint=joint, side="right", age_years=age_years
    )


def test_labels_are_exactly_the_bones():
    result = _dressed()
    for bone in _knee():
        np.testing.assert_array_equal(result.labels == bone.label, bone.distance_mm < 0)
    assert result.tissue.dtype == np.uint8 and result.labels.dtype == np.uint8


@pytest.mark.parametrize("joint", ["knee", "ankle", "shoulder", "hip", "other"])
def test_every_joint_gets_bone_and_soft_tissue(joint):
    tissue = _dressed(joint).tissue
    present = set(np.unique(tissue))
    assert {Tissue.FAT, Tissue.MUSCLE, Tissue.CORTICAL_BONE, Tissue.FATTY_MARROW, Tissue.PHYSIS} <= present


def test_bone_tissues_lie_in_bones_and_nowhere_else():
    result = _dressed()
    inside = np.logical_or.reduce([b.distance_mm < 0 for b in _knee()])
    bony = np.isin(result.tissue, [Tissue.CORTICAL_BONE, Tissue.FATTY_MARROW, Tissue.RED_MARROW, Tissue.PHYSIS])
    np.testing.assert_array_equal(bony, inside)


def test_outside_of_every_bone_is_cortex_except_at_the_growth_plate():
    result = _dressed()
    femur = _knee()[0].distance_mm
    shell = (femur < 0) & (femur > -0.4)
    assert set(np.unique(result.tissue[shell])) <= {Tissue.CORTICAL_BONE, Tissue.PHYSIS}


def test_cartilage_lies_between_the_facing_bones():
    result = _dressed()
    cartilage = result.tissue == Tissue.CARTILAGE
    assert cartilage.any()
    nearest = np.min([b.distance_mm for b in _knee()], axis=0)
    assert nearest[cartilage].max() < 5.0


def test_same_seed_same_map_other_seed_other_map():
    np.testing.assert_array_equal(_dressed(seed=5).tissue, _dressed(seed=5).tissue)
    assert np.any(_dressed(seed=5).tissue != _dressed(seed=6).tissue)


def test_skin_separates_air_from_the_rest():
    tissue = _dressed(seed=2).tissue
    air = tissue == Tissue.AIR
    assert air.any()
    deep = ~air & (tissue != Tissue.SKIN)
    touching = (air[:, 1:] & deep[:, :-1]).sum() + (air[:, :-1] & deep[:, 1:]).sum()
    assert touching < 0.2 * (tissue == Tissue.SKIN).sum()


def test_bone_of_the_surroundings_has_tissue_but_no_label():
    bones = [*_knee(), BoneField(0, _rod(5, -200, 200, 40, 0))]
    result = clothe(bones, _geometry(), rng=np.random.default_rng(0), joint="knee", side="left", age_years=30.0)
    extra = (bones[-1].distance_mm < 0) & (np.min([b.distance_mm for b in bones[:-1]], axis=0) > 0)
    assert not result.labels[extra].any()
    assert set(np.unique(result.tissue[extra])) <= {Tissue.CORTICAL_BONE, Tissue.FATTY_MARROW, Tissue.RED_MARROW}


def test_bad_input_is_named():
    geometry = _geometry()
    keywords = {"rng": np.random.default_rng(0), "joint": "knee", "side": "left", "age_years": 9.0}
    with pytest.raises(InputError, match="No bone"):
        clothe([], geometry, **keywords)
    with pytest.raises(InputError, match="shape"):
        clothe([BoneField(1, np.zeros((3, 3, 3), np.float32))], geometry, **keywords)
    uneven = Geometry((SIZE,) * 3, (1.0, 1.0, 2.0))
    with pytest.raises(InputError, match="isotropic"):
        clothe(_knee(), uneven, **keywords)
