"""Readers go through the queue of a refinement: real Qt, a real scene, the real command line in a child process."""

from __future__ import annotations

import importlib.util
import json
import time

import numpy as np
import pytest

pytestmark = [
    pytest.mark.slicer,
    pytest.mark.skipif(importlib.util.find_spec("slicer") is None, reason="slicer-core is not installed"),
]

SIZE = (24, 24, 24)


@pytest.fixture
def a_work(tmp_path, request):
    """A refinement of three knees, balls for femur and tibia, with a queue of two; on a left-handed grid."""
    from MultiJointSegLib.annotation.refinement.facts import write_facts
    from MultiJointSegLib.annotation.refinement.project import Project
    from MultiJointSegLib.annotation.refinement.queue import Queue, QueueEntry, write_queue
    from MultiJointSegLib.annotation.refinement.store import CaseStore
    from MultiJointSegLib.imaging.geometry import Geometry
    from MultiJointSegLib.imaging.volume import Volume
    from MultiJointSegLib.imaging.writing import write_volume

    work = tmp_path / "Verfeinerung ä"
    size = getattr(request, "param", SIZE)
    geometry = Geometry(size, (2.0, 2.0, 3.0), (0, 0, 0), ((1, 0, 0), (0, 1, 0), (0, 0, -1)))
    z, y, x = np.ogrid[: size[2], : size[1], : size[0]]
    labels = np.zeros(size[::-1], np.uint8)
    wide = size[0] / 24
    for label, center in ((2, 6), (1, 17)):
        labels[((x - 12 * wide) ** 2 + (y - 12 * wide) ** 2) / wide**2 + (z - center) ** 2 < 25] = label
    entries = []
    for index in range(3):
        image = Volume(np.where(labels > 0, 200, 60).astype(np.int16) + x % 5, geometry, "MR")
        write_volume(image, tmp_path / f"image_{index}.nii.gz")
        write_volume(Volume(labels, geometry), tmp_path / f"label_{index}.nii.gz")
        case = CaseStore(work / "cases" / f"knee_{index}")
        case.propose(Volume(labels, geometry), note="first proposal")
        write_facts(case, tmp_path / f"image_{index}.nii.gz", "knee")
        points = [[24.0, 24.0, -51.0], [24.0, 30.0, -18.0]]
        entries.append(
            QueueEntry(
                case=f"knee_{index}", disagreement=0.4 - index / 10, bones={"femur": 0.5, "tibia": 0.3},
                slices=[11, 13], slice_disagreement=[0.8, 0.6], points_mm=points,
            )
        )  # fmt: skip
    folder = Project(work).round_folder(1)
    folder.mkdir(parents=True)
    (folder / "round.json").write_text("{}")
    write_queue(Queue(1, "disagreement", entries[:2]), folder / "queue.json")
    dataset = [
        {"name": f"knee_{i}", "image": f"image_{i}.nii.gz", "label": f"label_{i}.nii.gz", "joint": "knee",
         "subject": f"s{i}", "label_values": {"femur": 1, "tibia": 2}}
        for i in range(3)
    ]  # fmt: skip
    (tmp_path / "dataset.json").write_text(json.dumps({"name": "balls", "examinations": dataset}))
    settings = {
        "refine": {"folds": 2, "budget": 2, "total_budget": 5},
        "learning": {
            "scheme": "individual",
            "network": {"backbone": "unet", "decoder_channels": [8, 8, 8, 8, 8]},
            "data": {"manifest": "dataset.json", "pixel_mm": 2.0, "minimum_pitch_mm": 4.0, "other_maps": 0},
            "training": {"steps": 3, "sizes_px": [32], "detection_weight": 0.0, "validate_every": 3},
        },
    }
    (tmp_path / "refine.json").write_text(json.dumps(settings))
    return work


