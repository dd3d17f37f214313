"""Shape-based interpolation between thick slices: a level function whose zero is the bone's surface.

Within each slice the level is the signed distance to the outline; between slices it is interpolated, so outlines move
smoothly instead of in steps (Raya, Udupa 1990, doi:10.1109/42.52980; cubic form: Herman, Zheng, Bucholtz 1992,
doi:10.1109/38.135915). Where an outline has no counterpart in the next slice the bone ends between the two slices; its
end is rounded off there, as high as a sphere through the last two outlines, or half a slice when the end is flat.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

_IN_SLICE = np.zeros((3, 3, 3), bool)
_IN_SLICE[1] = True


@dataclass(frozen=True, slots=True)
class _End:
    """An outline without counterpart in the next slice: its label, how far the bone goes on, how deep it is."""

    label: int
    height_mm: float
    depth_mm: float


class _Stack:
    """Slices (s, h, w) with distances and outlines; the first and the last slice and the rim are empty."""

    def __init__(
        self,
        mask: np.ndarray,
        pixel_mm: tuple[float, float],
        pitch_mm: float,
        refined: np.ndarray | None,
        cut: tuple[bool, bool],
    ) -> None:
        self.cut = cut
        self.mask = mask
        self.pixel_mm = pixel_mm
        self.pitch_mm = pitch_mm
        self.reach_mm = float(np.hypot(mask.shape[1] * pixel_mm[0], mask.shape[2] * pixel_mm[1]))
        self.level = self.signed_distance(mask)
        if refined is not None:
            near = np.abs(self.level) < 0.75 * max(pixel_mm)
            self.level[near] = refined[near]
        self.outline, count = ndimage.label(mask, _IN_SLICE)
        self.area_mm2 = np.bincount(self.outline.ravel(), minlength=count + 1) * pixel_mm[0] * pixel_mm[1]
        self._ends: dict[tuple[int, int], list[_End]] = {}
        self.filled = np.asarray(mask.any(axis=(1, 2)))

    def signed_distance(self, mask: np.ndarray) -> np.ndarray:
        """Distance (s, h, w) to the outline within each slice, mm, positive inside."""
        distance = np.full(mask.shape, -self.reach_mm, np.float32)
        half = 0.5 * float(np.sqrt(self.pixel_mm[0] * self.pixel_mm[1]))
        for inside, result in zip(mask, distance, strict=True):
            rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
            if not len(rows):
                continue
            result[:] = half - ndimage.distance_transform_edt(~inside, sampling=self.pixel_mm)
            # The nearest background of an inside pixel lies at most one pixel beyond the outline's box.
            box = slice(rows[0] - 1, rows[-1] + 2), slice(columns[0] - 1, columns[-1] + 2)
            depth = ndimage.distance_transform_edt(inside[box], sampling=self.pixel_mm)
            np.copyto(result[box], depth - half, where=inside[box], casting="same_kind")
        return distance

    def ends(self, here: int, toward: int) -> list[_End]:
        """The outlines of slice `here` with no counterpart in the neighboring slice `toward`."""
        if (here, toward) not in self._ends:
            outline = self.outline[here]
            labels = np.unique(outline[self.mask[here]])
            going_on = np.unique(outline[self.mask[toward] & self.mask[here]])
            ends = [self._end(int(n), here, 2 * here - toward) for n in np.setdiff1d(labels, going_on)]
            self._ends[here, toward] = ends
        return self._ends[here, toward]

    def _end(self, label: int, here: int, behind: int) -> _End:
        s = self.pitch_mm
        depth = float(self.level[here][self.outline[here] == label].max())
        if (here == 1 and behind == 2 and self.cut[0]) or (
            here == len(self.mask) - 2 and behind == here - 1 and self.cut[1]
        ):
            # The bone goes on where nothing was imaged: a flat end with hardly a rim, half a slice away.
            return _End(label, 0.5 * s, min(depth, 0.5 * max(self.pixel_mm)))
        square = self.area_mm2[label] / np.pi
        height = float(np.sqrt(square))
        if 0 <= behind < len(self.mask):
            counterparts = np.unique(self.outline[behind][self.outline[here] == label])
            square_behind = self.area_mm2[counterparts[counterparts > 0]].sum() / np.pi
            if square_behind > 0:
                # Sphere through both outlines: u + r1^2/u = 2R and (u + s) + r2^2/(u + s) = 2R, solved for u.
                p = (square_behind - square + s * s) / s
                height = float((np.sqrt(p * p + 4.0 * square) - p) / 2.0)
        if height > 2.0 * s:
            return _End(label, 0.5 * s, min(depth, s))
        return _End(label, min(height, s), depth)


def _limited(slope: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Slope kept within twice the smaller neighboring difference, so that the cubic does not overshoot."""
    bound = 2.0 * np.minimum(np.abs(first), np.abs(second))
    return np.clip(slope, -bound, bound)


