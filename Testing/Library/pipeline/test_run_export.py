"""A training as a bundle: what is fitted, what is noted, what is refused."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from MultiJointSegLib.errors import InputError, RefusalError
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.inference.bundle import load_bundle
from MultiJointSegLib.inference.segmenter import Segmenter
from MultiJointSegLib.learning.config import parse_config
from MultiJointSegLib.learning.training_settings import TrainingSettings
from MultiJointSegLib.networks.shared_unet import SharedUNet
from MultiJointSegLib.pipeline.model_export import fit_temperatures
from MultiJointSegLib.pipeline.run_export import export_run

JOINTS = {"hip": 2}


@pytest.fixture
def a_run(tmp_path) -> Path:
    """A finished training of a network of the hip, as `scheme_training` writes it, without the training."""
    folder = tmp_path / "training" / "hip"
    folder.mkdir(parents=True)
    torch.manual_seed(1)
    network = SharedUNet(JOINTS, (8, 8, 8, 8, 8), backbone="unet")
    save_file({key: value.contiguous() for key, value in network.state_dict().items()}, folder / "average.safetensors")
    config = {"scheme": "individual", "joints": ["hip"], "network": {"backbone": "unet"}}
    (folder.parent / "config.json").write_text(parse_config(config).model_dump_json())
    record = {
        "network": network.config(),
        "settings": asdict(TrainingSettings(detection_weight=0.0)),
        "scheme": "individual",
        "start_from": None,
        "imagenet": False,
        "data": {"train": ["miller_anna"], "validation": ["smith_joe"]},
        "preprocessing": {"pixel_mm": 4.0, "minimum_pitch_mm": 1.0, "neighbor_mm": 2.0},
        "input": "image",
        "mask": None,
        "steps": 3,
        "hours": 0.01,
        "device": "cpu",
        "processes": 1,
        "threads": 1,
        "torch": torch.__version__,
        "validation": {"validation_dice": {"hip": [0.5, None]}},
    }
    (folder / "run.json").write_text(json.dumps(record))
    return folder


def test_bundle_of_a_joint_that_the_shipped_model_lacks_segments_it(a_run, a_small_knee, tmp_path) -> None:
    exported = export_run(a_run.parent, tmp_path / "bundle", name="hips", license="CC-BY-4.0")
    bundle = load_bundle(tmp_path / "bundle")
    assert bundle.joints == ("hip",) and exported.manifest.weights_sha256 == bundle.manifest.weights_sha256
    assert bundle.manifest.preprocessing.pixel_mm == 4.0 and bundle.manifest.license == "CC-BY-4.0"
    examination: Volume = a_small_knee[0]
    segmenter = Segmenter(bundle, "cpu", runtime="torch")
    result = segmenter.segment(examination, joint="hip")
    assert result.labels.geometry.same_grid(examination.geometry)
    # Its detection was never trained: it must not decide on its own.
    with pytest.raises(RefusalError, match=r"1\.00 is needed"):
        segmenter.segment(examination)


def test_no_name_of_an_examination_is_in_the_bundle(a_run, tmp_path) -> None:
    """Names of examinations may be names of patients."""
    export_run(a_run, tmp_path / "bundle")
    text = (tmp_path / "bundle" / "bundle.json").read_text() + (tmp_path / "bundle" / "card.md").read_text()
    assert "miller" not in text and "smith" not in text
    assert '"examinations": 1' in text and "0.500" in text and "not there" in text


def test_temperatures_are_fitted_to_the_sample(a_run, tmp_path) -> None:
    """Logits three times too large for how often they are right: the temperature is 3."""
    generator = torch.Generator().manual_seed(2)
    calm = torch.randn(20_000, 3, generator=generator)
    classes = torch.multinomial(calm.softmax(1), 1, generator=generator)[:, 0]
    sample = {"hip.logits": 3 * calm, "hip.classes": classes}
    detection, segmentation = fit_temperatures(sample)
    assert detection == 1.0 and segmentation == pytest.approx(3.0, rel=0.1)
    save_file(sample, a_run / "temperature_sample.safetensors")
    exported = export_run(a_run, tmp_path / "bundle")
    assert exported.manifest.segmentation.temperature == pytest.approx(segmentation, abs=1e-3)
    assert fit_temperatures({"hip.logits": 0.2 * calm, "hip.classes": classes})[1] == 1.0  # never sharpened


def test_what_is_no_finished_training_is_refused(a_run, tmp_path) -> None:
    with pytest.raises(InputError, match="There is no folder"):
        export_run(tmp_path / "nowhere", tmp_path / "bundle")
    with pytest.raises(InputError, match="holds no training"):
        export_run(tmp_path, tmp_path / "bundle")
    (a_run / "run.json").rename(a_run / "gone.json")
    with pytest.raises(InputError, match="has not ended: 'hip' is missing"):
        export_run(a_run.parent, tmp_path / "bundle")


def test_of_several_networks_one_has_to_be_chosen(a_run, tmp_path) -> None:
    config = parse_config({"scheme": "individual", "joints": ["hip", "knee"], "network": {"backbone": "unet"}})
    (a_run.parent / "config.json").write_text(config.model_dump_json())
    (a_run.parent / "knee").mkdir()
    (a_run.parent / "knee" / "run.json").write_text((a_run / "run.json").read_text())
    with pytest.raises(InputError, match="holds 2 networks: hip, knee"):
        export_run(a_run.parent, tmp_path / "bundle")
