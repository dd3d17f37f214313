"""Results into a scene: where they stand, how they are found again, and that failures leave nothing behind."""

# ruff: noqa: E402 - what follows needs slicer-core, or is skipped

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

from MultiJointSegSlicer.scene import add_results, build_scene, find_results
from MultiJointSegSlicer.scene.models import surface_from_node
from MultiJointSegSlicer.scene.nodes import remove_nodes
from MultiJointSegSlicer.scene.volumes import add_volume_node
from vtkmodules.vtkCommonCore import vtkIdList

from MultiJointSegLib.errors import CancelledError, InputError

pytestmark = pytest.mark.slicer


def node_ids(scene) -> list[str]:
    return [scene.GetNthNode(n).GetID() for n in range(scene.GetNumberOfNodes())]


def tree_of(scene) -> list[tuple[int, str, str]]:
    """(depth, name, plugin) of every item, in the order in which users see them."""
    hierarchy = scene.GetSubjectHierarchyNode()
    lines = []

    def walk(item: int, depth: int) -> None:
        children = vtkIdList()
        hierarchy.GetItemChildren(item, children, False)
        for n in range(children.GetNumberOfIds()):
            child = children.GetId(n)
            lines.append((depth, hierarchy.GetItemName(child), hierarchy.GetItemOwnerPluginName(child)))
            walk(child, depth + 1)

    walk(hierarchy.GetSceneItemID(), 0)
    return lines


EXPECTED_TREE = [
    (0, "Knee of Zoë", "Folder"),
    (1, "Knee of Zoë", "Volumes"),
    (1, "Knee of Zoë bones", "Segmentations"),
    (1, "Knee of Zoë surfaces", "Folder"),
    (2, "Femur", "Models"),
    (2, "Tibia", "Models"),
    (1, "Knee of Zoë measurements", "Tables"),
    (1, "Knee of Zoë measured geometry", "Folder"),
    (2, "Femur - Femoral head diameter", "Markups"),
    (2, "Femur - Femoral head", "Models"),
    (2, "Femur - Long axis", "Markups"),
    (2, "Tibia - Plateau plateau", "Markups"),
    (2, "Tibia - Plateau middle", "Markups"),
]


def test_everything_stands_under_one_folder_beside_the_volume(a_scene, an_examination) -> None:
    build_scene(a_scene, an_examination.volume, an_examination.content())
    assert tree_of(a_scene) == EXPECTED_TREE


def test_results_stand_beside_a_volume_that_is_in_a_study(a_scene, an_examination) -> None:
    hierarchy = a_scene.GetSubjectHierarchyNode()
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "Study")
    volume_node = add_volume_node(a_scene, an_examination.volume, name="MRI")
    hierarchy.CreateItem(study, volume_node)
    content = an_examination.content(name="")
    nodes = add_results(a_scene, volume_node, content)
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(nodes.segmentation)) == study
    assert [line[:2] for line in tree_of(a_scene)][:3] == [(0, "Study"), (1, "MRI"), (1, "MRI bones")]


def test_models_hold_the_given_surfaces_in_the_bones_colors(a_scene, an_examination) -> None:
    nodes = build_scene(a_scene, an_examination.volume, an_examination.content())
    assert list(nodes.models) == ["femur", "tibia"]
    for key, node in nodes.models.items():
        surface = surface_from_node(node)
        assert np.allclose(surface.points_mm, an_examination.surfaces[key].points_mm, atol=1e-5)
        assert surface.triangles.tolist() == an_examination.surfaces[key].triangles.tolist()
        color = next(bone.color for bone in an_examination.bones if bone.key == key)
        assert [round(255 * c) for c in node.GetDisplayNode().GetColor()] == list(color)


def test_results_are_found_again_through_the_volume(a_scene, an_examination) -> None:
    nodes = build_scene(a_scene, an_examination.volume, an_examination.content())
    assert find_results(a_scene, nodes.volume) == nodes


def test_two_results_do_not_mix_and_one_can_be_replaced(a_scene, an_examination) -> None:
    first = build_scene(a_scene, an_examination.volume, an_examination.content())
    other = build_scene(a_scene, an_examination.volume, an_examination.content(name="Other"))
    remove_nodes(a_scene, first.results())
    assert find_results(a_scene, first.volume) is None
    assert find_results(a_scene, other.volume) == other
    content = an_examination.content()
    again = add_results(a_scene, first.volume, content)
    assert find_results(a_scene, first.volume) == again


