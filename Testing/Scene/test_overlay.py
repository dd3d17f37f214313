"""The doubt about every voxel, laid over the slices."""

import importlib.util

import numpy as np
import pytest

pytestmark = [
    pytest.mark.slicer,
    pytest.mark.skipif(importlib.util.find_spec("slicer") is None, reason="slicer-core is not installed"),
]


@pytest.fixture
def built(a_scene, an_examination):
    from MultiJointSegSlicer.scene.building import adding_results
    from MultiJointSegSlicer.scene.views import show_in_views
    from MultiJointSegSlicer.scene.volumes import add_volume_node

    labels = an_examination.labels
    doubt = labels.with_array((labels.array > 0).astype(np.uint8) * 60)
    volume_node = add_volume_node(a_scene, an_examination.volume, name="x")
    steps = adding_results(a_scene, volume_node, an_examination.content(uncertainty=doubt))
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            show_in_views(a_scene, stop.value.volume, stop.value.segmentation, create=True)
            return stop.value


def test_overlay_is_shown_and_taken_away_in_every_slice_view(a_scene, built) -> None:
    from MultiJointSegSlicer.scene.overlay import is_shown, show_overlay

    assert not is_shown(a_scene, built.uncertainty)
    show_overlay(a_scene, built.uncertainty, visible=True)
    views = [a_scene.GetNthNodeByClass(n, "vtkMRMLSliceCompositeNode") for n in range(3)]
    assert {view.GetLabelVolumeID() for view in views} == {built.uncertainty.GetID()}
    assert {view.GetBackgroundVolumeID() for view in views} == {built.volume.GetID()}
    show_overlay(a_scene, built.uncertainty, visible=False)
    assert not is_shown(a_scene, built.uncertainty)


def test_little_doubt_is_clear_and_much_is_red(a_scene, built) -> None:
    colors = built.uncertainty.GetDisplayNode().GetColorNode()
    rgba = [0.0] * 4
    colors.GetColor(5, rgba)
    assert rgba[3] == 0
    colors.GetColor(100, rgba)
    assert rgba == pytest.approx([0.85, 0.0, 0.15, 1.0], abs=0.01)
    assert colors.GetColorName(60) == "60 %"


def test_doubt_lies_on_the_volume_and_survives_a_scene_file(a_scene, built, an_examination, tmp_path) -> None:
    from MultiJointSegSlicer.scene import find_results, open_scene_bundle, volume_from_node
    from MultiJointSegSlicer.scene.overlay import is_shown, show_overlay

    show_overlay(a_scene, built.uncertainty, visible=True)
    path = tmp_path / "scene.mrb"
    assert a_scene.WriteToMRB(str(path), None)
    with open_scene_bundle(path) as scene:
        volumes = [scene.GetNthNodeByClass(n, "vtkMRMLScalarVolumeNode") for n in range(2)]
        volume = next(node for node in volumes if not node.IsA("vtkMRMLLabelMapVolumeNode"))
        found = find_results(scene, volume)
        doubt = volume_from_node(found.uncertainty)
        assert np.array_equal(doubt.array, 60 * (an_examination.labels.array > 0))
        assert doubt.geometry.same_grid(an_examination.volume.geometry)
        assert is_shown(scene, found.uncertainty)
        assert found.uncertainty.GetDisplayNode().GetColorNode().GetNumberOfColors() == 101


def test_doubt_goes_with_the_result(a_scene, built) -> None:
    from MultiJointSegSlicer.scene.nodes import remove_results, result_nodes

    remove_results(a_scene, built.volume, result_nodes(a_scene, built.volume))
    assert not a_scene.GetNumberOfNodesByClass("vtkMRMLLabelMapVolumeNode")
