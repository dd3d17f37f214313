"""Places to look at, and proposed imaging planes, as markups of a real scene."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

pytestmark = [
    pytest.mark.slicer,
    pytest.mark.skipif(importlib.util.find_spec("slicer") is None, reason="slicer-core is not installed"),
]


def test_marks_are_numbered_points_in_ras_that_nobody_moves(a_scene) -> None:
    from MultiJointSegSlicer.scene.marks import add_marks_node

    node = add_marks_node(a_scene, [[1, 2, 3], [-4, 5, -6]], name="knee look here")
    assert [node.GetNthControlPointLabel(n) for n in range(2)] == ["1", "2"]
    assert list(node.GetNthControlPointPosition(0)) == [-1, -2, 3]
    assert node.GetLocked()
    assert add_marks_node(a_scene, [], name="none").GetNumberOfControlPoints() == 0


def test_planes_lie_where_they_were_proposed_and_survive_a_file(a_scene, tmp_path) -> None:
    from MultiJointSegSlicer.scene.planes import PLANE_ATTRIBUTE, SIZE_MM, add_plane_node

    normal = np.array([0.6, 0.0, 0.8])
    node = add_plane_node(a_scene, "sagittal", [10, -20, 30], normal, number=1)
    assert np.allclose(node.GetOriginWorld(), [-10, 20, 30])
    assert np.allclose(node.GetNormalWorld(), [-0.6, 0, 0.8])
    assert np.allclose(node.GetSize(), SIZE_MM)
    assert not node.GetLocked()
    assert node.GetDisplayNode().GetFillOpacity() < 0.3
    path = tmp_path / "scene.mrml"
    a_scene.SetURL(str(path))
    storage = a_scene.AddNewNodeByClass("vtkMRMLMarkupsPlaneJsonStorageNode")
    storage.SetFileName(str(tmp_path / "plane.mrk.json"))
    node.SetAndObserveStorageNodeID(storage.GetID())
    assert storage.WriteData(node)
    assert a_scene.Commit()
    from MultiJointSegSlicer.scene import headless_scene

    with headless_scene() as loaded:
        loaded.SetURL(str(path))
        assert loaded.Import()
        (again,) = [
            loaded.GetNthNodeByClass(n, "vtkMRMLMarkupsPlaneNode")
            for n in range(loaded.GetNumberOfNodesByClass("vtkMRMLMarkupsPlaneNode"))
        ]
        assert again.GetAttribute(PLANE_ATTRIBUTE) == "sagittal"
        assert np.allclose(again.GetNormalWorld(), [-0.6, 0, 0.8], atol=1e-5)
