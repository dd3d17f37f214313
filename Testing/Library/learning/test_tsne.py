"""t-SNE: its probabilities and gradient are right and clusters stay clusters."""

import numpy as np
import pytest

from MultiJointSegLib.learning.tsne import divergence_and_gradient, neighbor_probabilities, tsne


@pytest.fixture
def three_clusters() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    classes = np.repeat(np.arange(3), 12)
    return rng.normal(0, 0.3, (36, 8)) + 4 * np.eye(8)[classes], classes


def test_probabilities_have_the_perplexity_asked_for() -> None:
    # On a regular polygon all points see the same, so that P is also each point's conditional probability over n.
    angle = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    p = neighbor_probabilities(np.stack([np.cos(angle), np.sin(angle)], axis=1), 6.0)
    assert p.sum() == pytest.approx(1)
    assert np.array_equal(p, p.T) and not p.diagonal().any()
    row = p[0, 1:] * 20
    assert np.exp(-(row * np.log(row)).sum()) == pytest.approx(6.0, rel=1e-9)


def test_gradient_equals_finite_differences(three_clusters: tuple[np.ndarray, np.ndarray]) -> None:
    p = neighbor_probabilities(three_clusters[0][::4], 3.0)
    plane = np.random.default_rng(1).normal(size=(9, 2))
    _, gradient = divergence_and_gradient(p, plane)
    for index in np.ndindex(plane.shape):
        step = np.zeros_like(plane)
        step[index] = 1e-6
        difference = divergence_and_gradient(p, plane + step)[0] - divergence_and_gradient(p, plane - step)[0]
        assert difference / 2e-6 == pytest.approx(gradient[index], abs=1e-8)


def test_clusters_stay_clusters(three_clusters: tuple[np.ndarray, np.ndarray]) -> None:
    points, classes = three_clusters
    plane = tsne(points, perplexity=6.0, steps=300)
    assert plane.shape == (36, 2) and np.isfinite(plane).all()
    centers = np.stack([plane[classes == c].mean(axis=0) for c in range(3)])
    nearest = np.linalg.norm(plane[:, None] - centers, axis=2).argmin(axis=1)
    assert np.array_equal(nearest, classes)
    assert np.array_equal(tsne(points, perplexity=6.0, steps=300), plane)


@pytest.mark.parametrize("perplexity", [1.0, 35.0])
def test_impossible_perplexity_is_refused(three_clusters: tuple[np.ndarray, np.ndarray], perplexity: float) -> None:
    with pytest.raises(ValueError, match="between 1 and 35"):
        neighbor_probabilities(three_clusters[0], perplexity)
