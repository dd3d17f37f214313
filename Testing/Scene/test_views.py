"""Views that look at the bones."""

# ruff: noqa: E402 - what follows needs slicer-core, or is skipped

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

from MultiJointSegSlicer.scene import build_scene
from MultiJointSegSlicer.scene.coordinates import flip_points
from MultiJointSegSlicer.scene.views import show_in_views

pytestmark = pytest.mark.slicer


def test_created_views_show_the_volume_around_the_bones(a_scene, an_examination) -> None:
    nodes = build_scene(a_scene, an_examination.volume, an_examination.content())
    show_in_views(a_scene, nodes.volume, nodes.segmentation, create=True)
    corners = np.vstack([flip_points(s.points_mm) for s in an_examination.surfaces.values()])
    # The fibula has no surface of ours; Slicer's is within the same examination.
    for name, orientation in (("Red", "Axial"), ("Green", "Coronal"), ("Yellow", "Sagittal")):
        view = a_scene.GetSingletonNode(name, "vtkMRMLSliceNode")
        assert view.GetOrientation() == orientation
        assert view.GetFieldOfView()[0] > np.ptp(corners, axis=0).max()
        composite = a_scene.GetSingletonNode(name, "vtkMRMLSliceCompositeNode")
        assert composite.GetBackgroundVolumeID() == nodes.volume.GetID()
    camera = a_scene.GetFirstNodeByClass("vtkMRMLCameraNode")
    focus, eye = np.array(camera.GetFocalPoint()), np.array(camera.GetPosition())
    assert np.all(focus > corners.min(axis=0) - 20)
    assert np.all(focus < corners.max(axis=0) + 20)
    assert eye[1] - focus[1] > np.ptp(corners, axis=0).max()


def test_without_bones_the_whole_volume_is_looked_at(a_scene, an_examination) -> None:
    empty = an_examination.labels.with_array(an_examination.labels.array * 0)
    nodes = build_scene(
        a_scene, an_examination.volume, an_examination.content(labels=empty, surfaces={}, measurements=[])
    )
    show_in_views(a_scene, nodes.volume, nodes.segmentation, create=True)
    center = flip_points(an_examination.volume.geometry.corner_points()).mean(axis=0)
    camera = a_scene.GetFirstNodeByClass("vtkMRMLCameraNode")
    assert camera.GetFocalPoint() == pytest.approx(center, abs=0.1)


def test_views_of_the_application_keep_orientation_and_shape(a_scene, an_examination) -> None:
    nodes = build_scene(a_scene, an_examination.volume, an_examination.content())
    show_in_views(a_scene, nodes.volume, nodes.segmentation, create=True)
    view = a_scene.GetSingletonNode("Green", "vtkMRMLSliceNode")
    view.SetDimensions(600, 300, 1)
    show_in_views(a_scene, nodes.volume, nodes.segmentation)
    width, height, _ = view.GetFieldOfView()
    assert width == pytest.approx(2 * height)
    assert view.GetOrientation() == "Coronal"
    assert a_scene.GetNumberOfNodesByClass("vtkMRMLSliceNode") == 3
