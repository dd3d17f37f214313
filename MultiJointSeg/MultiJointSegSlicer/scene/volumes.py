"""Examinations as volume nodes, and volume nodes as examinations."""

from __future__ import annotations

from typing import Any

import numpy as np
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkCommonDataModel import vtkImageData
from vtkmodules.vtkCommonMath import vtkMatrix4x4

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegSlicer.scene.coordinates import geometry_from_ras, ijk_to_ras, right_handed
from MultiJointSegSlicer.scene.mrml import Node, Scene, slicer

MODALITY_ATTRIBUTE = "DICOM.Modality"
"""Node attribute that holds the modality, as Slicer's DICOM import names it."""


def add_volume_node(scene: Scene, volume: Volume, *, name: str) -> Node:
    """Add a vtkMRMLScalarVolumeNode with the voxels, the place and the modality of a volume.

    Parameters
    ----------
    volume
        Array (k, j, i), LPS. Types that Slicer's files lack become the next larger: bool uint8, float16 float32,
        64-bit integers int32 or float64. A left-handed grid becomes right-handed, see `coordinates.right_handed`.
    name
        Name of the node, as the user sees it.
    """
    image, matrix = image_in_ras(volume)
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    node.SetAndObserveImageData(image)
    node.SetIJKToRASMatrix(matrix)
    if volume.modality:
        node.SetAttribute(MODALITY_ATTRIBUTE, volume.modality)
    node.CreateDefaultDisplayNodes()
    return node


def image_in_ras(volume: Volume) -> tuple[vtkImageData, vtkMatrix4x4]:
    """Copy a volume; returns its voxels, and the index-to-RAS matrix that its node needs."""
    volume = right_handed(volume)
    image = vtkImageData()
    _fill(image, volume)
    return image, ijk_to_ras(volume.geometry)


def volume_from_node(node: Node) -> Volume:
    """Volume of a scalar volume node: a copy of its voxels, in LPS.

    A transform that the node is under is left out: results that are placed under the same transform lie right.

    Raises
    ------
    InputError
        If the node holds no image, or more than one value per voxel.
    """
    image = node.GetImageData() if node is not None else None
    if image is None or image.GetPointData().GetScalars() is None or min(image.GetDimensions()) < 1:
        name = node.GetName() if node is not None else "none"
        raise InputError(f"The volume '{name}' holds no image; choose another volume, or load it again.")
    if image.GetNumberOfScalarComponents() != 1:
        raise InputError(
            f"The volume '{node.GetName()}' has {image.GetNumberOfScalarComponents()} values per voxel; "
            "a gray-scale volume is needed. Convert it, for example with the module Vector to Scalar Volume."
        )
    matrix = vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    array = image_array(image).copy()
    return Volume(array, geometry_from_ras(image.GetDimensions(), matrix), node.GetAttribute(MODALITY_ATTRIBUTE) or "")


def oriented_image(volume: Volume) -> Any:
    """Copy a volume into a vtkOrientedImageData in RAS mm, right-handed."""
    volume = right_handed(volume)
    image = slicer.vtkOrientedImageData()
    _fill(image, volume)
    image.SetGeometryFromImageToWorldMatrix(ijk_to_ras(volume.geometry))
    return image


def image_array(image: Any) -> np.ndarray:
    """Voxels (k, j, i) of a vtkImageData, a view that is valid as long as the image."""
    i, j, k = image.GetDimensions()
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(k, j, i)


def _fill(image: vtkImageData, volume: Volume) -> None:
    image.SetDimensions(volume.geometry.size)
    scalars = numpy_to_vtk(_storable(volume.array).ravel(), deep=True)
    scalars.SetName("ImageScalars")
    image.GetPointData().SetScalars(scalars)


def _storable(array: np.ndarray) -> np.ndarray:
    kind = array.dtype
    if kind == np.bool_:
        kind = np.dtype(np.uint8)
    elif kind == np.float16:
        kind = np.dtype(np.float32)
    elif kind.kind in "iu" and kind.itemsize == 8:
        limits = np.iinfo(np.int32)
        fits = array.size == 0 or (array.min() >= limits.min and array.max() <= limits.max)
        kind = np.dtype(np.int32 if fits else np.float64)
    elif kind.kind not in "iuf" or kind.itemsize > 8:
        raise InputError(f"A volume of type {kind} cannot be shown in Slicer; integers or floats are needed.")
    return np.ascontiguousarray(array, kind.newbyteorder("="))