class Reader:
    """A person at the review queue."""

    def __init__(self, panel, work) -> None:
        self.panel, self.work, self.ui = panel, work, panel.ui
        panel.ui.queueCollapsibleButton.collapsed = False
        panel.folder = str(work)
        panel.ui.queueFolderButton.click()
        self.name("AB")

    @property
    def queue(self):
        return self.panel.parts.queue

    @property
    def case(self):
        return self.queue.case

    def name(self, reader: str) -> None:
        self.panel.widget._parameterNode.queueReader = reader

    def click(self, button: str) -> str:
        getattr(self.ui, button).click()
        self.panel.work(lambda: not self.queue.job.state.busy)
        return self.ui.queueStatusLabel.text()

    def draw(self, segment_id: str = "femur") -> None:
        """Erase half of a bone, as Segment Editor's effects write it."""
        import slicer
        from MultiJointSegSlicer.scene.volumes import image_array

        image = slicer.vtkOrientedImageData()
        self.case.segmentation.GetBinaryLabelmapRepresentation(segment_id, image)
        array = image_array(image)
        filled = np.flatnonzero(array.any(axis=(1, 2)))
        array[filled[len(filled) // 2] :] = 0
        slicer.vtkSlicerSegmentationsModuleLogic.SetBinaryLabelmapToSegment(image, self.case.segmentation, segment_id)

    def store(self, name: str):
        from MultiJointSegLib.annotation.refinement.project import Project

        return Project(self.work).case(name)

    def labels(self, name: str, version: int) -> np.ndarray:
        from MultiJointSegLib.imaging.reading import read_label_map

        return read_label_map(self.store(name).labels_path(version)).array

    def kinds(self, name: str) -> list[str]:
        return [event.kind for event in self.store(name).history()]


@pytest.fixture
def a_reader(a_panel, a_work):
    return Reader(a_panel, a_work)


def node_names(scene) -> list[str]:
    nodes = [scene.GetNthNode(n) for n in range(scene.GetNumberOfNodes())]
    return [n.GetName() for n in nodes if n.IsA("vtkMRMLDisplayableNode") and (n.GetName() or "").startswith("knee")]


def test_from_the_queue_to_a_corrected_case(a_reader, a_panel) -> None:
    ui = a_reader.ui
    assert ui.queueLabel.text() == "Round 1: 2 of 2 cases wait."
    assert not ui.caseFrame.isVisible()
    assert a_reader.click("nextCaseButton") == "'knee_0' is open."
    assert ui.queueLabel.text() == "Round 1: 1 of 2 cases wait; knee_0 is open at AB."
    assert ui.caseLabel.text() == "'knee_0', version 1. Disagreement 0.40: Femur 0.50, Tibia 0.30."
    assert a_panel.texts("queueSliceTable") == [["1", "12", "0.80"], ["2", "14", "0.60"]]
    assert [row[1:4] for row in a_panel.texts("historyTable")] == [["AB", "taken", ""], ["refine", "proposed", "1"]]
    case = a_reader.case
    assert a_panel.widget._parameterNode.inputVolume is case.volume
    editor = a_panel.widget.form.correction.editor
    assert editor.values["SegmentationNode"] is case.segmentation
    assert editor.values["CurrentSegmentID"] == "femur"
    assert ui.editorFrame.isVisible()
    assert not ui.boneTable.isVisible()
    assert not ui.acceptButton.isVisible()
    assert [case.marks.GetNthControlPointLabel(n) for n in range(2)] == ["1", "2"]
    assert list(case.marks.GetNthControlPointPosition(0)) == [-24.0, -24.0, -51.0]
    a_panel.picture("13-queue")
    assert a_reader.click("correctCaseButton") == (
        "Failed: The masks were not edited: accept the case, or mend it first."
    )
    a_reader.draw()
    assert "Corrected" in a_reader.click("acceptCaseButton")
    assert a_reader.case is case
    ui.caseNoteLineEdit.setText(" leak   at the shaft ")
    assert a_reader.click("correctCaseButton") == "'knee_0' was saved as corrected (version 2)."
    assert a_reader.case is None
    assert node_names(a_panel.desk.scene) == []
    assert ui.queueLabel.text() == "Round 1: 1 of 2 cases wait; 1 corrected."
    event = a_reader.store("knee_0").history()[-1]
    assert (event.kind, event.who, event.version, event.note) == ("corrected", "AB", 2, "leak at the shaft")
    before, after = a_reader.labels("knee_0", 1), a_reader.labels("knee_0", 2)
    assert 0.3 < (after == 1).sum() / (before == 1).sum() < 0.7
    assert np.array_equal(before == 2, after == 2)
    assert not ((after == 1) & (before != 1)).any()
    assert a_reader.store("knee_0").state().taken_by == ""
    assert not list((a_reader.work / "cases" / "knee_0" / "drafts").glob("*"))


def test_accept_reject_skip_and_the_end_of_the_queue(a_reader) -> None:
    a_reader.click("nextCaseButton")
    assert a_reader.click("acceptCaseButton") == "'knee_0' was accepted (version 1)."
    a_reader.click("nextCaseButton")
    assert a_reader.case.name == "knee_1"
    assert a_reader.click("skipCaseButton") == "'knee_1' was skipped (version 1)."
    assert a_reader.click("nextCaseButton") == "No case waits."
    assert a_reader.ui.queueLabel.text() == "Round 1: 0 of 2 cases wait; 1 accepted; 1 skipped."


def test_click_on_a_slice_goes_there(a_reader, a_panel) -> None:
    from MultiJointSegSlicer.scene.views import _create_views

    _create_views(a_panel.desk.scene)
    a_reader.click("nextCaseButton")
    node = a_panel.desk.scene.GetSingletonNode("Red", "vtkMRMLSliceNode")
    assert node.GetSliceToRAS().GetElement(2, 3) == pytest.approx(-51.0)
    a_reader.ui.queueSliceTable.cellClicked.emit(1, 0)
    assert node.GetSliceToRAS().GetElement(2, 3) == pytest.approx(-18.0)


def test_drawing_is_saved_by_itself_and_comes_back_after_a_crash(a_reader, a_panel) -> None:
    a_reader.click("nextCaseButton")
    queue, case = a_reader.queue, a_reader.case
    queue.autosave()
    assert "every 30 seconds" in a_reader.ui.autosaveLabel.text()
    a_reader.draw()
    assert queue._timer.isActive()
    queue.autosave()
    assert a_reader.ui.autosaveLabel.text().startswith("Autosaved at ")
    drawn = case.labels().array
    # The window is gone without a word: the lock is still this reader's, who takes the case again.
    queue._end()
    a_panel.widget.form.refresh()
    assert a_reader.click("nextCaseButton") == "'knee_0' is open, with what you had drawn before."
    assert np.array_equal(a_reader.case.labels().array, drawn)
    assert a_reader.click("correctCaseButton") == "'knee_0' was saved as corrected (version 2)."


def test_nothing_is_saved_by_itself_while_a_decision_is_stored(a_reader, a_panel) -> None:
    a_reader.click("nextCaseButton")
    a_reader.draw()
    a_reader.ui.correctCaseButton.click()
    a_reader.queue.autosave()
    assert "Autosaved" not in a_reader.ui.autosaveLabel.text()
    a_panel.work(lambda: not a_reader.queue.job.state.busy)
    assert a_reader.kinds("knee_0")[-1] == "corrected"
    assert not (a_reader.work / "cases" / "knee_0" / "drafts").exists()


def test_given_back_cases_go_to_others_and_drafts_stay(a_reader, a_panel) -> None:
    a_reader.click("nextCaseButton")
    a_reader.draw()
    a_reader.ui.giveBackButton.click()
    assert a_reader.case is None
    assert node_names(a_panel.desk.scene) == []
    assert a_reader.kinds("knee_0") == ["proposed", "taken", "returned"]
    a_reader.name("CD")
    assert a_reader.click("nextCaseButton") == "'knee_0' is open."
    a_reader.ui.giveBackButton.click()
    a_reader.name("AB")
    assert "with what you had drawn" in a_reader.click("nextCaseButton")


def test_two_readers_never_have_the_same_case(a_reader) -> None:
    a_reader.store("knee_0").take("CD")
    a_reader.click("nextCaseButton")
    assert a_reader.case.name == "knee_1"
    # A lock that somebody else took over is said; the drawing is kept all the same.
    lock = a_reader.store("knee_1").folder / "lock.json"
    lock.write_text(json.dumps({"who": "EF", "since": "2026-01-01T00:00:00+00:00", "token": "x"}))
    a_reader.draw()
    a_reader.queue.autosave()
    assert "no longer yours ('EF' has it)" in a_reader.ui.autosaveLabel.text()
    assert list((a_reader.work / "cases" / "knee_1" / "drafts").glob("*.nii"))
    assert "'EF' has it" in a_reader.click("correctCaseButton")
    assert a_reader.case.name == "knee_1"
    a_reader.ui.giveBackButton.click()
    assert json.loads(lock.read_text())["who"] == "EF"


def test_a_second_reading_and_how_far_readers_agree(a_reader, a_panel) -> None:
    assert "ask a colleague" in a_reader.click("agreementButton")
    assert not a_reader.ui.agreementTable.isVisible()
    a_reader.click("nextCaseButton")
    a_reader.draw()
    a_reader.click("correctCaseButton")
    assert a_reader.click("secondReadingButton") == "No case waits for a second reading."
    a_reader.name("CD")
    assert a_reader.click("secondReadingButton") == "'knee_0' is open."
    assert a_reader.case.version == 1
    assert a_reader.click("acceptCaseButton") == "'knee_0' was accepted (version 1)."
    a_reader.click("agreementButton")
    assert a_reader.store("knee_0").state().version == 2
    (row,) = a_panel.texts("agreementTable")
    assert row[:2] == ["knee_0", "AB and CD"]
    assert 0.7 < float(row[2]) < 0.9
    assert row[3].startswith("Femur 0.")
    a_panel.picture("14-agreement")


def test_scene_closed_or_nodes_removed_while_a_case_is_open(a_reader, a_panel) -> None:
    a_reader.click("nextCaseButton")
    a_reader.draw()
    a_panel.desk.scene.Clear(False)
    assert a_reader.case is None
    assert a_reader.kinds("knee_0")[-1] == "returned"
    assert not a_reader.ui.caseFrame.isVisible()
    a_reader.panel.folder = str(a_reader.work)
    a_reader.ui.queueFolderButton.click()
    a_reader.name("AB")
    assert "with what you had drawn" in a_reader.click("nextCaseButton")
    a_panel.desk.scene.RemoveNode(a_reader.case.segmentation)
    assert a_reader.case is None
    assert "was removed from the scene and given back" in a_reader.ui.queueStatusLabel.text()
    assert node_names(a_panel.desk.scene) == []
    assert list((a_reader.work / "cases" / "knee_0" / "drafts").glob("*.nii"))


def test_window_closed_while_a_case_is_open(a_reader, a_panel) -> None:
    a_reader.click("nextCaseButton")
    a_reader.draw()
    a_panel.widget.cleanup()
    assert a_reader.kinds("knee_0")[-1] == "returned"
    assert list((a_reader.work / "cases" / "knee_0" / "drafts").glob("*.nii"))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda work: (work / "rounds" / "001" / "queue.json").write_text("{"), "is no JSON"),
        (lambda work: (work.parent / "image_0.nii.gz").unlink(), "is gone"),
        (lambda work: (work / "cases" / "knee_0" / "labels" / "0001.nii.gz").unlink(), "is missing"),
    ],
)
def test_what_is_broken_is_said_and_nothing_is_kept(a_reader, spoil, said) -> None:
    spoil(a_reader.work)
    assert said in a_reader.click("nextCaseButton")
    assert a_reader.case is None
    assert a_reader.store("knee_0").state().taken_by in ("", "AB")


