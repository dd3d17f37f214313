"""Examinations as volume nodes and back."""

# ruff: noqa: E402 - what follows needs slicer-core, or is skipped

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

from MultiJointSegSlicer.scene.volumes import add_volume_node, volume_from_node
from vtkmodules.vtkCommonDataModel import vtkImageData

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume

pytestmark = pytest.mark.slicer


@pytest.mark.parametrize("left_handed", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
def test_oblique_volume_survives_as_a_node(a_scene, make_examination, dtype, left_handed) -> None:
    volume = make_examination(dtype, angles_deg=(15.0, -40.0, 5.0), left_handed=left_handed).volume
    back = volume_from_node(add_volume_node(a_scene, volume, name="MRI"))
    expected = volume.array[::-1] if left_handed else volume.array
    assert back.array.dtype == dtype
    assert np.array_equal(back.array, expected)
    assert back.modality == "MR"
    assert np.allclose(
        np.sort(back.geometry.corner_points(), axis=0), np.sort(volume.geometry.corner_points(), axis=0), atol=1e-6
    )


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (np.array([0, 1], bool), np.uint8),
        (np.array([0.5, 1.5], np.float16), np.float32),
        (np.array([-3, 2**31 - 1], np.int64), np.int32),
        (np.array([0, 2**31], np.int64), np.float64),
        (np.array([1, 2], ">i2"), np.int16),
    ],
)
def test_types_that_slicer_lacks_become_larger_ones(a_scene, given, kept) -> None:
    volume = Volume(given.reshape(1, 1, 2), Geometry((2, 1, 1)))
    back = volume_from_node(add_volume_node(a_scene, volume, name="MRI"))
    assert back.array.dtype == np.dtype(kept)
    assert back.array.ravel().tolist() == given.tolist()


def test_complex_numbers_are_refused_and_nothing_is_added(a_scene) -> None:
    before = a_scene.GetNumberOfNodes()
    with pytest.raises(InputError, match="complex64"):
        add_volume_node(a_scene, Volume(np.zeros((1, 1, 2), np.complex64), Geometry((2, 1, 1))), name="MRI")
    assert a_scene.GetNumberOfNodes() == before


def test_node_does_not_share_memory_with_the_array(a_scene, an_examination) -> None:
    node = add_volume_node(a_scene, an_examination.volume, name="MRI")
    before = an_examination.volume.array.copy()
    volume_from_node(node).array[:] = 0
    an_examination.volume.array[:] = 1
    assert np.array_equal(volume_from_node(node).array, before)


def test_strided_views_are_written_in_their_own_order(a_scene) -> None:
    array = np.arange(24).reshape(2, 3, 4).transpose(2, 1, 0)[::-1]
    volume = Volume(array, Geometry((2, 3, 4)))
    assert np.array_equal(volume_from_node(add_volume_node(a_scene, volume, name="MRI")).array, array)


def test_volume_without_an_image_is_refused(a_scene) -> None:
    node = a_scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")
    with pytest.raises(InputError, match="'Empty' holds no image"):
        volume_from_node(node)
    with pytest.raises(InputError, match="holds no image"):
        volume_from_node(None)


def test_color_volume_is_refused(a_scene) -> None:
    image = vtkImageData()
    image.SetDimensions(2, 2, 2)
    image.AllocateScalars(3, 3)
    node = a_scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "Photo")
    node.SetAndObserveImageData(image)
    with pytest.raises(InputError, match="3 values per voxel"):
        volume_from_node(node)


def test_sheared_volume_is_refused(a_scene, an_examination) -> None:
    node = add_volume_node(a_scene, an_examination.volume, name="MRI")
    node.SetIJKToRASDirections(1, 0.5, 0, 0, 1, 0, 0, 0, 1)
    with pytest.raises(InputError, match="not perpendicular"):
        volume_from_node(node)
