"""The loop of a refinement: train, review the queue, train again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import slicer

from MultiJointSegSlicer.selftests.base import SelfTest


class QueueingTests(SelfTest):
    """What a reader does with a folder that several share."""

    def test_loop_of_a_refinement(self) -> None:
        """Retrain begins it; a case is mended and one accepted; Retrain goes on with the rest."""
        folder = Path(slicer.util.tempDirectory())
        config = make_dataset(folder, self.sample_result().form.results.nodes)
        slicer.mrmlScene.Clear()
        widget = self.widget()
        ui, queue, retraining = widget.ui, widget.logic.parts.queue, widget.logic.parts.retraining
        ui.queueCollapsibleButton.collapsed = False
        parameters = widget._parameterNode
        parameters.refineConfig, parameters.queueFolder = str(config), str(folder / "work")
        parameters.queueReader = "AB"
        self.click_and_wait(ui.retrainButton, retraining.job)
        assert "Round 1: 2 of 2 cases wait" in ui.queueLabel.text, ui.queueLabel.text
        self.click_and_wait(ui.nextCaseButton, queue.job)
        case = queue.case
        first = case.name
        assert case.slices, case
        editor = widget.form.correction.editor
        assert editor.segmentationNode() == case.segmentation
        assert parameters.inputVolume == case.volume
        assert case.marks.GetNumberOfControlPoints() == len(case.slices)
        ui.queueSliceTable.cellClicked(0, 0)
        position = case.slices[0].position_ras_mm
        assert abs(self.slice_view("Yellow").GetSliceToRAS().GetElement(0, 3) - position[0]) < 1.0
        ui.segmentCollapsibleButton.collapsed = True
        self.picture("queue", show=ui.nextCaseButton)
        self._margin(editor, -1.0)
        queue.autosave()
        assert ui.autosaveLabel.text.startswith("Autosaved"), ui.autosaveLabel.text
        ui.giveBackButton.click()
        assert queue.case is None
        assert not slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        self.click_and_wait(ui.nextCaseButton, queue.job)
        assert "what you had drawn" in ui.queueStatusLabel.text, ui.queueStatusLabel.text
        self.click_and_wait(ui.correctCaseButton, queue.job)
        assert "saved as corrected (version 2)" in ui.queueStatusLabel.text
        self.click_and_wait(ui.nextCaseButton, queue.job)
        self.click_and_wait(ui.acceptCaseButton, queue.job)
        self.click_and_wait(ui.nextCaseButton, queue.job)
        assert ui.queueStatusLabel.text == "No case waits."
        parameters.queueReader = "CD"
        self.click_and_wait(ui.secondReadingButton, queue.job)
        assert queue.case.name == first
        self.click_and_wait(ui.acceptCaseButton, queue.job)
        self.click_and_wait(ui.agreementButton, queue.job)
        ((name, readers, mean, _lowest),) = self.texts(ui.agreementTable)
        assert (name, readers) == (first, "AB and CD")
        assert 0.5 < float(mean) < 1.0
        ui.retrainButton.click()
        self.wait_until(lambda: "Training" in ui.retrainLabel.text or not retraining.job.state.busy, "training")
        self.picture("retrain", show=ui.retrainLabel)
        ui.retrainCancelButton.click()
        self.wait_until_idle(retraining.job)
        assert "trainings that ended are kept" in ui.retrainLabel.text, ui.retrainLabel.text
        self.click_and_wait(ui.retrainButton, retraining.job)
        assert "Round 2: 1 of 1 cases wait" in ui.queueLabel.text, ui.queueLabel.text
        ui.segmentCollapsibleButton.collapsed, ui.queueCollapsibleButton.collapsed = False, True

    def _margin(self, editor: Any, size_mm: float) -> None:
        """Shrink the chosen bone with an effect of Segment Editor."""
        editor.setActiveEffectByName("Margin")
        effect = editor.activeEffect()
        effect.setParameter("MarginSizeMm", str(size_mm))
        effect.self().onApply()
        editor.setActiveEffectByName("")
        slicer.app.processEvents()


def make_dataset(folder: Path, nodes: Any, *, steps: int = 40) -> Path:
    """Three knees, the last with shifted labels, and a configuration that trains for a moment."""
    from MultiJointSegLib.imaging.writing import write_volume
    from MultiJointSegSlicer.scene.reading import labels_from_node
    from MultiJointSegSlicer.scene.volumes import volume_from_node

    image, labels = volume_from_node(nodes.volume), labels_from_node(nodes.segmentation)
    present = {key: value for key, value in {"femur": 1, "tibia": 2}.items() if (labels.array == value).any()}
    kept = np.where(np.isin(labels.array, list(present.values())), labels.array, 0).astype(np.uint8)
    entries: list[dict[str, Any]] = []
    for n in range(3):
        write_volume(image, folder / f"image_{n}.nii.gz")
        write_volume(labels.with_array(np.roll(kept, 12 if n == 2 else 0, axis=2)), folder / f"label_{n}.nii.gz")
        entries.append(
            {"name": f"knee_{n}", "image": f"image_{n}.nii.gz", "label": f"label_{n}.nii.gz"}
            | {"joint": "knee", "subject": f"s{n}", "label_values": present}
        )
    (folder / "dataset.json").write_text(json.dumps({"name": "phantoms", "examinations": entries}))
    config = {
        "refine": {"folds": 3, "budget": 2, "total_budget": 4, "seed": 3},
        "learning": {
            "scheme": "individual",
            "network": {"backbone": "unet", "decoder_channels": [8, 8, 8, 8, 8]},
            "data": {"manifest": "dataset.json", "pixel_mm": 2.0, "minimum_pitch_mm": 4.0, "other_maps": 0},
            "training": {
                "steps": steps, "slices_per_joint": 4, "sizes_px": [64], "detection_weight": 0.0,
                "warmup_steps": 5, "validate_every": steps, "bfloat16": False,
            },
        },
    }  # fmt: skip
    (folder / "refine.json").write_text(json.dumps(config))
    return folder / "refine.json"