def test_folder_and_reader_are_asked_for(a_reader, a_panel) -> None:
    a_reader.name(" ")
    assert "Give your name" in a_reader.click("nextCaseButton")
    a_panel.widget._parameterNode.queueFolder = "/nirgends"
    assert "holds no queue yet" in a_reader.ui.queueLabel.text()
    assert a_reader.click("nextCaseButton") == "Failed: Choose the folder of a refinement; '/nirgends' is none."


def test_retrain_makes_the_next_queue_and_can_be_cancelled(a_reader, a_panel, a_work) -> None:
    ui, job = a_reader.ui, a_panel.parts.retraining.job
    ui.retrainButton.click()
    assert "Choose the configuration" in ui.retrainLabel.text()
    a_panel.file = str(a_work.parent / "refine.json")
    ui.refineConfigButton.click()
    assert ui.refineConfigLineEdit.text() == a_panel.file
    ui.retrainButton.click()
    a_panel.work(lambda: not job.state.busy)
    assert "2 cases of round 1 still wait" in ui.retrainLabel.text()
    a_panel.behave("slow", job)
    ui.retrainButton.click()
    a_panel.work(lambda: "slices" in ui.retrainLabel.text())
    assert not ui.retrainButton.isEnabled()
    assert ui.retrainProgressBar.isVisible()
    assert ui.nextCaseButton.isEnabled()
    a_panel.picture("15-retrain")
    ui.retrainCancelButton.click()
    a_panel.work(lambda: not job.state.busy)
    assert ui.retrainLabel.text().startswith("Cancelled")
    for button in ("acceptCaseButton", "rejectCaseButton"):
        a_reader.click("nextCaseButton")
        a_reader.click(button)
    a_panel.behave("", job)
    ui.retrainButton.click()
    a_panel.work(lambda: not job.state.busy)
    assert ui.retrainLabel.text() == "Round 2 is ready: 1 cases to look at. Click Next case."
    assert ui.queueLabel.text() == "Round 2: 1 of 1 cases wait."
    a_reader.click("nextCaseButton")
    assert a_reader.case.name == "knee_2"
    assert all(each.position_ras_mm for each in a_reader.case.slices)


