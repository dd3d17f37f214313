"""Metrics on shapes whose answers are known, and against an independent implementation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from MultiJointSegLib import anatomy
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.evaluation.metrics import INVENTED, MISSED, NOT_THERE, label_metrics, mask_metrics
from MultiJointSegLib.evaluation.surface_distances import surface_distances
from MultiJointSegLib.evaluation.surfel_areas import surfels
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume


def box(shape, low, high):
    mask = np.zeros(shape, bool)
    mask[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = True
    return mask


def ball(shape, steps_mm, center_mm, radius_mm):
    points = np.stack(np.indices(shape), axis=-1) * steps_mm
    return ((points - center_mm) ** 2).sum(axis=-1) <= radius_mm**2


def two_random_masks(seed, shape=(14, 17, 19)):
    rng = np.random.default_rng(seed)
    steps = np.array([2.0, 0.7, 1.1])
    extent = (np.array(shape) - 1) * steps
    return tuple(
        ball(shape, steps, extent * rng.uniform(0.3, 0.7, 3), rng.uniform(3, 7)) & (rng.random(shape) > 0.02)
        for _ in range(2)
    )


@pytest.mark.parametrize("definition", ["border", "surfel"])
@pytest.mark.parametrize(("axis", "spacing_index"), [(0, 2), (1, 1), (2, 0)])
def test_shifted_box(definition, axis, spacing_index) -> None:
    """A box of 10^3 voxels moved by 2 along one axis: everything follows by hand."""
    spacing = (0.5, 0.8, 3.0)  # along i, j, k
    truth = box((30, 30, 30), (8, 8, 8), (18, 18, 18))
    prediction = np.roll(truth, 2, axis=axis)
    found = mask_metrics(truth, prediction, spacing, definition=definition)
    assert found.dice == pytest.approx(0.8)
    assert found.sensitivity == pytest.approx(0.8)
    assert found.specificity == pytest.approx(1 - 200 / (27000 - 1000))
    assert found.ravd_percent == 0
    assert found.mssd_mm == pytest.approx(2 * spacing[spacing_index])
    assert found.truth_ml == pytest.approx(1000 * 0.5 * 0.8 * 3.0 / 1000)
    assert found.remark == ""


def test_average_distance_of_parallel_plates() -> None:
    """One-voxel plates 3 slices apart: every distance is 3 slices."""
    truth, prediction = (box((12, 20, 20), (k, 4, 4), (k + 1, 16, 16)) for k in (3, 6))
    found = mask_metrics(truth, prediction, (1.0, 1.0, 1.5))
    assert found.assd_mm == found.hd95_mm == found.mssd_mm == pytest.approx(4.5)
    assert found.dice == 0


def test_hd95_ignores_what_is_rarer_than_a_twentieth() -> None:
    """A plate of 20 x 20 voxels, and the same with one voxel far away: 1 of 401 distances is large."""
    truth = box((20, 24, 24), (2, 2, 2), (3, 22, 22))
    prediction = truth.copy()
    prediction[12, 12, 12] = True
    found = mask_metrics(truth, prediction, (1.0, 1.0, 1.0))
    assert found.mssd_mm == 10
    assert found.hd95_mm == 0
    assert found.assd_mm == pytest.approx(10 / 801)
    assert found.ravd_percent == pytest.approx(100 / 400)


@pytest.mark.parametrize("definition", ["border", "surfel"])
@pytest.mark.parametrize("d", [2.0, 5.0, 9.0])
def test_two_spheres(definition, d) -> None:
    """Equal spheres whose centers are d apart: MSSD = d, and Dice is that of the lens."""
    steps, radius, shape = np.array([0.5, 0.5, 0.5]), 10.0, (56, 56, 76)
    centers = [np.array([13.75, 13.75, 14.0 + shift]) for shift in (0.0, d)]
    truth, prediction = (ball(shape, steps, center, radius) for center in centers)
    found = mask_metrics(truth, prediction, (0.5, 0.5, 0.5), definition=definition)
    lens = math.pi * (2 * radius - d) ** 2 * (d * d + 4 * d * radius) / (12 * d)
    assert found.mssd_mm == pytest.approx(d, abs=0.01)
    assert found.dice == pytest.approx(lens / (4 / 3 * math.pi * radius**3), abs=0.002)


@pytest.mark.parametrize("definition", ["border", "surfel"])
def test_concentric_spheres(definition) -> None:
    """The gap is 3 mm everywhere; a grid of 0.5 mm shows it within about half a voxel."""
    steps, shape = np.array([0.5, 0.5, 0.5]), (80, 80, 80)
    center = (np.array(shape) - 1) * steps / 2
    truth, prediction = (ball(shape, steps, center, radius) for radius in (12.0, 15.0))
    found = mask_metrics(truth, prediction, (0.5, 0.5, 0.5), definition=definition)
    assert found.assd_mm == pytest.approx(3.0, abs=0.3)
    assert found.mssd_mm == pytest.approx(3.0, abs=0.5)
    assert found.ravd_percent == pytest.approx(100 * ((15 / 12) ** 3 - 1), rel=0.02)


def test_area_of_a_box() -> None:
    """Faces exact; edges and corners are cut off by half a voxel, by hand from the polygons."""
    a, b, c = 1.0, 2.0, 0.5
    _, areas = surfels(box((9, 9, 9), (2, 2, 2), (7, 7, 7)), (a, b, c))
    flat = 2 * 16 * (a * b + b * c + a * c)
    edges = 4 * 4 * sum(length * math.hypot(one, other) / 2 for length, one, other in ((a, b, c), (b, a, c), (c, a, b)))
    corners = 8 * math.sqrt((a * b) ** 2 + (b * c) ** 2 + (a * c) ** 2) / 8
    assert areas.sum() == pytest.approx(flat + edges + corners)


def test_area_of_a_sphere() -> None:
    """Polygons through the middles of edges overestimate a sphere by less than a tenth, as marching cubes does."""
    steps = np.array([0.5, 0.5, 0.5])
    _, areas = surfels(ball((60, 60, 60), steps, np.array([14.75] * 3), 12.0), (0.5, 0.5, 0.5))
    assert 1.0 < areas.sum() / (4 * math.pi * 12.0**2) < 1.1


def test_surfel_areas_are_symmetric_where_no_face_is_ambiguous() -> None:
    """A mask and its complement share their surface."""
    mask = ball((20, 20, 20), np.ones(3), np.array([9.5] * 3), 6.0)
    _, inside = surfels(mask, (1.0, 1.0, 1.0))
    _, outside = surfels(~mask, (1.0, 1.0, 1.0))
    rim = surfels(np.ones_like(mask), (1.0, 1.0, 1.0))[1].sum()
    assert inside.sum() == pytest.approx(outside.sum() - rim)


def test_identical_masks() -> None:
    mask = box((8, 8, 8), (2, 2, 2), (6, 6, 6))
    for definition in ("border", "surfel"):
        found = mask_metrics(mask, mask, (1.0, 1.0, 1.0), definition=definition)
        assert (found.dice, found.assd_mm, found.hd95_mm, found.mssd_mm, found.ravd_percent) == (1, 0, 0, 0, 0)


def test_empty_masks() -> None:
    mask, empty = box((10, 20, 20), (2, 2, 2), (6, 6, 6)), np.zeros((10, 20, 20), bool)
    diagonal = math.sqrt(10**2 + 20**2 + 40**2)
    missed = mask_metrics(mask, empty, (2.0, 1.0, 1.0))
    assert (missed.dice, missed.sensitivity, missed.specificity, missed.ravd_percent) == (0, 0, 1, -100)
    assert missed.mssd_mm == missed.assd_mm == missed.hd95_mm == pytest.approx(diagonal)
    assert missed.remark == MISSED
    invented = mask_metrics(empty, mask, (2.0, 1.0, 1.0))
    assert invented.dice == 0 and invented.mssd_mm == pytest.approx(diagonal) and invented.remark == INVENTED
    assert math.isnan(invented.sensitivity) and math.isnan(invented.ravd_percent)
    assert invented.specificity == pytest.approx(1 - 64 / 4000)
    neither = mask_metrics(empty, empty, (2.0, 1.0, 1.0))
    assert math.isnan(neither.dice) and math.isnan(neither.mssd_mm) and neither.remark == NOT_THERE


def test_wrong_masks_are_refused() -> None:
    mask = np.zeros((4, 4, 4), bool)
    with pytest.raises(InputError, match="shape"):
        mask_metrics(mask, mask[:3], (1.0, 1.0, 1.0))
    with pytest.raises(InputError, match="bool"):
        mask_metrics(mask, mask.astype(np.uint8), (1.0, 1.0, 1.0))


def test_label_maps_agree_with_masks(a_small_knee) -> None:
    truth = a_small_knee[1]
    moved = truth.with_array(np.roll(truth.array, 1, axis=1))
    moved.array[moved.array == anatomy.bone("patella").label] = 0
    bones = anatomy.joint("knee").bones
    for definition in ("border", "surfel"):
        found = label_metrics(truth, moved, (*bones, anatomy.bone("talus")), definition=definition)
        assert list(found) == [b.key for b in bones]  # the talus is in neither
        for bone in bones:
            masks = truth.array == bone.label, moved.array == bone.label
            assert found[bone.key] == mask_metrics(*masks, truth.spacing_mm, definition=definition)
    assert found["patella"].remark == MISSED


def test_different_grids_are_refused(a_small_knee) -> None:
    truth = a_small_knee[1]
    g = truth.geometry
    other = Volume(truth.array, Geometry(g.size, g.spacing_mm, (0.0, 0.0, 0.0), g.direction))
    with pytest.raises(InputError, match="different grids"):
        label_metrics(truth, other, anatomy.joint("knee").bones)


@given(st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_swapping_truth_and_prediction_changes_no_symmetric_metric(seed) -> None:
    truth, prediction = two_random_masks(seed)
    for definition in ("border", "surfel"):
        one = mask_metrics(truth, prediction, (1.1, 0.7, 2.0), definition=definition)
        other = mask_metrics(prediction, truth, (1.1, 0.7, 2.0), definition=definition)
        assert one.dice == other.dice
        assert one.assd_mm == pytest.approx(other.assd_mm)
        assert (one.mssd_mm, one.hd95_mm) == (other.mssd_mm, other.hd95_mm)
        assert one.assd_mm <= one.hd95_mm or one.hd95_mm == 0 or one.assd_mm <= one.mssd_mm
        assert one.hd95_mm <= one.mssd_mm


@given(st.integers(0, 10_000), st.permutations([0, 1, 2]), st.tuples(*[st.booleans()] * 3))
@settings(max_examples=15, deadline=None)
def test_turning_the_patient_changes_nothing(seed, axes, flips) -> None:
    truth, prediction = two_random_masks(seed)
    steps = (2.0, 0.7, 1.1)
    turned_steps = [steps[a] for a in axes]
    turn = tuple(slice(None, None, -1 if f else 1) for f in flips)
    turned = [m.transpose(axes)[turn] for m in (truth, prediction)]
    for definition in ("border", "surfel"):
        one = mask_metrics(truth, prediction, steps[::-1], definition=definition)
        other = mask_metrics(*turned, tuple(turned_steps[::-1]), definition=definition)
        for key in ("dice", "assd_mm", "hd95_mm", "mssd_mm", "specificity"):
            assert getattr(one, key) == pytest.approx(getattr(other, key)), key


@given(st.integers(0, 10_000))
@settings(max_examples=10, deadline=None)
def test_distances_agree_with_a_search_over_all_pairs(seed) -> None:
    truth, prediction = two_random_masks(seed, (7, 8, 9))
    if not truth.any() or not prediction.any():
        return
    steps = np.array([2.0, 0.7, 1.1])
    found = surface_distances(truth, prediction, tuple(steps), "border")

    def border(mask):
        padded = np.pad(mask, 1)
        shifted = [np.roll(padded, s, axis=a)[1:-1, 1:-1, 1:-1] for a in range(3) for s in (-1, 1)]
        return np.argwhere(mask & ~np.all(shifted, axis=0)) * steps

    pairs = np.linalg.norm(border(truth)[:, None] - border(prediction)[None], axis=-1)
    np.testing.assert_allclose(np.sort(found.from_truth_mm), np.sort(pairs.min(axis=1)))
    np.testing.assert_allclose(np.sort(found.from_prediction_mm), np.sort(pairs.min(axis=0)))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
class TestAgainstMonai:
    """The same definitions in MONAI, on masks that also touch the edge of the image."""

    @pytest.fixture(scope="class")
    def monai_metrics(self):
        return pytest.importorskip("monai.metrics", exc_type=ImportError)

    @pytest.mark.parametrize("seed", range(6))
    def test_border(self, monai_metrics, seed) -> None:
        import torch

        truth, prediction = two_random_masks(seed)
        t, p = (torch.from_numpy(m)[None, None].float() for m in (truth, prediction))
        found = mask_metrics(truth, prediction, (1.1, 0.7, 2.0))
        how = {"include_background": True, "spacing": [2.0, 0.7, 1.1]}
        mssd = monai_metrics.compute_hausdorff_distance(p, t, **how).item()
        hd95 = monai_metrics.compute_hausdorff_distance(p, t, percentile=95, **how).item()
        assd = monai_metrics.compute_average_surface_distance(p, t, symmetric=True, **how).item()
        assert found.mssd_mm == pytest.approx(mssd, rel=1e-5)
        assert found.hd95_mm == pytest.approx(hd95, rel=1e-5)
        assert found.assd_mm == pytest.approx(assd, rel=1e-5)
        confusion = monai_metrics.get_confusion_matrix(p, t, include_background=True)
        for ours, name in ((found.sensitivity, "sensitivity"), (found.specificity, "specificity")):
            theirs = monai_metrics.compute_confusion_matrix_metric(name, confusion).item()
            assert ours == pytest.approx(theirs, rel=1e-5)
        assert found.dice == pytest.approx(monai_metrics.compute_dice(p, t).item(), rel=1e-5)

    @pytest.mark.parametrize("seed", range(3))
    def test_surfel(self, monai_metrics, seed) -> None:
        """Areas of ambiguous and bent cells may differ from the table that MONAI uses, distances not."""
        import torch
        from monai.metrics.utils import get_edge_surface_distance

        steps = [2.0, 0.7, 1.1]
        rng = np.random.default_rng(seed)
        truth, prediction = (ball((18, 50, 32), np.array(steps), rng.uniform(15, 18, 3), r) for r in (12.0, 11.0))
        t, p = (torch.from_numpy(np.pad(m, 1)) for m in (truth, prediction))
        cells, distances, areas = get_edge_surface_distance(
            p, t, spacing=steps, use_subvoxels=True, symmetric=True, warn_empty=False
        )
        weights = [a[c] for a, c in zip(areas, cells, strict=True)]
        theirs = sum((d * w).sum() for d, w in zip(distances, weights, strict=True)) / sum(w.sum() for w in weights)
        found = mask_metrics(truth, prediction, (1.1, 0.7, 2.0), definition="surfel")
        assert found.mssd_mm == pytest.approx(max(d.max().item() for d in distances), rel=1e-5)
        assert found.assd_mm == pytest.approx(theirs.item(), rel=0.01)
