"""t-SNE: high-dimensional points in a plane so that neighbors stay neighbors."""

from __future__ import annotations

import numpy as np


def neighbor_probabilities(points: np.ndarray, perplexity: float) -> np.ndarray:
    """Symmetric neighbor probabilities P of t-SNE.

    Parameters
    ----------
    points : float array of shape (n, d)
    perplexity : float
        Effective number of neighbors: 2 to the entropy (in bits) of each point's conditional probabilities.

    Returns
    -------
    float64 array of shape (n, n)
        Sum 1, diagonal 0.

    Raises
    ------
    ValueError
        If the perplexity is not between 1 and n - 1.
    """
    count = len(points)
    if not 1 < perplexity < count - 1:
        raise ValueError(f"The perplexity is {perplexity}; for {count} points it must be between 1 and {count - 1}.")
    distance = _squared_distances(np.asarray(points, np.float64))
    np.fill_diagonal(distance, np.inf)
    distance -= distance.min(axis=1, keepdims=True)  # changes no probability, and keeps exp away from 0
    low, high = np.full(count, -60.0), np.full(count, 60.0)  # logarithm of the precision, by bisection
    scale = np.median(distance[np.isfinite(distance)]) or 1.0
    for _ in range(80):
        middle = (low + high) / 2
        conditional = np.exp(-distance / scale * np.exp(middle)[:, None])
        conditional /= conditional.sum(axis=1, keepdims=True)
        entropy = -(conditional * np.log(np.maximum(conditional, 1e-300))).sum(axis=1)
        too_wide = entropy > np.log(perplexity)
        low, high = np.where(too_wide, middle, low), np.where(too_wide, high, middle)
    return (conditional + conditional.T) / (2 * count)


def divergence_and_gradient(probabilities: np.ndarray, plane: np.ndarray) -> tuple[float, np.ndarray]:
    """Kullback-Leibler divergence of the neighbors in the plane (n, 2) from `probabilities`, and its gradient."""
    weight = 1 / (1 + _squared_distances(plane))
    np.fill_diagonal(weight, 0)
    q = np.maximum(weight / weight.sum(), 1e-300)
    p = np.maximum(probabilities, 1e-300)
    off_diagonal = ~np.eye(len(plane), dtype=bool)
    divergence = float((p * np.log(p / q))[off_diagonal].sum())
    pull = (probabilities - weight / weight.sum()) * weight
    return divergence, 4 * (pull.sum(axis=1)[:, None] * plane - pull @ plane)


def tsne(points: np.ndarray, *, perplexity: float = 15.0, steps: int = 500) -> np.ndarray:
    """Exact t-SNE of a few hundred points; the start is their principal components, so nothing is random.

    Parameters
    ----------
    points : float array of shape (n, d)
        d at least 2.
    perplexity : float
        See `neighbor_probabilities`.
    steps : int
        Steps of gradient descent; the first fifth exaggerates the neighbors.

    Returns
    -------
    float64 array of shape (n, 2)

    References
    ----------
    van der Maaten and Hinton 2008, Journal of Machine Learning Research 9:2579; momentum, gains and early exaggeration
    as there.
    """
    p = neighbor_probabilities(points, perplexity)
    centered = np.asarray(points, np.float64) - np.mean(points, axis=0)
    u, s, _ = np.linalg.svd(centered, full_matrices=False)
    plane = u[:, :2] * s[:2]
    plane *= 1e-4 / max(plane[:, 0].std(), 1e-300)
    speed, gain = np.zeros_like(plane), np.ones_like(plane)
    rate = max(len(points) / 48, 10.0)
    for step in range(steps):
        early = step < steps // 5
        _, gradient = divergence_and_gradient(p * (12 if early else 1), plane)
        gain = np.maximum(np.where(gradient * speed > 0, gain * 0.8, gain + 0.2), 0.01)
        speed = (0.5 if early else 0.8) * speed - rate * gain * gradient
        plane = plane + speed
        plane -= plane.mean(axis=0)
    return plane


def _squared_distances(x: np.ndarray) -> np.ndarray:
    square = (x**2).sum(axis=1)
    return np.maximum(square[:, None] + square[None, :] - 2 * x @ x.T, 0)
