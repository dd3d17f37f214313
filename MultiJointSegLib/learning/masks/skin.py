"""The outline of the body: skin against air."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, gaussian_filter1d, zoom

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.intensity import intensity_window
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.learning.masks.regions import depth_mm, filled, pieces, regrown
from MultiJointSegLib.learning.masks.source import BodyMask, SourceFacts, finished_mask, looks_like_ct

FACTS = SourceFacts(
    "skin",
    True,
    "Air around the body in the field of view; MR or CT.",
    "One to three seconds per examination, no training.",
    "Where the body fills the field of view, where the coil's signal ends inside the body, and with metal at the skin.",
)

CT_SKIN_HU = -300.0
THIN_MM = 5.0
"""Bridges thinner than twice this do not join two bodies: arms at the trunk, the other leg, cushions, a CT table."""

WORK_MM = 1.6
"""Bodies are told apart on about this grid."""

RIVAL_SHARE = 0.3
"""Another body of at least this share of the largest could be the one that is meant."""

_COIL_MM = 35.0
_LOCAL_SHARE = 0.1
_VALLEY = (0.015, 0.2)
_NO_VALLEY = 0.04
_NO_AIR = 0.2
_BINS = 256


@dataclass(frozen=True, slots=True)
class SkinMask:
    """Threshold that follows the coil's signal, the body that is meant, holes filled.

    Parameters
    ----------
    facts : SourceFacts
    """

    facts: SourceFacts = FACTS

    def mask(self, volume: Volume, *, given: Volume | None = None, side: str | None = None) -> BodyMask:  # noqa: ARG002
        """See `source.MaskSource.mask`."""
        tissue = body_tissue(volume)
        warnings: list[str] = []
        if tissue.any() and not tissue.all():
            tissue = filled(_chosen_body(tissue, volume, side, warnings), volume.geometry)
        body = finished_mask(tissue, volume, "skin", tuple(warnings))
        return BodyMask(body.volume, body.source, body.cut, (*body.warnings, *_cut_sentence(body.cut)))


def body_tissue(volume: Volume) -> np.ndarray:
    """Voxels that are not air, bool (k, j, i).

    In CT everything above `CT_SKIN_HU`. In MR a first threshold lies in the valley between air and tissue; then each
    voxel is compared with the tissue around it, so that tissue far from the coil stays and ghosts near it go.
    """
    if looks_like_ct(volume):
        return np.asarray(volume.array > CT_SKIN_HU)
    low, high = intensity_window(volume.array)
    if low > _NO_AIR * high:  # air is dark: there is none
        low = 0.0
    scaled = np.clip((volume.array.astype(np.float32) - low) / (high - low), 0, 2)
    first = scaled > air_threshold(scaled)
    if not first.any() or first.all():
        return first
    air = scaled[~first]
    middle = float(np.median(air))
    noise = middle + 6 * float(np.median(np.abs(air - middle)))
    level = _tissue_level(scaled, first, volume)
    return np.asarray(scaled > np.maximum(min(noise, 0.5 * float(scaled[first].mean())), _LOCAL_SHARE * level))


def air_threshold(scaled: np.ndarray) -> float:
    """Intensity (air about 0, bright tissue about 1) in the valley between air and dark tissue.

    The deepest valley of the histogram of square roots within `_VALLEY`; of about equally deep ones the darkest;
    `_NO_VALLEY` where there is none.
    """
    counts, edges = np.histogram(np.sqrt(np.minimum(scaled[:, ::2, ::2], 1)), bins=_BINS, range=(0, 1))
    smooth = gaussian_filter1d(counts.astype(float), 5, mode="nearest")
    center = ((edges[:-1] + edges[1:]) / 2) ** 2
    turning = np.flatnonzero((smooth[1:-1] <= smooth[:-2]) & (smooth[1:-1] < smooth[2:])) + 1
    valleys = turning[(center[turning] >= _VALLEY[0]) & (center[turning] <= _VALLEY[1])]
    if not len(valleys):
        return _NO_VALLEY
    return float(center[valleys[smooth[valleys] <= 1.2 * smooth[valleys].min()][0]])


def _tissue_level(scaled: np.ndarray, tissue: np.ndarray, volume: Volume) -> np.ndarray:
    """Mean intensity of the tissue around each voxel, within about `_COIL_MM`; float32 (k, j, i)."""
    spacing = np.array(volume.spacing_mm[::-1])
    step = [max(1, round(_COIL_MM / 5 / s)) for s in spacing]
    coarse = tuple(slice(None, None, n) for n in step)
    sigma = _COIL_MM / (spacing * step)
    part = tissue[coarse].astype(np.float32)
    level = gaussian_filter(scaled[coarse] * part, sigma, mode="nearest") / (
        gaussian_filter(part, sigma, mode="nearest") + 1e-3
    )
    factors = [n / m for n, m in zip(scaled.shape, level.shape, strict=True)]
    return np.asarray(zoom(level, factors, order=1, mode="nearest", grid_mode=False))


def _chosen_body(tissue: np.ndarray, volume: Volume, side: str | None, warnings: list[str]) -> np.ndarray:
    """The body that is meant, without what hangs on it by thin bridges."""
    spacing = np.array(volume.spacing_mm[::-1])
    step = [max(1, round(WORK_MM / s)) for s in spacing]
    coarse = tuple(slice(None, None, n) for n in step)
    coarse_mm = tuple(float(s * n) for s, n in zip(spacing, step, strict=True))
    work = filled(tissue[coarse], volume.geometry)
    core = depth_mm(work, (coarse_mm[0], coarse_mm[1], coarse_mm[2])) > THIN_MM
    labels, sizes = pieces(core)
    if not len(sizes):  # nothing is thick: take the largest piece as it is
        labels, sizes = pieces(work)
        return _fine(labels == _meant(labels, sizes, volume, step, side, warnings), tissue, step)
    chosen = _meant(labels, sizes, volume, step, side, warnings)
    reach = regrown(labels == chosen, work, 1.5 * THIN_MM, coarse_mm)
    others = (labels > 0) & (labels != chosen)
    if others.any():
        reach &= ~regrown(others, work, 1.5 * THIN_MM, coarse_mm) | (labels == chosen)
    grown = _fine(reach, tissue, step)
    kept, _ = pieces(grown)
    return kept == 1


def _fine(coarse: np.ndarray, tissue: np.ndarray, step: list[int]) -> np.ndarray:
    """Voxels of the tissue whose nearest coarse voxel is marked or borders on a marked one."""
    index = [
        np.minimum((np.arange(n) + s // 2) // s, m - 1)
        for n, s, m in zip(tissue.shape, step, coarse.shape, strict=True)
    ]
    return np.asarray(coarse[np.ix_(*index)] & tissue)


def _meant(
    labels: np.ndarray, sizes: np.ndarray, volume: Volume, step: list[int], side: str | None, warnings: list[str]
) -> int:
    """Label of the body that is meant: the largest, or of several large ones the one of the side or in the middle."""
    rivals = 1 + np.flatnonzero(sizes >= RIVAL_SHARE * sizes[0])
    if len(rivals) == 1:
        return 1
    centers = np.array(
        [volume.geometry.index_to_point((np.argwhere(labels == r).mean(0) * step)[::-1]) for r in rivals]
    )
    if side in ("left", "right"):
        x_mm = centers[:, 0]
        warnings.append(f"The examination shows {len(rivals)} bodies; the mask is that of the {side} one.")
        return int(rivals[x_mm.argmax() if side == "left" else x_mm.argmin()])
    middle = volume.geometry.index_to_point((np.asarray(volume.geometry.size) - 1) / 2)
    away_mm = np.linalg.norm(centers - middle, axis=1)
    order = np.argsort(away_mm)
    if away_mm[order[0]] > 0.5 * away_mm[order[1]]:
        raise InputError(
            f"The examination shows {len(rivals)} bodies of similar size and does not say which side is meant; "
            "crop it to one of them, or give an examination with its laterality."
        )
    warnings.append(f"The examination shows {len(rivals)} bodies; the mask is that of the one in the middle.")
    return int(rivals[order[0]])


def _cut_sentence(cut: tuple[str, ...]) -> tuple[str, ...]:
    sides = ", ".join(end for end in cut if end not in ("feet", "head"))
    if not sides:
        return ()
    sentence = (
        f"The field of view cuts the body off at: {sides}; positions relative to its outline are uncertain there."
    )
    return (sentence,)
