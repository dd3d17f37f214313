"""Intensity scale: independent of gain, offset, storage order and outliers."""

from __future__ import annotations

import numpy as np
import pytest

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.intensity import intensity_window, normalize_intensity, otsu_threshold
from MultiJointSegLib.imaging.volume import Volume


def scan(rng: np.random.Generator) -> np.ndarray:
    """Air, muscle and fat with Rician noise, like a T1-weighted slice stack."""
    signal = np.zeros((12, 60, 60))
    signal[:, 10:50, 10:50] = 300
    signal[:, 15:30, 15:45] = 900
    noise = rng.normal(0, 12, (2, *signal.shape))
    return np.hypot(signal + noise[0], noise[1])


def volume_of(array: np.ndarray) -> Volume:
    return Volume(array, Geometry(array.shape[::-1]))


def test_window_follows_the_definition() -> None:
    array = scan(np.random.default_rng(0))
    low, high = intensity_window(array)
    assert low == pytest.approx(np.percentile(array, 0.5), abs=0.5)
    tissue = array[array > 150]
    # Otsu may fall between air and muscle or between muscle and fat; the brightest percent is the same fat.
    assert high == pytest.approx(np.percentile(tissue, 99), rel=0.03)
    result = normalize_intensity(volume_of(array)).array
    assert result.dtype == np.float32
    assert result.min() == 0
    assert result[:, :8].mean() < 0.03
    assert 0.9 < np.median(result[:, 17:28, 17:43]) < 1.0


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_types_agree(dtype: type) -> None:
    array = scan(np.random.default_rng(0)) * 0.25
    reference = normalize_intensity(volume_of(array)).array
    result = normalize_intensity(volume_of(array.astype(dtype))).array
    np.testing.assert_allclose(result, reference, atol=0.012)


def test_gain_offset_and_storage_do_not_matter() -> None:
    array = scan(np.random.default_rng(0)).astype(np.float32)
    reference = normalize_intensity(volume_of(array)).array
    np.testing.assert_allclose(normalize_intensity(volume_of(array * 37 - 500)).array, reference, atol=2e-3)
    turned = np.ascontiguousarray(array.transpose(2, 0, 1)[:, ::-1])
    result = normalize_intensity(volume_of(turned)).array
    np.testing.assert_array_equal(result, reference.transpose(2, 0, 1)[:, ::-1])


@pytest.mark.parametrize("outlier", [1e5, 1e12, -1e9])
def test_a_few_wild_voxels_do_not_matter(outlier: float) -> None:
    array = scan(np.random.default_rng(0))
    reference = normalize_intensity(volume_of(array)).array
    array[0, 0, :3] = outlier
    result = normalize_intensity(volume_of(array)).array
    np.testing.assert_allclose(result[1:], reference[1:], atol=5e-3)
    assert result.min() >= 0
    assert result.max() <= 1.5


def test_nearly_constant_image_still_has_a_window() -> None:
    array = np.zeros((4, 50, 50), np.int16)
    array[2, 5, 5] = 40
    assert intensity_window(array) == (0, 40)


@pytest.mark.parametrize(("fill", "match"), [(np.nan, "not numbers"), (np.inf, "not numbers"), (5.0, "same value 5")])
def test_images_without_a_window_are_refused(fill: float, match: str) -> None:
    array = np.full((3, 4, 5), fill)
    with pytest.raises(InputError, match=match):
        normalize_intensity(volume_of(array))


def test_otsu_splits_two_classes_in_the_gap() -> None:
    counts = np.zeros(100)
    counts[10:20], counts[70:90] = 50, 30
    assert 19 <= otsu_threshold(counts, np.arange(100.0)) <= 69


def test_a_little_very_bright_fluid_does_not_leave_the_tissue_dark() -> None:
    """As in DESS: few voxels are fluid, eight times as bright as muscle and marrow."""
    rng = np.random.default_rng(0)
    array = rng.normal(4, 1, (10, 40, 40)).clip(0)
    array[:, 10:30] = rng.normal(100, 8, (10, 20, 40))
    array[:, 20, :8] = 800  # 1 % of the tissue
    _, high = intensity_window(array)
    assert 105 < high < 130
