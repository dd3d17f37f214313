"""Growth plates on bones made of two signals, and what is said where they cannot be seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from MultiJointSegLib.anatomy import bone
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.morphology.growth_plate import find_growth_plate, measure_growth_plates

FEMUR, TIBIA = bone("femur"), bone("tibia")
PLATE_MM, TILT = 18.0, 0.15


def knee(plate: float, *, spacing: tuple[float, float, float] = (0.8, 2.5, 0.8), noise: float = 4.0, seed: int = 1):
    """A femur (block over z = 0) above a tibia; marrow 100, the plate `plate` times as bright, 2 mm thick, tilted."""
    size = tuple(int(80.0 / s) for s in spacing)
    geometry = Geometry(size, spacing, (-40.0, -40.0, -25.0))
    k, j, i = np.indices(geometry.array_shape)
    x, y, z = np.moveaxis(geometry.index_to_point(np.stack([i, j, k], axis=-1).reshape(-1, 3).astype(float)), 1, 0)
    x, y, z = (v.reshape(geometry.array_shape) for v in (x, y, z))
    within = (np.abs(x) < 30.0) & (np.abs(y) < 24.0)
    labels = np.where(within & (z > 0.0), FEMUR.label, 0) + np.where(within & (z < -4.0), TIBIA.label, 0)
    image = np.where(labels > 0, 100.0, 40.0)
    image[(labels > 0) & (np.abs(z - PLATE_MM - TILT * x) < 1.0)] *= plate
    image += np.random.default_rng(seed).normal(0.0, noise, image.shape)
    return Volume(image.astype(np.float32), geometry), Volume(labels.astype(np.uint8), geometry)


@pytest.mark.parametrize("plate", [0.4, 2.0])
def test_an_open_plate_is_found_dark_or_bright(plate):
    image, labels = knee(plate)
    found = find_growth_plate(image, labels, FEMUR, TIBIA)
    assert found.state == "open"
    assert found.distance_mm == pytest.approx(PLATE_MM, abs=1.0)
    normal = np.array([-TILT, 0.0, 1.0]) / np.hypot(1.0, TILT)
    assert np.degrees(np.arccos(min(abs(float(found.normal @ normal)), 1.0))) < 5.0
    (femur, tibia) = measure_growth_plates(image, labels, "knee")
    assert femur.value == pytest.approx(PLATE_MM, abs=1.0)
    assert "is open" in femur.note
    assert femur.geometry["growth_plate"]["type"] == "plane"
    start, end = (np.asarray(femur.geometry["distance"][name]) for name in ("start_mm", "end_mm"))
    assert abs((end - start) @ femur.geometry["view"]["normal"]) < 1e-6
    # The block of tibia is cut 21 mm below its end.
    assert tibia.value is None


def test_without_a_plate_it_is_closed():
    image, labels = knee(1.0)
    assert find_growth_plate(image, labels, FEMUR, TIBIA).state == "closed"
    assert "closed" in measure_growth_plates(image, labels, "knee")[0].reason


def test_what_cannot_be_seen_is_said():
    image, labels = knee(1.0, spacing=(0.8, 0.8, 4.0))
    found = find_growth_plate(image, labels, FEMUR, TIBIA)
    assert found.state == "not assessable"
    assert "can be missed" in found.reason
    coarse = find_growth_plate(*knee(0.4, spacing=(0.8, 0.8, 6.0)), FEMUR, TIBIA)
    assert "resolves" in coarse.reason
    image, labels = knee(1.0)
    dark = replace(image, array=np.zeros_like(image.array))
    assert "too dark" in find_growth_plate(dark, labels, FEMUR, TIBIA).reason
    alone = labels.with_array(np.where(labels.array == TIBIA.label, 0, labels.array))
    assert "must be segmented" in find_growth_plate(image, alone, FEMUR, TIBIA).reason
    assert measure_growth_plates(image, labels, "hip") == []
