import numpy as np
import pytest

from MultiJointSegLib.inference.tta import SCALES, mirrored, predict, unmirrored


@pytest.fixture
def images():
    return np.random.default_rng(0).uniform(size=(4, 3, 20, 30)).astype(np.float32)


def local(seen):
    def forward(x, start, stop):
        seen.append((x.shape, start, stop))
        return x[:, :2] * 2

    return forward


def test_none_is_one_pass(images):
    seen = []
    np.testing.assert_array_equal(predict(local(seen), images, "coronal", "none"), images[:, :2] * 2)
    assert seen == [(images.shape, 0.0, 1.0)]


@pytest.mark.parametrize("plane", ["coronal", "axial"])
def test_flip_returns_in_place(images, plane):
    seen = []
    np.testing.assert_allclose(predict(local(seen), images, plane, "flip"), images[:, :2] * 2, rtol=1e-6)
    assert [(s[1], s[2]) for s in seen] == [(0.0, 0.5), (0.5, 1.0)]
    np.testing.assert_array_equal(unmirrored(mirrored(images, plane), plane), images)
    np.testing.assert_array_equal(mirrored(images, plane), images[:, :, :, ::-1])


def test_flip_of_sagittal_slices_exchanges_the_neighbors(images):
    np.testing.assert_array_equal(mirrored(images, "sagittal"), images[:, [2, 1, 0]])
    answer = predict(local([]), images, "sagittal", "flip")
    np.testing.assert_allclose(answer[:, 1], images[:, 1] * 2, rtol=1e-6)
    np.testing.assert_allclose(answer[:, 0], images[:, 0] + images[:, 2], rtol=1e-6)


def test_scale_keeps_the_shape_and_smooth_images(images):
    y, x = np.mgrid[0:20, 0:30]
    smooth = np.broadcast_to(np.sin(x / 8) + y / 20, images.shape).astype(np.float32)
    seen = []
    answer = predict(local(seen), smooth, "axial", "scale")
    assert len(seen) == 1 + len(SCALES)
    assert {s[0][2:] for s in seen} == {(20, 30), (18, 27), (22, 33)}
    np.testing.assert_allclose(answer[:, :, 2:-2, 2:-2], 2 * smooth[:, :2, 2:-2, 2:-2], atol=0.02)


def test_unknown_option(images):
    with pytest.raises(ValueError, match="known are none, flip, scale"):
        predict(local([]), images, "axial", "rotate")
