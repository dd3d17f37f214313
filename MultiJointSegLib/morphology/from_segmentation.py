"""Measurements from a segmentation that already exists, made by whatever means."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from MultiJointSegLib.anatomy import catalog
from MultiJointSegLib.anatomy.catalog import Joint
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.morphology.measurement import Measurement
from MultiJointSegLib.morphology.measures import measure_surfaces
from MultiJointSegLib.progress import Progress, ProgressSpan, SilentProgress
from MultiJointSegLib.surface.extraction import bone_surfaces
from MultiJointSegLib.surface.masks import bounding_box
from MultiJointSegLib.surface.mesh import Surface
from MultiJointSegLib.surface.parts import parts_of_bone
from MultiJointSegLib.surface.sides import split_sides

_SECOND_BODY = 0.25
"""A separate body of at least this share of the largest one is another bone, or a part seen apart, not an island."""

_FEWEST_VOXELS = 8


def _known() -> str:
    return ", ".join(f"{b.label} = {b.name.lower()}" for b in catalog.all_bones())


def present_labels(labels: Volume) -> tuple[int, ...]:
    """The nonzero values of a label map, ascending.

    Raises
    ------
    InputError
        If the values are not whole numbers, some are negative, or all are zero.
    """
    array = labels.array
    if array.dtype.kind == "f":
        if not np.isfinite(array).all() or (array != np.rint(array)).any():
            raise InputError(
                "The file holds values that are not whole numbers: it looks like an image, not a segmentation. "
                f"Give a label map ({_known()})."
            )
    elif array.dtype.kind not in "uib":
        raise InputError(f"The file holds values of type {array.dtype}; a label map holds whole numbers.")
    low = int(array.min())
    if low < 0:
        raise InputError(f"The file holds negative values (lowest {low}); a label map holds {_known()}.")
    # Counting is much faster than sorting, but only for small values.
    small = int(array.max()) < 65536
    values = np.flatnonzero(np.bincount(array.astype(np.int64).ravel())) if small else np.unique(array)
    found = tuple(int(v) for v in values if v)
    if not found:
        raise InputError("The segmentation is empty: every voxel is 0. Segment at least one bone first.")
    return found


def infer_joint(values: tuple[int, ...]) -> Joint:
    """The joint whose bones have these label values.

    Raises
    ------
    InputError
        If none or several joints fit, or values belong to no bone; says which.
    """
    known = {b.label: b for b in catalog.all_bones()}
    unknown = [v for v in values if v not in known]
    if len(unknown) == len(values):
        raise InputError(f"None of the label values {_list(values)} is a known bone. Known are {_known()}.")
    if unknown:
        raise InputError(
            f"The label values {_list(unknown)} belong to no known bone. Known are {_known()}. "
            "Remove or renumber the others first."
        )
    joints = [catalog.joint(key) for key in catalog.joint_names()]
    fitting = [j for j in joints if set(values) <= set(j.labels)]
    names = _list([known[v].name.lower() for v in values])
    if not fitting:
        raise InputError(
            f"The segmentation holds bones that no single joint has ({names}). Keep the bones of one joint, or check "
            f"the numbering: {_known()}."
        )
    if len(fitting) > 1:
        raise InputError(
            f"The segmentation holds only the {names}, which may be the {' or the '.join(j.key for j in fitting)}. "
            "Name the joint."
        )
    return fitting[0]


def _list(items: object) -> str:
    return ", ".join(str(i) for i in items)  # type: ignore[attr-defined]


def check_bodies(labels: Volume, joint: Joint) -> None:
    """Refuse a label that holds two bones, and bones too small to be measured.

    Raises
    ------
    InputError
        If a bone of the joint has fewer than 8 connected voxels, or a second separate body of at least a quarter of the
        largest one that is neither a part of the same bone (see `surface.parts`) nor, in a joint of which examinations
        show both sides, the other side's bone (see `surface.sides`).
    """
    for bone in joint.bones:
        inside = labels.array == bone.label
        box = bounding_box(inside)
        if box is None:
            continue
        parts, _ = ndimage.label(inside[box])
        sizes = np.sort(np.bincount(parts.ravel())[1:])[::-1]
        if sizes[0] < _FEWEST_VOXELS:
            raise InputError(
                f"The {bone.name.lower()} (label {bone.label}) has only {sizes.sum()} voxels; at least "
                f"{_FEWEST_VOXELS} connected ones are needed. Complete or erase it."
            )
        bodies = int(np.count_nonzero(sizes >= _SECOND_BODY * sizes[0]))
        if bodies > 1 and bone.in_parts:
            bodies -= len(parts_of_bone(parts, labels.spacing_mm[::-1])) - 1
        if bodies > 1 and joint.both_sides:
            bodies -= len(split_sides(labels.with_array(inside))) - 1
        if bodies > 1:
            volumes = sizes[:2] * labels.geometry.voxel_volume_mm3
            raise InputError(
                f"The {bone.name.lower()} (label {bone.label}) consists of two separate bodies of {volumes[0]:.0f} and "
                f"{volumes[1]:.0f} mm3. Two bones, or both sides, may have been given one label; give each its own."
            )


def measure_label_map(
    labels: Volume, joint: str | None = None, progress: Progress | None = None
) -> tuple[dict[str, Surface], list[Measurement]]:
    """Surfaces and measurements of a label map.

    Parameters
    ----------
    labels : Volume
        Label map (k, j, i) with the values of the anatomy catalog; whole numbers of any type.
    joint : str, optional
        Joint key; inferred from the values present when not given. When given, bones of other joints are
        ignored, at least one of its own must be there.
    progress : Progress, optional

    Returns
    -------
    tuple of (dict of str to Surface, list of Measurement)
        By bone key, LPS mm; see `measure_surfaces`.

    Raises
    ------
    InputError
        If the file is no label map, holds no or unknown bones, fits no or several joints, or a label consists of two
        large separate bodies (two bones under one label).
    """
    progress = progress or SilentProgress()
    values = present_labels(labels)
    if joint is None:
        chosen = infer_joint(values)
    else:
        chosen = catalog.joint(joint)
        if not set(values) & set(chosen.labels):
            wanted = _list([f"{b.label} = {b.name.lower()}" for b in chosen.bones])
            raise InputError(
                f"The segmentation holds the values {_list(values)}, none of which is a bone of the {chosen.key} "
                f"({wanted})."
            )
    check_bodies(labels, chosen)
    surfaces = bone_surfaces(labels, chosen.bones, progress=ProgressSpan(progress, 0.0, 0.8))
    progress.report(0.8, "Measurements")
    measurements = measure_surfaces(surfaces, joint=chosen.key, labels=labels)
    progress.report(1.0, "Measured")
    return surfaces, measurements
