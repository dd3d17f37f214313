"""Imaging of tissue maps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.phantom.acquisition import PLANES, AcquisitionSettings, acquire, draw_acquisition
from MultiJointSegLib.phantom.mr_signal import SEQUENCES, SequenceSettings, draw_sequence, tissue_hounsfield
from MultiJointSegLib.phantom.mr_signal import tissue_signals as signals_of
from MultiJointSegLib.phantom.tissue_map import Tissue, TissueMap

T1 = SequenceSettings("t1", 1.5, 500.0, 12.0, 90.0, 1.0)


def ball_map(radius_mm: float = 14.0) -> TissueMap:
    """Ball of fatty marrow (label 1) at (5, -4, 3) in a block of muscle, air on the border."""
    geometry = Geometry((64, 60, 56), (1.0, 1.0, 1.0), (-32.0, -30.0, -28.0))
    k, j, i = np.indices(geometry.array_shape)
    points = geometry.index_to_point(np.stack([i, j, k], -1))
    tissue = np.full(geometry.array_shape, Tissue.MUSCLE, np.uint8)
    tissue[:, :4], tissue[:, -4:] = Tissue.AIR, Tissue.AIR
    ball = np.linalg.norm(points - [5, -4, 3], axis=-1) < radius_mm
    tissue[ball] = Tissue.FATTY_MARROW
    return TissueMap(tissue, ball.astype(np.uint8), geometry, "knee", "left", 10.0)


def settings(**changes: object) -> AcquisitionSettings:
    base = AcquisitionSettings(
        "sagittal", (0.0, 0.0, 0.0), (48, 48, 12), (1.0, 1.0, 4.0), 4.0, (5.0, -4.0, 3.0), T1, 0.0, 0.0, 0.0
    )
    return replace(base, **changes)


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("tilt", [(0.0, 0.0, 0.0), (10.0, -15.0, 20.0)])
def test_ball_stays_where_it_is_in_every_plane(plane: str, tilt: tuple[float, float, float]) -> None:
    image, labels = acquire(ball_map(), settings(plane=plane, tilt_deg=tilt), np.random.default_rng(0))
    assert image.array.shape == labels.array.shape == (12, 48, 48)
    assert image.spacing_mm == (1.0, 1.0, 4.0)
    k, j, i = np.nonzero(labels.array)
    center = image.geometry.index_to_point(np.stack([i, j, k], 1)).mean(0)
    np.testing.assert_allclose(center, [5, -4, 3], atol=0.3)
    volume = len(k) * image.geometry.voxel_volume_mm3
    # Slices 4 mm apart sample a ball of 28 mm at seven or eight heights only.
    assert volume == pytest.approx(4 / 3 * np.pi * 14**3, rel=0.1)
    assert image.array[labels.array > 0].mean() > 1.5 * image.array[(labels.array == 0) & (image.array > 50)].mean()


def test_planes_are_stored_as_scanners_do() -> None:
    expected = {
        "sagittal": [(0, 1, 0), (0, 0, -1)],
        "coronal": [(1, 0, 0), (0, 0, -1)],
        "axial": [(1, 0, 0), (0, 1, 0)],
    }
    for plane, (row, column) in expected.items():
        direction = np.asarray(settings(plane=plane).geometry().direction)
        np.testing.assert_allclose(direction[:, 0], row)
        np.testing.assert_allclose(direction[:, 1], column)
        assert np.linalg.det(direction) == pytest.approx(1.0)


def test_tilt_is_the_angle_between_slice_normals() -> None:
    straight, tilted = settings().geometry(), settings(tilt_deg=(0.0, 0.0, 18.0)).geometry()
    cosine = np.asarray(straight.direction)[:, 2] @ np.asarray(tilted.direction)[:, 2]
    assert np.degrees(np.arccos(cosine)) == pytest.approx(18.0)


def test_partial_volume_grows_with_slice_thickness() -> None:
    image_of = {}
    for thickness in (1.0, 3.0, 6.0):
        changed = settings(spacing_mm=(1.0, 1.0, 2.0), slice_thickness_mm=thickness, size=(48, 48, 20))
        image_of[thickness] = acquire(ball_map(), changed, np.random.default_rng(0))[0].array.astype(float)
    low, high = np.percentile(image_of[1.0], (50, 99))
    mixed = [np.mean((a > low + 0.2 * (high - low)) & (a < low + 0.8 * (high - low))) for a in image_of.values()]
    assert mixed[0] < mixed[1] < mixed[2]


def test_labels_do_not_depend_on_noise_or_sequence() -> None:
    first = acquire(ball_map(), settings(noise=0.1), np.random.default_rng(1))[1]
    second = acquire(ball_map(), settings(sequence=None), np.random.default_rng(2))[1]
    np.testing.assert_array_equal(first.array, second.array)


def test_noise_in_air_is_rayleigh_distributed() -> None:
    air = TissueMap(
        np.zeros((40, 40, 40), np.uint8), np.zeros((40, 40, 40), np.uint8), Geometry((40, 40, 40)), "other", "left", 9.0
    )
    changed = settings(noise=0.05, center_mm=(20.0, 20.0, 20.0), size=(36, 36, 8))
    values = acquire(air, changed, np.random.default_rng(3))[0].array.astype(float)
    # 800 gray values are the brightest tissue; the mean of Rayleigh's distribution is sigma sqrt(pi / 2).
    assert values.mean() == pytest.approx(800 * 0.05 * np.sqrt(np.pi / 2), rel=0.1)


def test_coil_makes_the_image_uneven() -> None:
    flat = acquire(ball_map(), settings(), np.random.default_rng(4))[0].array.astype(float)
    uneven = acquire(ball_map(), settings(bias=0.3), np.random.default_rng(4))[0].array.astype(float)
    inside = flat > 100
    assert np.std(uneven[inside] / flat[inside]) > 0.1


def test_ct_shows_hounsfield_units() -> None:
    image, labels = acquire(ball_map(), settings(sequence=None, noise=0.0), np.random.default_rng(5))
    assert image.modality == "CT"
    expected = tissue_hounsfield(np.random.default_rng(5))
    inner = labels.array > 0
    assert np.median(image.array[inner]) == pytest.approx(expected[Tissue.FATTY_MARROW], abs=2)
    assert np.median(image.array[~inner & (image.array > -200)]) == pytest.approx(expected[Tissue.MUSCLE], abs=2)


def test_drawn_acquisitions_keep_what_is_given_and_cut_the_limb() -> None:
    source = ball_map()
    for seed in range(12):
        drawn = draw_acquisition(source, np.random.default_rng(seed))
        assert np.abs(drawn.tilt_deg).max() <= 20
        assert 0.3 <= drawn.spacing_mm[0] <= 1.0
        assert 0.5 <= drawn.slice_thickness_mm <= 5.0
        assert drawn.slice_thickness_mm <= drawn.spacing_mm[2] + 1e-9
        assert min(drawn.size) >= 3
    kept = draw_acquisition(
        source,
        np.random.default_rng(0),
        plane="axial",
        sequence="dess",
        spacing_mm=(0.5, 0.6, 2.0),
        noise=0.01,
        whole=True,
    )
    assert (kept.plane, kept.spacing_mm, kept.noise, kept.tilt_deg) == ("axial", (0.5, 0.6, 2.0), 0.01, (0.0, 0.0, 0.0))
    assert kept.sequence is not None
    assert kept.sequence.family == "dess"
    covered = np.array(kept.size) * kept.spacing_mm
    assert np.all(covered >= (np.array(source.geometry.size) - 1) * source.geometry.spacing_mm)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"plane": "diagonal"}, "sagittal"),
        ({"sequence": "flair"}, "dess"),
        ({"modality": "PET"}, "MR and CT"),
        ({"spacing_mm": (0.5, 0.5, 50.0)}, "0.2 to 10"),
    ],
)
def test_what_cannot_be_imaged_is_said(change: dict, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        draw_acquisition(ball_map(), np.random.default_rng(0), **change)


@pytest.mark.parametrize("family", SEQUENCES)
def test_contrast_of_the_family(family: str) -> None:
    for seed in range(20):
        s = draw_sequence(np.random.default_rng(seed), family)
        v = signals_of(s)
        assert v[Tissue.AIR] == 0
        assert v[Tissue.CORTICAL_BONE] < 0.35 * v[Tissue.MUSCLE]
        if family == "t1":
            assert v[Tissue.FAT] > v[Tissue.MUSCLE] > v[Tissue.FLUID]
        if family in ("t2", "t2_fat_suppressed", "dess"):
            assert v[Tissue.FLUID] > v[Tissue.CARTILAGE] > 0
            assert v[Tissue.FLUID] > v[Tissue.MUSCLE]
        if family in ("pd", "t2"):
            assert v[Tissue.FATTY_MARROW] > v[Tissue.MUSCLE]
        if "suppressed" in family:
            assert v[Tissue.CARTILAGE] > v[Tissue.FATTY_MARROW]


def test_spin_echo_follows_bloch() -> None:
    long = replace(T1, repetition_ms=1e6, echo_ms=1e-3)
    np.testing.assert_allclose(signals_of(long)[Tissue.FLUID], 1.0, atol=1e-3)
    muscle = signals_of(T1)[Tissue.MUSCLE]
    water = 0.80 * 0.97 * (1 - np.exp(-500 / 1130)) * np.exp(-12 / 35)
    fat = 0.80 * 0.03 * (1 - np.exp(-500 / 288)) * np.exp(-12 / 165)
    assert muscle == pytest.approx(water + fat, rel=1e-5)