class Ticks:
    """Longest processor time of the window's thread between two ticks of a timer: how long it does not answer."""

    def __init__(self) -> None:
        from PySide6 import QtCore

        self.longest_s = 0.0
        self._last = time.thread_time()
        self._timer = QtCore.QTimer()
        self._timer.timeout.connect(self._tick)
        self._timer.start(5)

    def _tick(self) -> None:
        now = time.thread_time()
        self.longest_s, self._last = max(self.longest_s, now - self._last), now

    def stop(self) -> float:
        self._timer.stop()
        self._tick()
        return self.longest_s


@pytest.mark.parametrize("a_work", [(250, 250, 24)], indirect=True)
def test_window_answers_while_a_case_of_usual_size_is_opened_saved_and_decided(a_reader, a_panel) -> None:
    a_panel.work(lambda: not a_panel.parts.warming._left)
    ticks = Ticks()
    a_reader.click("nextCaseButton")
    longest = {"opening": ticks.stop()}
    assert a_reader.case is not None
    a_reader.draw()
    began = time.thread_time()
    a_reader.queue.autosave()
    longest["saving"] = time.thread_time() - began
    assert a_reader.ui.autosaveLabel.text().startswith("Autosaved")
    ticks = Ticks()
    a_reader.click("correctCaseButton")
    longest["deciding"] = ticks.stop()
    assert a_reader.case is None
    print({name: f"{1000 * seconds:.0f} ms" for name, seconds in longest.items()})
    assert max(longest.values()) < 0.1, longest
