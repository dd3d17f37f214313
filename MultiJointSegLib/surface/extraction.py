"""From masks and probabilities to one closed surface per bone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from vtkmodules.util.numpy_support import numpy_to_vtk
from vtkmodules.vtkCommonDataModel import vtkImageData
from vtkmodules.vtkFiltersCore import vtkFlyingEdges3D, vtkSurfaceNets3D

from MultiJointSegLib.anatomy.catalog import Bone
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.progress import Progress, SilentProgress
from MultiJointSegLib.surface.masks import bounding_box, well_composed
from MultiJointSegLib.surface.mesh import Surface, from_polydata
from MultiJointSegLib.surface.parts import LEAST_SHARE
from MultiJointSegLib.surface.shape_interpolation import interpolate_slices
from MultiJointSegLib.surface.sides import joined_surfaces, split_sides
from MultiJointSegLib.surface.smoothing import (
    PASS_BAND,
    VOLUME_TOLERANCE,
    cut_along_shorter_diagonal,
    restore_volume,
    use_threads,
    windowed_sinc,
)
from MultiJointSegLib.surface.topology import largest_part

THICK_SLICE_RATIO = 2.2
"""Slices thicker than this many pixels are interpolated by shape; below, plain surface nets are as accurate."""

_THICK_SLICE_MESH_MM = 1.0
"""In-plane mesh resolution on thick slices: finer pixels still shape the outlines, but make no smaller triangles."""

_SMALLEST_LEVEL = 0.01
"""Levels closer to the surface than this share of a voxel are moved off it: they would make degenerate triangles."""

Keep = Literal["largest", "parts", "all"]


def _image(array: np.ndarray) -> vtkImageData:
    image = vtkImageData()
    image.SetDimensions(array.shape[2], array.shape[1], array.shape[0])
    image.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(array).ravel(), deep=True))
    return image


def _surface_nets(mask: np.ndarray) -> Surface:
    """Boundary of a uint8 mask with a rim of zeros, unsmoothed, in (i, j, k) voxels of that array, as halved quads."""
    nets = vtkSurfaceNets3D()
    nets.SetInputData(_image(mask))
    nets.SetValue(0, 1)
    nets.SmoothingOff()
    nets.SetOutputMeshTypeToQuads()
    nets.Update()
    return from_polydata(nets.GetOutput())


def _level_surface(level: np.ndarray, smallest: float) -> Surface:
    """Zero of a float32 level function, positive inside, negative on the rim, in (i, j, k) voxels of that array."""
    near = np.abs(level) < smallest
    if near.any():
        level = np.where(near, np.where(level >= 0, np.float32(smallest), np.float32(-smallest)), level)
    edges = vtkFlyingEdges3D()
    edges.SetInputData(_image(level))
    edges.SetValue(0, 0.0)
    edges.ComputeNormalsOff()
    edges.ComputeScalarsOff()
    edges.Update()
    return from_polydata(edges.GetOutput())


def _finish(
    surface: Surface, geometry: Geometry, corner_ijk: np.ndarray, keep: Keep, pass_band: float, quads: bool
) -> Surface:
    """Clean, smooth and place a mesh given in voxels from the voxel `corner_ijk` of the grid."""
    if keep != "all":
        surface = largest_part(surface, LEAST_SHARE if keep == "parts" else None)
    volume = abs(surface.volume_mm3) * geometry.voxel_volume_mm3
    if pass_band > 0:
        surface = windowed_sinc(surface, pass_band=pass_band, quads=quads)
    placed = Surface(geometry.index_to_point(surface.points_mm + corner_ijk), surface.triangles)
    if quads:
        placed = cut_along_shorter_diagonal(placed)
    smoothed = placed.volume_mm3
    if smoothed < 0:
        # Mirrored grids turn the mesh inside out.
        placed = Surface(placed.points_mm, placed.triangles[:, ::-1])
    lost = abs(abs(smoothed) - volume)
    return restore_volume(placed, volume) if lost > VOLUME_TOLERANCE * volume else placed


def _thick_axis(geometry: Geometry) -> int | None:
    """Array axis (0 = k) across the slices when they are thick, else None."""
    spacing = np.asarray(geometry.spacing_mm)[::-1]
    axis = int(np.argmax(spacing))
    in_plane = np.delete(spacing, axis)
    return axis if spacing[axis] > THICK_SLICE_RATIO * in_plane.max() else None


def _outline_distance(probability: np.ndarray, slices: np.ndarray, pixel_mm: tuple[float, float]) -> np.ndarray:
    """Signed distance (s, h, w) in mm to the outline in each slice, right next to it only: (p - 1/2) / |grad p|."""
    steepness = np.hypot(np.gradient(probability, pixel_mm[0], axis=1), np.gradient(probability, pixel_mm[1], axis=2))
    limit = 0.75 * max(pixel_mm)
    distance = np.clip((probability - 0.5) / np.maximum(steepness, 1e-3), -limit, limit).astype(np.float32)
    return np.where(slices, np.maximum(distance, 0.0), np.minimum(distance, 0.0))


def _interpolated(
    mask: np.ndarray, probability: np.ndarray | None, geometry: Geometry, axis: int, corner_ijk: np.ndarray
) -> Surface:
    """Surface by shape-based interpolation across array axis `axis`, in (i, j, k) voxels of the padded mask."""
    order = [axis, *[a for a in range(3) if a != axis]]
    spacing = np.asarray(geometry.spacing_mm)[::-1][order]
    pitch, pixel_mm = float(spacing[0]), (float(spacing[1]), float(spacing[2]))
    stride = max(int(_THICK_SLICE_MESH_MM / max(pixel_mm)), 1)
    # Finer across the slices than along them, for the ends are rounded there.
    step_mm = max(pixel_mm) * (1.2 if stride > 1 else 1.0)
    steps = int(np.ceil(pitch / step_mm - 0.25))
    slices = np.ascontiguousarray(mask.transpose(order)) > 0
    refined = None
    if probability is not None:
        refined = _outline_distance(np.ascontiguousarray(probability.transpose(order)), slices, pixel_mm)
    before = corner_ijk[2 - axis]
    cut = bool(before < 0), bool(before + len(slices) > geometry.size[2 - axis])
    # Every stride-th pixel must include the empty rim on both sides.
    rim = [(0, 0), *[(0, -(n - 1) % stride) for n in slices.shape[1:]]]
    slices = np.pad(slices, rim)
    refined = None if refined is None else np.pad(refined, rim)
    level = interpolate_slices(slices, pixel_mm, pitch, steps, refined, cut, stride)
    if stride > 1 and not (level > 0).any():
        stride = 1
        level = interpolate_slices(slices, pixel_mm, pitch, steps, refined, cut)
    surface = _level_surface(level, _SMALLEST_LEVEL * min(pixel_mm))
    points = surface.points_mm * (stride, stride, 1.0 / steps)
    placed = np.empty_like(points)
    # Column c of a mesh point runs along array axis order[2 - c]; (i, j, k) is the array axes backward.
    for column in range(3):
        placed[:, 2 - order[2 - column]] = points[:, column]
    # Bringing the middle axis to the front exchanges two axes, which turns the triangles round.
    return Surface(placed, surface.triangles[:, ::-1] if axis == 1 else surface.triangles)


def surface_from_mask(mask: Volume, *, keep: Keep = "largest", pass_band: float = PASS_BAND) -> Surface:
    """One closed manifold surface around the nonzero voxels of a mask.

    Surface nets without their own smoothing, then a windowed sinc filter; slices thicker than `THICK_SLICE_RATIO`
    pixels are first interpolated by shape. A mask that reaches the edge of its grid is closed half a voxel beyond the
    last voxel centers. Voxels that touch only along an edge or at a corner are joined, cavities are filled.

    Parameters
    ----------
    mask : Volume
        Array (k, j, i), nonzero inside, any grid: oblique, mirrored, any order of axes.
    keep : "largest", "parts" or "all"
        Largest connected part, with others of `parts.LEAST_SHARE` of its volume, or everything including cavities.
    pass_band : float
        Of the windowed sinc filter; 0 for no smoothing.

    Returns
    -------
    Surface
        LPS mm, normals outward, positive volume.

    Raises
    ------
    InputError
        If the mask has no nonzero voxel.
    """
    use_threads()
    inside = mask.array if mask.array.dtype == np.bool_ else mask.array != 0
    box = bounding_box(inside)
    if box is None:
        raise InputError("The mask has no voxel inside; a surface needs at least one. Check the segmentation.")
    corner = np.array([s.start - 1 for s in box[::-1]], float)
    padded = np.pad(inside[box], 1).view(np.uint8)
    axis = _thick_axis(mask.geometry)
    surface = (
        _surface_nets(well_composed(padded))
        if axis is None
        else _interpolated(padded, None, mask.geometry, axis, corner)
    )
    return _finish(surface, mask.geometry, corner, keep, pass_band, quads=axis is None)


def surface_from_probability(
    probability: Volume,
    *,
    mask: Volume | None = None,
    keep: Keep = "largest",
    pass_band: float = PASS_BAND,
) -> Surface:
    """One closed manifold surface where the probability of a bone is one half.

    Parameters
    ----------
    probability : Volume
        Array (k, j, i), float, 0 to 1; beyond the grid it is taken as 0, so a bone cut by the edge is closed
        half a voxel beyond the last voxel centers.
    mask : Volume or None
        The final mask of the bone on the same grid, when it was corrected after the probabilities were made. It decides
        what is inside; the probability decides where between two voxels the surface runs.
    keep, pass_band
        See `surface_from_mask`.

    Returns
    -------
    Surface
        LPS mm, normals outward, positive volume.

    Raises
    ------
    InputError
        If nothing is inside, or the mask lies on another grid.
    """
    use_threads()
    if mask is not None and not mask.geometry.same_grid(probability.geometry):
        raise InputError("The mask and the probability lie on different grids; give both on the same one.")
    inside = probability.array >= 0.5 if mask is None else mask.array != 0
    box = bounding_box(inside)
    if box is None:
        raise InputError("No voxel has a probability of one half or more; there is no surface to make.")
    # One voxel around the inside is kept: the surface lies between it and the outermost inside voxels.
    wide = tuple(slice(max(s.start - 1, 0), s.stop + 1) for s in box)
    corner = np.array([s.start - 1 for s in wide[::-1]], float)
    level = np.pad(probability.array[wide].astype(np.float32), 1)
    filled = np.pad(inside[wide], 1)
    margin = np.float32(_SMALLEST_LEVEL)
    # Where the mask was corrected, the probability is turned round, so that the surface runs along the mask there.
    level = np.where(filled == (level >= 0.5), level, 1.0 - level)
    level = np.where(filled, np.maximum(level, 0.5 + margin), np.minimum(level, 0.5 - margin))
    axis = _thick_axis(probability.geometry)
    if axis is None:
        surface = _level_surface(level - np.float32(0.5), _SMALLEST_LEVEL)
    else:
        surface = _interpolated(filled, level, probability.geometry, axis, corner)
    return _finish(surface, probability.geometry, corner, keep, pass_band, quads=False)


def bone_surfaces(
    labels: Volume,
    bones: Sequence[Bone],
    probabilities: Mapping[str, Volume] | None = None,
    progress: Progress | None = None,
) -> dict[str, Surface]:
    """Surface of every bone that a label map holds.

    Parameters
    ----------
    labels : Volume
        Label map (k, j, i) with the values of the anatomy catalog.
    bones : sequence of Bone
        The bones to look for; one without voxels is left out of the result.
    probabilities : mapping of bone key to Volume, optional
        Foreground probability of a bone on the label map's grid or on a box of it. The label map still decides what is
        inside.
    progress : Progress, optional

    Returns
    -------
    dict of str to Surface
        By bone key, in the order of `bones`.
    """
    progress = progress or SilentProgress()
    surfaces: dict[str, Surface] = {}
    for n, bone in enumerate(bones):
        progress.report(n / max(len(bones), 1), f"Surface of the {bone.name.lower()}")
        inside = labels.array == bone.label
        if not inside.any():
            continue
        mask = labels.with_array(inside)
        probability = (probabilities or {}).get(bone.key)
        part = None if probability is None else _mask_on_box(mask, probability.geometry)
        whole = mask if part is None else part
        sides = split_sides(whole) if bone.paired else [whole]
        keep: Keep = "parts" if bone.in_parts else "largest"
        surfaces[bone.key] = joined_surfaces(
            [
                surface_from_mask(side, keep=keep)
                if probability is None or part is None
                else surface_from_probability(probability, mask=side, keep=keep)
                for side in sides
            ]
        )
    progress.report(1.0, "Surfaces done")
    return surfaces


def _mask_on_box(mask: Volume, box: Geometry) -> Volume | None:
    """The mask on a box of its own grid; None when the grids do not match or the box cuts the mask off."""
    start = mask.geometry.point_to_index(np.asarray(box.origin_mm))
    first = np.rint(start).astype(int)
    expected = Geometry(box.size, mask.spacing_mm, tuple(mask.geometry.index_to_point(first)), mask.geometry.direction)
    last = first + np.asarray(box.size)
    if not expected.same_grid(box) or first.min() < 0 or (last > np.asarray(mask.geometry.size)).any():
        return None
    part = mask.array[first[2] : last[2], first[1] : last[1], first[0] : last[0]]
    if np.count_nonzero(part) != np.count_nonzero(mask.array):
        return None
    return Volume(part, box, mask.modality)