def test_removing_results_leaves_no_helper_nodes(a_scene, an_examination) -> None:
    volume_node = add_volume_node(a_scene, an_examination.volume, name="MRI")
    content = an_examination.content()
    add_results(a_scene, volume_node, content)  # makes the tree's own node and items
    remove_nodes(a_scene, find_results(a_scene, volume_node).results())
    before = node_ids(a_scene)
    nodes = add_results(a_scene, volume_node, content)
    remove_nodes(a_scene, nodes.results())
    assert node_ids(a_scene) == before


def test_results_follow_the_transform_of_the_volume(a_scene, an_examination) -> None:
    transform = a_scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Registration")
    volume_node = add_volume_node(a_scene, an_examination.volume, name="MRI")
    volume_node.SetAndObserveTransformNodeID(transform.GetID())
    content = an_examination.content()
    nodes = add_results(a_scene, volume_node, content)
    moved = [node for node in nodes.results() if node.IsA("vtkMRMLTransformableNode")]
    assert len(moved) == len(nodes.results()) - 1  # all but the table
    assert all(node.GetParentTransformNode() is transform for node in moved)


@pytest.mark.parametrize("stop_at", [0.0, 0.5, 0.7, 1.0])
def test_cancelling_at_any_stage_leaves_the_scene_as_it_was(a_scene, an_examination, stop_at) -> None:
    before, tree_before = node_ids(a_scene), tree_of(a_scene)

    class StopAt:
        def report(self, fraction: float, message: str) -> None:
            if fraction >= stop_at:
                raise CancelledError("Cancelled: nothing was written.")

    with pytest.raises(CancelledError):
        build_scene(a_scene, an_examination.volume, an_examination.content(), progress=StopAt())
    assert node_ids(a_scene) == before
    assert tree_of(a_scene) == tree_before


def removed_by_user(scene, class_name: str, at: float):
    class RemoveAt:
        def report(self, fraction: float, message: str) -> None:
            node = scene.GetFirstNodeByClass(class_name)
            if fraction >= at and node is not None:
                scene.RemoveNode(node)

    return RemoveAt()


@pytest.mark.parametrize("class_name", ["vtkMRMLScalarVolumeNode", "vtkMRMLSegmentationNode", "vtkMRMLModelNode"])
def test_node_removed_in_the_middle_is_a_sentence_and_nothing_stays(a_scene, an_examination, class_name) -> None:
    before = node_ids(a_scene)
    progress = removed_by_user(a_scene, class_name, 0.7)
    with pytest.raises(InputError, match="were removed from the scene while results were being added"):
        build_scene(a_scene, an_examination.volume, an_examination.content(), progress=progress)
    assert node_ids(a_scene) == before


def test_scene_closed_in_the_middle_is_a_sentence(a_scene, an_examination) -> None:
    class CloseAt:
        def report(self, fraction: float, message: str) -> None:
            if fraction >= 0.5:
                a_scene.Clear(False)

    with pytest.raises(InputError, match="were removed from the scene"):
        build_scene(a_scene, an_examination.volume, an_examination.content(), progress=CloseAt())
    assert a_scene.GetFirstNodeByClass("vtkMRMLSegmentationNode") is None


def test_volume_that_is_gone_is_a_sentence(a_scene, an_examination) -> None:
    volume_node = add_volume_node(a_scene, an_examination.volume, name="MRI")
    a_scene.RemoveNode(volume_node)
    content = an_examination.content()
    with pytest.raises(InputError, match="Load the volume again"):
        add_results(a_scene, volume_node, content)


def test_users_nodes_added_meanwhile_stay(a_scene, an_examination) -> None:
    class AddThenCancel:
        def report(self, fraction: float, message: str) -> None:
            if fraction == 0.5:
                a_scene.AddNewNodeByClass("vtkMRMLModelNode", "Mine")
            if fraction == 0.7:
                raise CancelledError("Cancelled: nothing was written.")

    with pytest.raises(CancelledError):
        build_scene(a_scene, an_examination.volume, an_examination.content(), progress=AddThenCancel())
    assert a_scene.GetFirstNodeByName("Mine") is not None
    assert a_scene.GetNumberOfNodesByClass("vtkMRMLModelNode") == 1


def test_segmentation_that_does_not_fit_leaves_no_volume(a_scene, an_examination) -> None:
    before = node_ids(a_scene)
    with pytest.raises(InputError, match="belong to none of the bones"):
        build_scene(a_scene, an_examination.volume, an_examination.content(bones=an_examination.bones[:1]))
    assert node_ids(a_scene) == before


def test_result_without_surfaces_and_measurements_works(a_scene, an_examination) -> None:
    nodes = build_scene(a_scene, an_examination.volume, an_examination.content(surfaces={}, measurements=[]))
    assert (nodes.models, nodes.table, nodes.markups) == ({}, None, ())