def _gap_cubic(stack: _Stack, k: int, lower: np.ndarray, upper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slopes per slice of the level at both sides of the gap between slices k and k + 1."""
    step = upper - lower
    before = lower - stack.level[k - 1] if k > 0 and stack.filled[k - 1] else None
    after = stack.level[k + 2] - upper if k + 2 < len(stack.mask) and stack.filled[k + 2] else None
    if before is None:
        before = step if after is None else 2.0 * step - after
    if after is None:
        after = 2.0 * step - before
    m0 = _limited(0.5 * (step + before), step, before)
    m1 = _limited(0.5 * (step + after), step, after)
    # Next to the bone's end the slope is that of the rounded end, which is steeper than any difference of slices.
    for at, away, slope, sign in ((k, k - 1, m0, 1.0), (k + 1, k + 2, m1, -1.0)):
        if not 0 <= away < len(stack.mask):
            continue
        for end in stack.ends(at, away):
            region = (stack.outline[at] == end.label) | (stack.outline[2 * at - away] > 0)
            steep = sign * end.depth_mm * stack.pitch_mm / (2.0 * max(end.height_mm, 0.05 * stack.pitch_mm))
            bound = 3.0 * np.abs(step[region])
            slope[region] = np.clip(steep, -bound, bound)
    return m0, m1


def _add_end(level: np.ndarray, stack: _Stack, k: int, end: _End, distance_mm: float, stride: int) -> None:
    """Raise `level` to the paraboloid that closes the outline `end` of slice k, at a distance from that slice."""
    outline, flat = stack.outline[k, ::stride, ::stride], stack.level[k, ::stride, ::stride]
    left = 1.0 - distance_mm / end.height_mm
    drop = end.depth_mm * (1.0 - np.sqrt(left)) if left > 0 else end.depth_mm * (1.0 - left)
    own = (outline == end.label) | (outline == 0)
    shape = np.minimum(flat, end.depth_mm) - np.float32(drop)
    np.maximum(level, shape, out=level, where=own)


def interpolate_slices(
    mask: np.ndarray,
    pixel_mm: tuple[float, float],
    pitch_mm: float,
    steps: int,
    refined_mm: np.ndarray | None = None,
    cut: tuple[bool, bool] = (False, False),
    stride: int = 1,
) -> np.ndarray:
    """Level function on `steps` times finer slices.

    Parameters
    ----------
    mask : bool ndarray of shape (s, h, w)
        Slices with a rim of background on all six sides.
    pixel_mm : tuple of 2 float
        Pixel size along (h, w).
    pitch_mm : float
        Distance of neighboring slices.
    steps : int
        Number of fine slices per slice.
    refined_mm : float32 ndarray of shape (s, h, w) or None
        Signed distance to the outline next to the outline, positive inside, where it is known better than by whole
        pixels (from probabilities).
    cut : tuple of 2 bool
        Whether the first and the last slice inside the rim are the outermost ones of the examination: outlines there
        are closed flat, half a slice away, because the bone's end was not imaged.
    stride : int
        The level is given at every so many pixels. Being a distance it loses little: outlines stay exact to a fraction
        of a pixel, only what is thinner than `stride` pixels may fall through.

    Returns
    -------
    float32 ndarray of shape ((s - 1) * steps + 1, ceil(h / stride), ceil(w / stride))
        About the signed distance in mm, positive inside; slice ``n * steps`` is slice n of the input.
    """
    stack = _Stack(mask, pixel_mm, pitch_mm, refined_mm, cut)
    coarse = stack.level[:, ::stride, ::stride]
    fine = np.empty(((len(mask) - 1) * steps + 1, *coarse.shape[1:]), np.float32)
    for k in range(len(mask) - 1):
        fine[k * steps] = coarse[k]
        ends = [(k, e) for e in stack.ends(k, k + 1)], [(k + 1, e) for e in stack.ends(k + 1, k)]
        lower, upper = stack.level[k], stack.level[k + 1]
        both = bool(stack.filled[k] and stack.filled[k + 1])
        if both and (ends[0] or ends[1]):
            first = mask[k] & ~np.isin(stack.outline[k], [e.label for _, e in ends[0]])
            second = mask[k + 1] & ~np.isin(stack.outline[k + 1], [e.label for _, e in ends[1]])
            both = bool(first.any() and second.any())
            if both:
                lower, upper = stack.signed_distance(np.stack([first, second]))
        if both:
            m0, m1 = _gap_cubic(stack, k, lower, upper)
            lower, m0, upper, m1 = (np.ascontiguousarray(a[::stride, ::stride]) for a in (lower, m0, upper, m1))
        for q in range(1, steps):
            t = q / steps
            level = fine[k * steps + q]
            if both:
                level[:] = (2 * t**3 - 3 * t**2 + 1) * lower
                level += (t**3 - 2 * t**2 + t) * m0
                level += (3 * t**2 - 2 * t**3) * upper
                level += (t**3 - t**2) * m1
            else:
                level[:] = -stack.reach_mm
            for at, end in ends[0]:
                _add_end(level, stack, at, end, t * pitch_mm, stride)
            for at, end in ends[1]:
                _add_end(level, stack, at, end, (1.0 - t) * pitch_mm, stride)
    fine[-1] = coarse[-1]
    return fine
