"""Ankle and shoulder as they should not be: each row of bad input has its reason, and no number is silently wrong."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy import ndimage

from MultiJointSegLib.anatomy import bone, joint
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.morphology.from_segmentation import measure_label_map
from MultiJointSegLib.morphology.measurement import Measurement
from MultiJointSegLib.morphology.measures import measure_surfaces
from MultiJointSegLib.phantom.ankle import build_ankle
from MultiJointSegLib.phantom.field import sample_shape
from MultiJointSegLib.phantom.growth import growth_at
from MultiJointSegLib.phantom.shoulder import build_shoulder
from MultiJointSegLib.surface.extraction import bone_surfaces

BUILD = {"ankle": build_ankle, "shoulder": build_shoulder}
SHOULDER_BOX = ((-150.0, -75.0, -150.0), (50.0, 120.0, 80.0))
SPACING_MM, GAP_MM = 2.0, 1.6
TOLERANCE = {"deg": 3.0, "mm": 1.5, "1": 0.05}
TIBIA, TALUS, CALCANEUS = (bone(key).label for key in ("tibia", "talus", "calcaneus"))
HUMERUS, SCAPULA = (bone(key).label for key in ("humerus", "scapula"))


@cache
def whole(name: str) -> Volume:
    """Label map of a built joint."""
    rng = np.random.default_rng(3)
    model = BUILD[name](rng, growth_at(20.0, rng))
    low, high = map(np.asarray, SHOULDER_BOX if name == "shoulder" else (model.low_mm, model.high_mm))
    size = tuple((np.ceil((high - low) / SPACING_MM).astype(int) + 1).tolist())
    geometry = Geometry(size, (SPACING_MM,) * 3, tuple(low.tolist()))
    array = np.zeros(geometry.array_shape, np.uint8)
    taken = np.full(geometry.array_shape, np.inf)
    for shape in model.bones:
        if shape.label in joint(name).labels:
            distance = np.maximum(sample_shape(shape.shape, geometry), GAP_MM - taken)
            taken = np.minimum(taken, distance)
            array[distance < 0] = shape.label
    return Volume(array, geometry)


def of_joint(array: np.ndarray, name: str) -> dict[str, Measurement]:
    """Measures that take a bone's shape for what it is: not volumes, places and qualities of a fit."""
    found = measure_label_map(whole(name).with_array(array), name)[1]
    others = ("_volume", "_area", "centroid", "center", "principal", "coverage", "inlier", "residual")
    return {m.key: m for m in found if not any(word in m.key for word in others)}


@cache
def clean(name: str) -> dict[str, Measurement]:
    return of_joint(whole(name).array, name)


def no_silent_error(found: dict[str, Measurement], name: str) -> None:
    for key, m in found.items():
        right = clean(name)[key].value
        if m.value is not None and not m.note:
            assert right is not None, key
            assert abs(m.value - right) <= max(TOLERANCE[m.unit], 2 * (m.error_estimate or 0.0)), (key, m.value, right)


def swapped(array: np.ndarray, first: int, second: int) -> np.ndarray:
    result = array.copy()
    result[array == first], result[array == second] = second, first
    return result


def into(array: np.ndarray, given: int, taker: int, share: float) -> np.ndarray:
    """The share of a bone that is nearest to another carries that one's label, and the joint space is filled."""
    away = ndimage.distance_transform_edt(array != taker)
    near = (array == given) & (away <= np.quantile(away[array == given], share))
    closed = ndimage.binary_closing(np.pad(near | (array == taker), 6), iterations=4)[6:-6, 6:-6, 6:-6]
    result = array.copy()
    result[near | (closed & (array == 0))] = taker
    return result


def one_slice(array: np.ndarray, label: int, axis: int) -> np.ndarray:
    result = array.copy()
    places = np.argwhere(array == label)
    result[array == label] = 0
    result[tuple(places[places[:, axis] == int(np.median(places[:, axis]))].T)] = label
    return result


def void(array: np.ndarray, label: int, other: int, radius_mm: float) -> np.ndarray:
    """The shadow of an implant at the joint."""
    away = ndimage.distance_transform_edt(array != other)
    away[array != label] = np.inf
    place = np.array(np.unravel_index(int(away.argmin()), array.shape))
    near = np.linalg.norm(np.moveaxis(np.indices(array.shape), 0, -1) - place, axis=-1) * SPACING_MM < radius_mm
    return np.where(near & (array == label), 0, array)


def half(array: np.ndarray, label: int, axis: int) -> np.ndarray:
    result = array.copy()
    below = np.moveaxis(result, axis, 0)[: int(np.median(np.argwhere(array == label)[:, axis]))]
    below[below == label] = 0
    return result


