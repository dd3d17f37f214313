"""Imaging planes are proposed, moved and removed: real Qt, a real scene, the command line with a perfect network."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

pytestmark = [
    pytest.mark.slicer,
    pytest.mark.skipif(importlib.util.find_spec("slicer") is None, reason="slicer-core is not installed"),
]

DIRECTIONS = {
    "sagittal": ((0, 0, 1), (1, 0, 0), (0, -1, 0)),
    "coronal": ((1, 0, 0), (0, 0, 1), (0, -1, 0)),
    "axial": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
}


@pytest.fixture
def a_study(a_panel, tmp_path):
    """Three stacks through one middle in the scene, and a pretraining that says it learned lines."""
    from MultiJointSegSlicer.scene.volumes import add_volume_node

    from MultiJointSegLib.imaging.geometry import Geometry
    from MultiJointSegLib.imaging.volume import Volume
    from MultiJointSegLib.learning.pretext.config import parse_pretrain_config
    from MultiJointSegLib.learning.pretext.network import PretextNetwork
    from MultiJointSegLib.learning.pretext.pretrained import save_pretrained

    a_panel.desk.scene.Clear(False)
    rng = np.random.default_rng(1)
    for name, direction in DIRECTIONS.items():
        columns = np.array(direction, float)
        corner = -columns @ (np.array([23, 23, 8.0]) / 2 * np.array([1, 1, 4]))
        geometry = Geometry((24, 24, 9), (1, 1, 4), tuple(corner), tuple(map(tuple, columns)))
        array = rng.integers(0, 200, geometry.array_shape).astype(np.int16)
        add_volume_node(a_panel.desk.scene, Volume(array, geometry, "MR"), name=name)
    a_panel.widget.initializeParameterNode()
    model = tmp_path / "mödel"
    model.mkdir()
    network = PretextNetwork(["shared"], (8, 8, 8, 8, 8))
    config = parse_pretrain_config({"data": {"folders": ["x"], "pixel_mm": 1.0}})
    learned = {channel: {"line_mm": {"count": 3}} for channel in DIRECTIONS}
    save_pretrained(network, network.state_dict(), model, {"config": config.model_dump(mode="json"), "errors": learned})
    a_panel.folder = str(model)
    a_panel.ui.planeCollapsibleButton.collapsed = False
    a_panel.ui.planeModelButton.click()
    return a_panel


def propose(panel) -> str:
    panel.ui.planeButton.click()
    panel.work(lambda: not panel.parts.prescription.job.state.busy)
    return panel.ui.planeLabel.text()


def planes(panel) -> list:
    scene = panel.desk.scene
    count = scene.GetNumberOfNodesByClass("vtkMRMLMarkupsPlaneNode")
    return [scene.GetNthNodeByClass(n, "vtkMRMLMarkupsPlaneNode") for n in range(count)]


def test_planes_are_added_and_can_be_moved(a_study) -> None:
    assert propose(a_study) == "3 planes were added to the scene; move and turn them by their handles."
    found = {node.GetAttribute("MultiJointSeg.plane"): node for node in planes(a_study)}
    assert set(found) == set(DIRECTIONS)
    for name, axis in (("sagittal", 0), ("coronal", 1), ("axial", 2)):
        normal, origin = np.array(found[name].GetNormalWorld()), np.array(found[name].GetOriginWorld())
        assert abs(normal[axis]) > 0.999
        assert abs(origin[axis]) < 1.0
        assert not found[name].GetLocked()
        assert found[name].GetDisplayNode().GetHandlesInteractive()
    rows = a_study.texts("planeTable")
    assert sorted(row[0] for row in rows) == sorted(DIRECTIONS)
    assert all(float(row[2].split()[0]) < 0.5 and row[3] for row in rows)
    a_study.picture("16-planes")
    from MultiJointSegSlicer.scene.views import _create_views

    _create_views(a_study.desk.scene)
    row = [each[0] for each in rows].index("axial")
    found["axial"].SetOriginWorld(0, 0, 7)
    a_study.ui.planeTable.cellClicked.emit(row, 0)
    red = a_study.desk.scene.GetSingletonNode("Red", "vtkMRMLSliceNode")
    assert red.GetSliceToRAS().GetElement(2, 3) == pytest.approx(7)
    a_study.desk.scene.RemoveNode(found["coronal"])
    assert sorted(each[0] for each in a_study.texts("planeTable")) == ["axial", "sagittal"]
    a_study.desk.scene.Clear(False)
    assert not a_study.ui.planeTable.isVisible()


def test_bad_input_is_a_sentence(a_study, tmp_path) -> None:
    parameters = a_study.widget._parameterNode
    parameters.planeStudy = "/nirgends"
    assert "'/nirgends' is none" in propose(a_study)
    parameters.planeStudy = ""
    a_study.desk.scene.Clear(False)
    parameters = a_study.widget._parameterNode
    parameters.planeModel, parameters.planeStudy = str(tmp_path), ""
    assert "holds no volume" in propose(a_study)
    parameters.planeStudy = str(tmp_path)
    assert propose(a_study).startswith("Failed: ")
    parameters.planeModel = ""
    assert "Choose the folder of a pretraining" in propose(a_study)
    assert planes(a_study) == []


def test_search_is_cancelled(a_study) -> None:
    job = a_study.parts.prescription.job
    a_study.behave("slow", job)
    a_study.ui.planeButton.click()
    a_study.work(lambda: "slices" in a_study.ui.planeLabel.text())
    a_study.ui.planeCancelButton.click()
    a_study.work(lambda: not job.state.busy)
    assert job.state.value == "idle"
    assert planes(a_study) == []
