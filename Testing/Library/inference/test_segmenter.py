from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest

from MultiJointSegLib import anatomy
from MultiJointSegLib.errors import CancelledError, InputError, RefusalError
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.inference.segmenter import Segmenter
from MultiJointSegLib.progress import CallbackProgress

FEMUR = anatomy.bone("femur").label


@pytest.fixture
def segmenter(bundle):
    """The untrained network, in torch."""
    return Segmenter(bundle, "cpu", runtime="torch")


@pytest.fixture
def ball_segmenter(segmenter, ball_runtime):
    """Finds the bright ball and calls it the first bone of the joint."""
    segmenter._runner.runtime = ball_runtime
    return segmenter


def truth(volume):
    k, j, i = np.meshgrid(*(np.arange(n) for n in volume.array.shape), indexing="ij")
    return np.linalg.norm(volume.geometry.index_to_point(np.stack([i, j, k], axis=-1)), axis=-1) < 12


def reoriented(volume, order, flips):
    """The same examination, its array axes stored in another order and direction."""
    array = volume.array.transpose(order)[tuple(slice(None, None, -1 if f else 1) for f in flips)]
    grid_axes = [2 - a for a in order[::-1]]  # grid axes i, j, k of the new array in terms of the old
    direction, spacing = np.asarray(volume.geometry.direction), np.asarray(volume.geometry.spacing_mm)
    first = np.zeros(3)
    columns = []
    for new_axis, old in enumerate(grid_axes):
        flip = flips[2 - new_axis]
        first[old] = volume.geometry.size[old] - 1 if flip else 0
        columns.append(direction[:, old] * (-1 if flip else 1))
    geometry = Geometry(
        array.shape[::-1],
        tuple(spacing[grid_axes]),
        tuple(volume.geometry.index_to_point(first)),
        tuple(map(tuple, np.stack(columns, axis=1))),
    )
    return Volume(np.ascontiguousarray(array), geometry, volume.modality)


def test_confidence_offsets_of_the_bundle_shift_the_confidence_alone(ball_segmenter, ball_volume):
    plain = ball_segmenter.segment(ball_volume)
    bundle = ball_segmenter.bundle
    manifest = bundle.manifest.model_copy(update={"confidence_offsets": {"knee": {"femur": -0.8}}})
    ball_segmenter.bundle = replace(bundle, manifest=manifest)
    shifted = ball_segmenter.segment(ball_volume)
    assert np.array_equal(plain.labels.array, shifted.labels.array)
    odds = [c / (1 - c) for c in (plain.bone_confidence["femur"], shifted.bone_confidence["femur"])]
    assert np.log(odds[1] / odds[0]) == pytest.approx(-0.8)
    assert plain.bone_confidence["tibia"] == shifted.bone_confidence["tibia"]


def test_the_result_is_the_ball_on_the_examinations_grid(ball_segmenter, ball_volume):
    result = ball_segmenter.segment(ball_volume)
    assert result.joint.key == result.detection.joint == "knee"
    assert result.labels.geometry == ball_volume.geometry
    assert result.labels.array.dtype == np.uint8
    found, expected = result.labels.array == FEMUR, truth(ball_volume)
    assert 2 * (found & expected).sum() / (found.sum() + expected.sum()) > 0.97
    assert set(np.unique(result.labels.array)) == {0, FEMUR}
    assert result.slice_axis == 2
    assert set(result.probabilities) == {"femur"}
    assert result.bone_confidence["femur"] > 0.85
    assert result.bone_confidence["patella"] == 0
    assert result.slice_uncertainty["femur"].shape == (16,)
    assert result.slice_uncertainty["femur"].max() > 0
    assert {"prepare", "detect", "network", "to_native", "clean", "evidence"} == set(result.timings_s)
    assert any("No tibia was found" in w for w in result.warnings)


def test_probabilities_lie_where_the_labels_lie_and_agree_with_them(ball_segmenter, ball_volume):
    result = ball_segmenter.segment(ball_volume)
    probability = result.probabilities["femur"]
    start = np.rint(ball_volume.geometry.point_to_index(np.array(probability.geometry.origin_mm))).astype(int)[::-1]
    box = tuple(slice(a, a + n) for a, n in zip(start, probability.array.shape, strict=True))
    inside = np.zeros(ball_volume.array.shape, bool)
    inside[box] = probability.array > 0.5
    np.testing.assert_array_equal(inside, result.labels.array == FEMUR)
    assert probability.geometry.spacing_mm == ball_volume.spacing_mm
    assert np.abs(probability.array.astype(float) - 0.5).min() > 0.01


