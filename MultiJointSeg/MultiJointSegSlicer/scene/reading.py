"""Segmentations made or corrected in Slicer, as label maps with our values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from vtkmodules.vtkCommonCore import vtkStringArray

from MultiJointSegLib import anatomy
from MultiJointSegLib.anatomy.catalog import Bone
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegSlicer.scene.coordinates import first_voxel_to_ras, geometry_from_ras
from MultiJointSegSlicer.scene.headless import headless_scene
from MultiJointSegSlicer.scene.mrml import Node, slicer, without_vtk_messages
from MultiJointSegSlicer.scene.segment_names import SegmentName, match_segments
from MultiJointSegSlicer.scene.segmentations import BINARY_LABELMAP
from MultiJointSegSlicer.scene.terminology import segment_terminology
from MultiJointSegSlicer.scene.volumes import image_array

_SAME_VOXEL = 1e-3
"""Voxels whose centers are this close, in voxels, are the same."""


def read_segmentation(path: Path, *, bones: Sequence[Bone] | None = None) -> Volume:
    """Label map of a ``.seg.nrrd`` file, whether we wrote it or a person made it in Slicer.

    Parameters
    ----------
    path
        File that Slicer saved, with shared or overlapping segments.
    bones
        The bones to look for; all of the catalog by default.

    Returns
    -------
    Volume
        See `labels_from_node`.

    Raises
    ------
    InputError
        If the file is missing or cannot be read, or as in `labels_from_node`.
    """
    path = path.absolute()
    if not path.is_file():
        raise InputError(f"There is no file {path}; give the path of a segmentation (.seg.nrrd).")
    unusable = InputError(
        f"{path} could not be read as a segmentation; it is damaged or of another kind. "
        "Save it from Slicer as .seg.nrrd."
    )
    if not _is_intact(path):
        raise unusable
    with headless_scene() as scene:
        node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", path.name)
        storage = scene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
        storage.SetFileName(str(path))
        with without_vtk_messages():
            read = storage.ReadData(node)
        if not read or not node.GetSegmentation().GetNumberOfSegments():
            raise unusable
        return labels_from_node(node, bones=bones)


def labels_from_node(node: Node, *, bones: Sequence[Bone] | None = None) -> Volume:
    """Label map of a vtkMRMLSegmentationNode.

    Bones are recognized as `segment_names.match_segments` says; other segments are left out. Where segments overlap,
    the later one in the list wins, as when Slicer exports a label map. The grid is the reference geometry, larger
    where a segment reaches beyond it. A transform that the node is under is left out.

    Returns
    -------
    Volume
        uint8 (k, j, i) with global label values, LPS. `metadata` holds "segments" (bone key to segment name),
        "left_out" (names of segments that are no bone), "overlapping_voxels" (int) and "side" ("left", "right" or "",
        when the segments say so with one voice).

    Raises
    ------
    InputError
        If no segment is a bone, two are the same bone, or the segments are no binary label maps.
    """
    bones = anatomy.all_bones() if bones is None else bones
    segmentation = node.GetSegmentation()
    names = [_name(segmentation, segment_id) for segment_id in segmentation.GetSegmentIDs()]
    matched, sides = match_segments(names, bones)
    if not matched:
        listed = ", ".join(f"'{segment.name}'" for segment in names) or "none"
        raise InputError(
            f"None of the segments ({listed}) is named as a bone; rename them to "
            f"{', '.join(bone.name for bone in bones)}."
        )
    if not segmentation.ContainsRepresentation(BINARY_LABELMAP) and not node.CreateBinaryLabelmapRepresentation():
        raise InputError(f"The segmentation '{node.GetName()}' has no masks; make binary label maps of it in Slicer.")
    grid = _common_grid(segmentation, list(matched))
    array = np.zeros(image_array(grid).shape, np.uint8)
    overlapping = 0
    for segment_id, bone in matched.items():
        mask = _mask(node, segment_id, grid)
        overlapping += int(np.count_nonzero(array[mask]))
        array[mask] = bone.label
    texts = {segment.segment_id: segment.name for segment in names}
    said = set(sides.values())
    metadata: dict[str, object] = {
        "segments": {bone.key: texts[segment_id] for segment_id, bone in matched.items()},
        "left_out": [segment.name for segment in names if segment.segment_id not in matched],
        "overlapping_voxels": overlapping,
        "side": said.pop() if len(said) == 1 else "",
    }
    return Volume(array, geometry_from_ras(grid.GetDimensions(), first_voxel_to_ras(grid)), "SEG", metadata)


def _is_intact(path: Path) -> bool:
    """Whether the file is a 3-D image of whole numbers, in one or more layers, that can be read to its end.

    Slicer's reader ends the whole process on a damaged file, so another reader looks first.
    """
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetImageIO("NrrdImageIO")
    try:
        image = reader.Execute()
    except RuntimeError:
        return False
    return image.GetDimension() == 3 and "integer" in image.GetPixelIDTypeAsString()


def _name(segmentation: Any, segment_id: str) -> SegmentName:
    segment = segmentation.GetSegment(segment_id)
    return SegmentName(segment_id, segment.GetName() or "", segment_terminology(segment))


def _common_grid(segmentation: Any, segment_ids: list[str]) -> Any:
    """Zeroed vtkOrientedImageData on the reference geometry, enlarged to hold the segments."""
    ids = vtkStringArray()
    for segment_id in segment_ids:
        ids.InsertNextValue(segment_id)
    mode = slicer.vtkSegmentation.EXTENT_UNION_OF_EFFECTIVE_SEGMENTS_AND_REFERENCE_GEOMETRY
    text = segmentation.DetermineCommonLabelmapGeometry(mode, ids)
    grid = slicer.vtkOrientedImageData()
    if not slicer.vtkSegmentationConverter.DeserializeImageGeometry(text, grid, True) or min(grid.GetDimensions()) < 1:
        raise InputError("The segments are empty and state no grid; draw the bones, or save with a source volume.")
    return grid


def _mask(node: Node, segment_id: str, grid: Any) -> np.ndarray:
    """Whether a voxel (k, j, i) of the grid is in the segment."""
    found = np.zeros(image_array(grid).shape, bool)
    segment = node.GetSegmentation().GetSegment(segment_id)
    image = segment.GetRepresentation(BINARY_LABELMAP)
    if image is None or min(image.GetDimensions()) < 1 or image.GetPointData().GetScalars() is None:
        return found
    start = _offset(image, grid)
    if start is None:
        return _resampled_mask(node, segment_id, grid)
    array = image_array(image)
    into, of = [], []
    for offset, size, whole in zip(start[::-1], array.shape, found.shape, strict=True):
        into.append(slice(max(offset, 0), max(min(offset + size, whole), 0)))
        of.append(slice(max(-offset, 0), max(min(size, whole - offset), 0)))
    found[tuple(into)] = array[tuple(of)] == segment.GetLabelValue()
    return found


def _offset(image: Any, grid: Any) -> tuple[int, int, int] | None:
    """Index (i, j, k) of the grid at which the image begins; None if its voxels are not voxels of the grid."""
    ours, theirs = (np.array(each.GetData()).reshape(4, 4) for each in map(first_voxel_to_ras, (grid, image)))
    between = np.linalg.solve(ours, theirs)
    start = np.rint(between[:3, 3])
    expected = np.eye(4)
    expected[:3, 3] = start
    if not np.allclose(between, expected, atol=_SAME_VOXEL):
        return None
    return int(start[0]), int(start[1]), int(start[2])


def _resampled_mask(node: Node, segment_id: str, grid: Any) -> np.ndarray:
    image = slicer.vtkOrientedImageData()
    node.GetBinaryLabelmapRepresentation(segment_id, image)
    resampled = slicer.vtkOrientedImageData()
    slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(image, grid, resampled)
    return image_array(resampled) != 0