def egg(array: np.ndarray, label: int) -> np.ndarray:
    places = np.argwhere(array == label)
    inverse = np.linalg.inv(np.cov(places.T) * 3.5)
    offset = np.moveaxis(np.indices(array.shape), 0, -1) - places.mean(axis=0)
    inside = np.einsum("...i,ij,...j->...", offset, inverse, offset) < 1
    result = np.where(array == label, 0, array)
    result[inside & (result == 0)] = label
    return result


BAD = [
    ("ankle", "swapped", lambda a: swapped(a, TALUS, CALCANEUS), "talus_length", "swapped"),
    ("ankle", "swapped", lambda a: swapped(a, TALUS, TIBIA), "talus_length", "swapped"),
    ("ankle", "swapped", lambda a: swapped(a, TIBIA, CALCANEUS), "calcaneus_length", "swapped"),
    ("ankle", "fused", lambda a: into(a, TALUS, CALCANEUS, 1.0), "talus_length", "missing"),
    ("ankle", "fused", lambda a: into(a, CALCANEUS, TALUS, 0.5), "talus_length", "touch over"),
    ("ankle", "fused", lambda a: into(a, TALUS, TIBIA, 0.5), "talus_length", "touch over"),
    ("ankle", "one slice", lambda a: one_slice(a, CALCANEUS, 2), "calcaneus_length", "one slice only"),
    ("ankle", "one slice", lambda a: one_slice(a, TALUS, 0), "talus_length", "one slice only"),
    ("ankle", "cut", lambda a: half(a, TALUS, 2), "talus_length", "as if cut off"),
    ("ankle", "cut", lambda a: half(a, CALCANEUS, 1), "calcaneus_length", "as if cut off"),
    ("ankle", "implant", lambda a: void(a, TALUS, TIBIA, 11.0), "talus_dome_radius", ""),
    ("ankle", "no such bone", lambda a: egg(a, CALCANEUS), "calcaneus_length", "even as an egg"),
    ("shoulder", "swapped", lambda a: swapped(a, HUMERUS, SCAPULA), "glenoid_height", "swapped"),
    ("shoulder", "fused", lambda a: into(a, SCAPULA, HUMERUS, 1.0), "glenoid_height", "missing"),
    ("shoulder", "fused", lambda a: into(a, HUMERUS, SCAPULA, 0.5), "glenoid_height", ""),
    ("shoulder", "one slice", lambda a: one_slice(a, HUMERUS, 1), "glenoid_height", "one slice only"),
    ("shoulder", "implant", lambda a: void(a, SCAPULA, HUMERUS, 11.0), "glenoid_version", "The glenoid was not found"),
    ("shoulder", "implant", lambda a: void(a, HUMERUS, SCAPULA, 9.0), "humerus_retroversion", ""),
    ("shoulder", "no such bone", lambda a: egg(a, HUMERUS), "glenoid_height", "humeral head"),
]


@pytest.mark.parametrize(("name", "fault", "change", "key", "reason"), BAD, ids=[f"{r[0]}-{r[1]}-{r[3]}" for r in BAD])
def test_bad_input_has_its_reason_and_no_silent_error(name, fault, change, key, reason) -> None:
    found = of_joint(change(whole(name).array), name)
    no_silent_error(found, name)
    if reason:
        assert found[key].value is None
        assert reason in found[key].reason


@pytest.mark.parametrize(("name", "label"), [("ankle", TALUS), ("shoulder", HUMERUS)])
def test_holes_and_islands_change_nothing(name, label) -> None:
    array = whole(name).array.copy()
    depth = ndimage.distance_transform_edt(array == label)
    k, j, i = np.unravel_index(int(depth.argmax()), array.shape)
    array[k - 1 : k + 2, j - 1 : j + 2, i - 1 : i + 2] = 0
    array[1:3, 1:3, 1:3] = label
    found = of_joint(array, name)
    for key, m in clean(name).items():
        assert found[key].value == pytest.approx(m.value, abs=1e-6) if m.value is not None else found[key].reason


@pytest.mark.parametrize(("name", "given", "taker"), [("ankle", TIBIA, CALCANEUS), ("shoulder", SCAPULA, HUMERUS)])
def test_two_bodies_of_one_label_are_refused(name, given, taker) -> None:
    array = np.where(whole(name).array == given, taker, whole(name).array)
    with pytest.raises(InputError, match="two separate bodies"):
        measure_label_map(whole(name).with_array(array), name)


def test_a_shoulder_of_the_other_side_is_told() -> None:
    labels = whole("shoulder")
    surfaces = bone_surfaces(labels, joint("shoulder").bones)
    found = {m.key: m for m in measure_surfaces(surfaces, joint="shoulder", labels=labels, side="right")}
    assert "left shoulder" in found["glenoid_height"].note
    right = {m.key: m for m in measure_surfaces(surfaces, joint="shoulder", labels=labels, side="left")}
    assert right["glenoid_height"].note == ""
