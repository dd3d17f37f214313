"""Results found, removed, looked at and exported again, on real MRML nodes."""

import importlib.util

import numpy as np
import pytest

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.surface.writing import write_surface

pytestmark = [
    pytest.mark.slicer,
    pytest.mark.skipif(importlib.util.find_spec("slicer") is None, reason="slicer-core is not installed"),
]


@pytest.fixture
def built(a_scene, an_examination):
    from MultiJointSegSlicer.scene import build_scene

    return build_scene(a_scene, an_examination.volume, an_examination.content())


def test_results_go_with_their_folders_and_the_volume_stays(a_scene, built) -> None:
    from MultiJointSegSlicer.scene.hierarchy import tree
    from MultiJointSegSlicer.scene.nodes import find_results, remove_results, result_nodes

    items = tree(a_scene).GetNumberOfItems()
    nodes = result_nodes(a_scene, built.volume)
    assert {node.GetID() for node in nodes} == {node.GetID() for node in built.results()}
    remove_results(a_scene, built.volume, nodes)
    assert find_results(a_scene, built.volume) is None
    assert a_scene.IsNodePresent(built.volume)
    # One item per node, and the folders of the surfaces and of the markups.
    assert tree(a_scene).GetNumberOfItems() == items - len(nodes) - 2


def test_views_jump_to_a_position_of_a_volume_under_a_transform(a_scene, built) -> None:
    from MultiJointSegSlicer.scene.views import jump_to, show_in_views

    show_in_views(a_scene, built.volume, built.segmentation, create=True)
    axial = a_scene.GetSingletonNode("Red", "vtkMRMLSliceNode")
    jump_to(a_scene, built.volume, (1.0, 2.0, 7.5))
    assert axial.GetSliceToRAS().GetElement(2, 3) == pytest.approx(7.5)
    transform = a_scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = transform.GetMatrixTransformToParent()
    matrix.SetElement(2, 3, 100.0)
    transform.SetMatrixTransformToParent(matrix)
    built.volume.SetAndObserveTransformNodeID(transform.GetID())
    jump_to(a_scene, built.volume, (1.0, 2.0, 7.5))
    assert axial.GetSliceToRAS().GetElement(2, 3) == pytest.approx(107.5)


def test_segmentation_of_a_scene_is_written_and_leaves_no_node(a_scene, built, an_examination, tmp_path) -> None:
    from MultiJointSegSlicer.scene import read_segmentation
    from MultiJointSegSlicer.scene.writing import write_segmentation_node

    before = a_scene.GetNumberOfNodes()
    write_segmentation_node(tmp_path / "a.seg.nrrd", built.segmentation)
    assert a_scene.GetNumberOfNodes() == before
    assert np.array_equal(read_segmentation(tmp_path / "a.seg.nrrd").array, an_examination.labels.array)
    with pytest.raises(InputError, match="cannot be written"):
        write_segmentation_node(tmp_path / "missing" / "a.seg.nrrd", built.segmentation)
    assert a_scene.GetNumberOfNodes() == before


def test_surface_comes_back_from_its_file(an_examination, tmp_path) -> None:
    from MultiJointSegLib.surface.reading import read_surface

    surface = an_examination.surfaces["femur"]
    read = read_surface(write_surface(surface, tmp_path / "femur.stl"))
    assert len(read.points_mm) == len(surface.points_mm)
    assert len(read.triangles) == len(surface.triangles)
    corners = np.sort(read.points_mm[read.triangles].reshape(-1, 9), axis=0)
    assert np.allclose(corners, np.sort(surface.points_mm[surface.triangles].reshape(-1, 9), axis=0), atol=1e-4)
    (tmp_path / "empty.stl").write_bytes(bytes(84))
    with pytest.raises(InputError, match="holds no surface"):
        read_surface(tmp_path / "empty.stl")
