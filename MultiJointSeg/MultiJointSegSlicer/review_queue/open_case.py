"""A case that the reader has open, as nodes of the scene."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from MultiJointSegLib.imaging.geometry import Geometry
    from MultiJointSegLib.imaging.volume import Volume

CASE_ATTRIBUTE = "MultiJointSeg.case"
"""Attribute of the segmentation node of a case: its name."""


@dataclass(frozen=True, slots=True)
class SuspiciousSlice:
    """A slice in which labels and networks disagree.

    Parameters
    ----------
    number
        Of the slice, counted from 1 among those that the networks read.
    disagreement
        0 (none) to 1; None in queues that do not state it.
    position_ras_mm
        Middle of what disagrees; None in queues that do not state it.
    """

    number: int
    disagreement: float | None
    position_ras_mm: tuple[float, float, float] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCase:
    """What a reader works on.

    Parameters
    ----------
    work
        Folder of the refinement.
    reader, name
        Who has which case.
    version
        Of the labels that were opened.
    disagreement, bones
        Of the case, and of each bone by key, 0 to 1.
    slices
        Most suspicious first.
    second
        Whether it is a second reading, which only tells how far readers agree.
    has_draft
        Whether the masks are not those of the version but what the reader had drawn before.
    volume, segmentation, marks
        Nodes.
    grid
        Of the labels.
    masks
        `scene.digests.mask_digests` of what was opened.
    """

    work: Path
    reader: str
    name: str
    version: int
    disagreement: float
    bones: dict[str, float]
    slices: tuple[SuspiciousSlice, ...]
    second: bool
    has_draft: bool
    volume: Any
    segmentation: Any
    marks: Any
    grid: Geometry
    masks: dict[str, str]

    @property
    def edited(self) -> bool:
        """Whether the masks are no longer those of the version."""
        from MultiJointSegSlicer.scene.digests import changed_segments, mask_digests

        return self.has_draft or bool(changed_segments(self.masks, mask_digests(self.segmentation)))

    @property
    def present(self) -> bool:
        """Whether volume and segmentation are still in a scene."""
        return self.volume.GetScene() is not None and self.segmentation.GetScene() is not None

    def labels(self) -> Volume:
        """Label map of the masks as they are now, on the grid of the labels that were opened.

        Raises
        ------
        InputError
            If the segments are no bones any more, or lie on other voxels.
        """
        from MultiJointSegSlicer.exporting import on_grid
        from MultiJointSegSlicer.scene.reading import labels_from_node

        return on_grid(labels_from_node(self.segmentation), self.grid)


def adding_case(
    scene: Any, work: Path, reader: str, data: Mapping[str, Any], folder: Path, *, second: bool = False
) -> Generator[None, None, OpenCase]:
    """Add a case to the scene and show it, in steps; what was added goes when they are closed.

    Parameters
    ----------
    scene
        vtkMRMLScene.
    work, reader, second
        See `OpenCase`.
    data
        What ``multijointseg review next`` states.
    folder
        Holds image.nii and labels.nii.
    """
    import numpy as np

    from MultiJointSegLib import anatomy
    from MultiJointSegLib.imaging.reading import read_label_map, read_volume
    from MultiJointSegSlicer.scene.coordinates import flip_points, right_handed
    from MultiJointSegSlicer.scene.digests import mask_digests
    from MultiJointSegSlicer.scene.marks import add_marks_node
    from MultiJointSegSlicer.scene.nodes import mark_as_result, remove_nodes
    from MultiJointSegSlicer.scene.segmentations import add_segmentation_node
    from MultiJointSegSlicer.scene.views import jump_to, show_in_views
    from MultiJointSegSlicer.scene.volumes import add_volume_node
    from MultiJointSegSlicer.scene.watching import mark_as_measured

    entry = data["case"]
    name = str(entry["case"])
    image = read_volume(folder / "image.nii")
    yield
    labels = right_handed(read_label_map(folder / "labels.nii"))
    yield
    values = set(np.flatnonzero(np.bincount(labels.array.ravel(), minlength=256)).tolist())
    bones = list(anatomy.joint(str(data["joint"])).bones)
    bones += [bone for bone in anatomy.all_bones() if bone.label in values and bone not in bones]
    points = [tuple(map(float, point)) for point in entry.get("points_mm", ())]
    added: list[Any] = []
    try:
        volume = add_volume_node(scene, image, name=name)
        added.append(volume)
        yield
        segmentation = add_segmentation_node(scene, labels, bones, name=f"{name} bones", volume_node=volume)
        added.append(segmentation)
        segmentation.SetAttribute(CASE_ATTRIBUTE, name)
        mark_as_result(segmentation, "segmentation", volume)
        mark_as_measured(segmentation)
        yield
        marks = add_marks_node(scene, points, name=f"{name} look here")
        added.append(marks)
        positions = [tuple(map(float, point)) for point in (flip_points(points) if points else ())]
        slices = _slices(entry, positions)
        show_in_views(scene, volume, segmentation)
        if positions:
            jump_to(scene, volume, positions[0])
        yield
    except BaseException:
        remove_nodes(scene, added)
        raise
    return OpenCase(
        work=work,
        reader=reader,
        name=name,
        version=int(data["version"]),
        disagreement=float(entry["disagreement"]),
        bones={str(key): float(value) for key, value in entry.get("bones", {}).items()},
        slices=slices,
        second=second,
        has_draft=bool(data.get("draft")),
        volume=volume,
        segmentation=segmentation,
        marks=marks,
        grid=labels.geometry,
        masks=mask_digests(segmentation),
    )


def remove_case(scene: Any, case: OpenCase) -> None:
    """Take a case out of the scene, with what was made from it."""
    from MultiJointSegSlicer.scene.nodes import remove_nodes, remove_results, result_nodes

    if case.volume.GetScene() is scene:
        remove_results(scene, case.volume, result_nodes(scene, case.volume))
    remove_nodes(scene, [case.marks, case.segmentation, case.volume])


def _slices(entry: Mapping[str, Any], positions: list[tuple[float, ...]]) -> tuple[SuspiciousSlice, ...]:
    numbers = list(entry.get("slices", ()))
    values = list(entry.get("slice_disagreement", ()))
    return tuple(
        SuspiciousSlice(
            int(index) + 1,
            float(values[n]) if n < len(values) else None,
            (positions[n][0], positions[n][1], positions[n][2]) if n < len(positions) else None,
        )
        for n, index in enumerate(numbers)
    )
