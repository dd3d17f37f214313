"""The main job on nodes of a real MRML scene, with a child process that stands in for the network."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from MultiJointSegSlicer.installation import InstallationError
from MultiJointSegSlicer.parameters import DeviceOption, EarlierOption, JointOption, RunSettings
from MultiJointSegSlicer.review import REVIEW_ATTRIBUTE, Review

pytestmark = [
    pytest.mark.slicer,
    pytest.mark.skipif(importlib.util.find_spec("slicer") is None, reason="slicer-core is not installed"),
]


def segment(desk, settings: RunSettings | None = None) -> None:
    desk.logic.segment(desk.volume, settings or RunSettings())
    desk.drive()


def test_result_stands_beside_the_volume_and_is_right(a_desk) -> None:
    from MultiJointSegSlicer.scene import find_results, hierarchy

    segment(a_desk)
    assert a_desk.states[-1] == ("finished", "The bones of 'Knie Zoë' were added to the scene.")
    nodes = find_results(a_desk.scene, a_desk.volume)
    assert hierarchy.parent_of(a_desk.scene, nodes.segmentation) == hierarchy.parent_of(a_desk.scene, a_desk.volume)
    assert set(nodes.models) == {"femur", "tibia"}
    bounds = [0.0] * 6
    nodes.models["femur"].GetRASBounds(bounds)
    # The upper half of a ball of 20 mm around the origin.
    assert np.allclose(bounds, (-20, 20, -20, 20, 0, 20), atol=2.5)
    assert nodes.table.GetNumberOfRows() == 3


def test_review_is_kept_with_the_segmentation(a_desk) -> None:
    from MultiJointSegSlicer.scene import find_results

    segment(a_desk, RunSettings(joint=JointOption.KNEE))
    text = find_results(a_desk.scene, a_desk.volume).segmentation.GetAttribute(REVIEW_ATTRIBUTE)
    review = Review.from_json(text)
    assert Review.from_json(review.to_json()) == review
    assert review.joint_given
    assert review.bone_confidence["femur"] == 0.93
    first = review.slices[0]
    assert (first.bone, first.number, first.doubt) in {("femur", 20, 0.6), ("tibia", 1, 0.6)}
    assert abs(first.position_ras_mm[2]) == pytest.approx(28.5, abs=1.6)


def test_earlier_results_are_kept_or_replaced(a_desk) -> None:
    from MultiJointSegSlicer.scene.nodes import result_nodes

    def names() -> list[str]:
        nodes = result_nodes(a_desk.scene, a_desk.volume)
        return [node.GetName() for node in nodes if node.IsA("vtkMRMLSegmentationNode")]

    segment(a_desk)
    count = len(result_nodes(a_desk.scene, a_desk.volume))
    tree = a_desk.scene.GetSubjectHierarchyNode()
    items = tree.GetNumberOfItems()
    segment(a_desk, RunSettings(earlier=EarlierOption.KEEP))
    assert names() == ["Knie Zoë bones", "Knie Zoë 2 bones"]
    segment(a_desk, RunSettings(earlier=EarlierOption.REPLACE))
    assert names() == ["Knie Zoë bones"]
    assert len(result_nodes(a_desk.scene, a_desk.volume)) == count
    assert tree.GetNumberOfItems() == items


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
@pytest.mark.parametrize(("behavior", "part"), [("refuse", "none of the joints"), ("killed", "memory ran out")])
def test_failure_changes_nothing(a_desk, behavior: str, part: str) -> None:
    segment(a_desk)
    before = a_desk.scene.GetNumberOfNodes()
    a_desk.behave(behavior)
    segment(a_desk, RunSettings(earlier=EarlierOption.REPLACE))
    assert a_desk.states[-1][0] == "failed"
    assert part in a_desk.states[-1][1]
    assert a_desk.scene.GetNumberOfNodes() == before


@pytest.mark.parametrize("how", ["node", "scene"])
def test_removing_the_volume_ends_the_run(a_desk, how: str) -> None:
    a_desk.behave("slow")
    a_desk.logic.segment(a_desk.volume, RunSettings())
    a_desk.drive(lambda: a_desk.fraction() == 0.4)
    if how == "node":
        a_desk.scene.RemoveNode(a_desk.volume)
    else:
        a_desk.scene.Clear(True)
    a_desk.drive()
    assert a_desk.states[-1][0] == "failed"
    assert "'Knie Zoë' was removed while it was segmented" in a_desk.states[-1][1]
    assert not a_desk.scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")


def test_two_runs_at_once_are_one(a_desk) -> None:
    a_desk.logic.segment(a_desk.volume, RunSettings())
    assert not a_desk.logic.segment(a_desk.volume, RunSettings())
    assert not a_desk.logic.make_sample()
    a_desk.drive()
    assert a_desk.scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 1


def test_bad_volumes_are_sentences(a_desk) -> None:
    assert not a_desk.logic.segment(None, RunSettings())
    assert "No volume is chosen" in a_desk.states[-1][1]
    empty = a_desk.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")
    assert not a_desk.logic.segment(empty, RunSettings())
    assert "'Empty' holds no image" in a_desk.states[-1][1]
    a_desk.volume.SetAttribute("DICOM.Modality", "CT")
    assert not a_desk.logic.segment(a_desk.volume, RunSettings(joint=JointOption.KNEE))
    assert "CT" in a_desk.states[-1][1]
    assert not a_desk.logic.segment(a_desk.volume, RunSettings())
    assert "choose 'Hip, from CT" in a_desk.states[-1][1]
    a_desk.volume.SetAttribute("DICOM.Modality", "MR")
    assert not a_desk.logic.segment(a_desk.volume, RunSettings(joint=JointOption.HIP_CT))
    assert "The volume is MR; hips are annotated from CT" in a_desk.states[-1][1]


def test_declined_installation_is_a_sentence_and_can_be_repeated(a_desk) -> None:
    a_desk.installer.error = InstallationError("Not installed.")
    assert not a_desk.logic.segment(a_desk.volume, RunSettings())
    assert [state for state, _ in a_desk.states] == ["installing", "failed"]
    a_desk.installer.error = None
    segment(a_desk)
    assert a_desk.states[-1][0] == "finished"


def test_sample_becomes_a_volume(a_desk) -> None:
    added = []
    a_desk.logic.sample_added.connect(added.append)
    assert a_desk.logic.make_sample()
    a_desk.drive()
    assert added[0].GetName() == "Knee phantom"
    assert added[0].GetImageData().GetDimensions() == (40, 36, 20)


def test_sample_can_be_waited_for(a_desk, monkeypatch) -> None:
    from MultiJointSegSlicer.sample import make_sample

    command, environment = a_desk.logic.job._command(), a_desk.environment
    assert make_sample(a_desk.scene, command, environment).GetName() == "Knee phantom"
    with pytest.raises(RuntimeError, match="none of the joints"):
        make_sample(a_desk.scene, command, {**environment, "FAKE_LIBRARY": "refuse"})


def test_settings_become_arguments() -> None:
    chosen = RunSettings(JointOption.ANKLE, DeviceOption.CPU, EarlierOption.KEEP, "/models/ünsere")
    text = " ".join(chosen.arguments(Path("a.nii"), Path("b")))
    assert text == ("segment a.nii -o b --joint ankle --device cpu --model /models/ünsere --no-scene --progress-json")


def test_arguments_are_those_of_the_command_line() -> None:
    from MultiJointSegLib import anatomy
    from MultiJointSegLib.cli.parser import build_parser

    for joint in JointOption:
        for device in DeviceOption:
            given = build_parser().parse_args(RunSettings(joint, device).arguments(Path("a.nii"), Path("b")))
            if joint.annotated:
                assert (given.command, given.joint, given.no_scene) == ("annotate", "hip", True)
            else:
                assert (given.joint, given.device, given.no_scene) == (joint.value, device.value, True)
    assert {each.value for each in JointOption if not each.annotated} - {"auto"} <= set(anatomy.joint_names())