@pytest.mark.parametrize("case", range(0, 48, 5))
def test_the_storage_of_the_axes_does_not_matter(segmenter, ball_volume, case):
    """With the untrained network, whose answer is arbitrary but depends on everything."""
    order, flips = list(product(permutations(range(3)), product((False, True), repeat=3)))[case]
    expected = segmenter.segment(ball_volume, joint="knee")
    turned = reoriented(ball_volume, order, flips)
    result = segmenter.segment(turned, joint="knee")
    back = reoriented(expected.labels, order, flips)
    assert back.geometry.same_grid(result.labels.geometry)
    assert (result.labels.array == back.array).mean() > 0.9995
    assert len(np.unique(back.array)) > 2, "the test network must find more than one bone"
    assert result.slice_axis == list(order).index(2)
    for key, value in expected.bone_confidence.items():
        assert result.bone_confidence[key] == pytest.approx(value, abs=2e-3)


def test_refusal_says_why(segmenter, ball_volume, ball_runtime):
    ball_runtime.detect = lambda x: np.tile(np.array([0, 1, 0, 5.0], np.float32), (len(x), 1))
    segmenter._runner.runtime = ball_runtime
    assert segmenter.detect(ball_volume).joint is None
    with pytest.raises(RefusalError, match="do not show any joint that this model knows") as caught:
        segmenter.segment(ball_volume)
    assert caught.value.exit_code == 3
    forced = segmenter.segment(ball_volume, joint="knee")
    assert forced.joint.key == "knee"
    assert forced.detection.joint is None
    assert forced.warnings[0].startswith(
        "The knee was segmented because you named it, but the images do not show any joint that this model knows"
    )
    assert "name it" not in forced.warnings[0]


def test_a_named_joint_overrides_another_one_with_a_warning(ball_segmenter, ball_volume):
    result = ball_segmenter.segment(ball_volume, joint="shoulder")
    assert result.joint.key == "shoulder"
    assert set(np.unique(result.labels.array)) == {0, anatomy.bone("humerus").label}
    assert result.warnings[0].startswith(
        "The shoulder was segmented because you named it, but the images look like a knee (score"
    )


def test_a_joint_without_its_bones_is_refused(ball_segmenter, ball_volume, ball_runtime):
    segment = ball_runtime.segment
    ball_runtime.segment = lambda x, joint: segment(x * 0, joint)
    with pytest.raises(RefusalError, match=r"resemble a knee .* bones could not be found"):
        ball_segmenter.segment(ball_volume)
    assert not ball_segmenter.segment(ball_volume, joint="knee").labels.array.any()


def test_wrong_modality(ball_segmenter, ball_volume):
    ct = Volume(ball_volume.array, ball_volume.geometry, "CT")
    assert "CT examination" in ball_segmenter.detect(ct).reason
    with pytest.raises(RefusalError, match="reads MR of the ankle"):
        ball_segmenter.segment(ct)
    with pytest.raises(InputError, match="modality is CT; for the knee the model needs MR"):
        ball_segmenter.segment(ct, joint="knee")
    looks = Volume(ball_volume.array - 1000, ball_volume.geometry)
    with pytest.raises(RefusalError, match="looks like a CT"):
        ball_segmenter.segment(looks)
    assert "look like CT" in ball_segmenter.segment(looks, joint="knee").warnings[0]


@pytest.mark.parametrize(("joint", "words"), [("elbow", "Unknown joint"), ("hip", "does not know the hip")])
def test_unknown_joint(ball_segmenter, ball_volume, joint, words):
    with pytest.raises(InputError, match=words):
        ball_segmenter.segment(ball_volume, joint=joint)


def test_progress_rises_to_one_and_cancel_stops(ball_segmenter, ball_volume, ball_runtime):
    seen = []
    ball_segmenter._runner._limit = 3
    ball_segmenter.segment(ball_volume, progress=CallbackProgress(lambda f, m: seen.append((f, m))))
    fractions = [f for f, _ in seen]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0.0, 1.0)
    assert {"Preparing the slices", "Cleaning the bones", "Judging the femur"} <= {m for _, m in seen}
    ball_runtime.batches.clear()
    with pytest.raises(CancelledError):
        ball_segmenter.segment(
            ball_volume, progress=CallbackProgress(lambda *_: None, lambda: sum(ball_runtime.batches) >= 20)
        )
    assert sum(ball_runtime.batches) == 20, "14 slices with tissue for detection, then two batches of 3"


@pytest.mark.parametrize("tta", ["flip", "scale"])
def test_test_time_options_keep_the_answer_in_place(bundle, ball_volume, ball_runtime, tta):
    segmenter = Segmenter(bundle, "cpu", runtime="torch", tta=tta)
    segmenter._runner.runtime = ball_runtime
    found, expected = segmenter.segment(ball_volume).labels.array == FEMUR, truth(ball_volume)
    assert 2 * (found & expected).sum() / (found.sum() + expected.sum()) > 0.97


def test_unknown_test_time_option(bundle):
    with pytest.raises(InputError, match="known are none, flip, scale"):
        Segmenter(bundle, "cpu", runtime="torch", tta="rotate")


def test_the_examination_is_left_untouched(ball_segmenter, ball_volume):
    before = ball_volume.array.copy()
    ball_segmenter.segment(ball_volume)
    np.testing.assert_array_equal(ball_volume.array, before)
