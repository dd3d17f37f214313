"""A model that reads image and mask, taken by the module like any other; the real command line segments."""

from __future__ import annotations

import importlib.util
import json
import sys

import pytest

pytestmark = [
    pytest.mark.slicer,
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("slicer") is None, reason="slicer-core is not installed"),
]


@pytest.mark.parametrize("source", ["skin", "organ"])
def test_image_and_mask_through_the_module(a_panel, tmp_path, source) -> None:
    import numpy as np
    import torch
    from MultiJointSegSlicer.scene.volumes import volume_from_node

    from MultiJointSegLib.imaging.writing import write_volume
    from MultiJointSegLib.inference.bundle import save_bundle
    from MultiJointSegLib.learning.masks.settings import MaskSettings
    from MultiJointSegLib.networks.shared_unet import SharedUNet
    from MultiJointSegLib.pipeline.input_mask_record import recorded_mask

    torch.manual_seed(0)
    network = SharedUNet({"knee": 4}, (8, 8, 8, 8, 8), backbone="unet", mask_channels=6).eval()
    with torch.no_grad():  # untrained: all femur, which is enough to see that the mask is made and used
        network.heads["knee"].bias[:] = torch.tensor([-1e3, 1e3, -1e3, -1e3, -1e3])
    save_bundle(
        tmp_path / "mödel", network, name="masked", version="0.1.0", license="Apache-2.0", card="A test.",
        input="image+mask", mask=MaskSettings(source=source),
    )  # fmt: skip
    a_panel.job._command = lambda: [sys.executable, "-m", "MultiJointSegLib"]
    parameters = a_panel.widget._parameterNode
    parameters.modelFolder = str(tmp_path / "mödel")
    parameters.joint = type(parameters.joint).KNEE
    parameters.device = type(parameters.device).CPU
    if source == "organ":  # drawn by a person, on the grid of the volume
        outline = volume_from_node(parameters.inputVolume)
        voxels = np.zeros(outline.array.shape, np.uint8)
        voxels[1:-1, 4:-4, 4:-4] = 1
        write_volume(outline.with_array(voxels), tmp_path / "outline.nii.gz")
        parameters.outlineFile = str(tmp_path / "outline.nii.gz")
    a_panel.ui.segmentButton.click()
    a_panel.work_until_idle()
    assert a_panel.job.state.value == "finished", a_panel.job.sentence
    nodes = a_panel.widget.form.results.nodes
    run = json.loads(nodes.segmentation.GetAttribute("MultiJointSeg.run"))
    assert run["model"]["name"] == "masked"
    assert run["input_mask"]["source"] == source
    assert 0 < run["input_mask"]["share"] < 1
    # What an exported report is made of (`revise`): the mask lies on the grid of the image in the scene.
    assert recorded_mask(run["input_mask"], volume_from_node(nodes.volume).geometry).volume.array.any()
    assert "femur" in nodes.models
    assert f"Note: The model read a mask made from the examination ({source}, " in a_panel.ui.summaryLabel.text()
