"""Confidence offsets: fitted on phantoms and written into the bundle, the same each time."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from MultiJointSegLib import anatomy
from MultiJointSegLib.errors import BundleError
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.inference.bundle import load_bundle, save_bundle
from MultiJointSegLib.inference.confidence import corrected_confidence
from MultiJointSegLib.networks.shared_unet import SharedUNet
from MultiJointSegLib.pipeline import confidence_export
from MultiJointSegLib.pipeline.confidence_export import collect_cases, fit_confidences, fitted_offsets

STATED = 0.9


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    torch.manual_seed(3)
    network = SharedUNet({"knee": 4}, decoder_channels=(8, 8, 8, 8, 8)).eval()
    folder = tmp_path_factory.mktemp("models") / "tiny"
    names = {"name": "tiny", "version": "0.1.0", "license": "Apache-2.0", "card": "# tiny\n"}
    return save_bundle(folder, network, half=False, **names)


def _labels(rows: int) -> Volume:
    """A femur of so many of 20 rows; no other bone."""
    array = np.zeros((10, 20, 10), np.uint8)
    array[:, :rows] = anatomy.bone("femur").label
    return Volume(array, Geometry((10, 20, 10), (1.0, 1.0, 1.0)))


class OptimisticSegmenter:
    """Finds less than half of the femur and states the same confidence in all bones, with the bundle's offsets."""

    def __init__(self, bundle, device):
        self.bundle = bundle

    def segment(self, volume, *, joint):
        offsets = self.bundle.manifest.confidence_offsets.get(joint, {})
        bones = anatomy.joint(joint).bones
        confidence = {b.key: corrected_confidence(STATED, offsets.get(b.key, 0.0)) for b in bones}
        return SimpleNamespace(joint=anatomy.joint(joint), labels=_labels(4), bone_confidence=confidence)


@pytest.fixture(autouse=True)
def _stand_ins(monkeypatch):
    phantom = SimpleNamespace(volume=_labels(16), labels=_labels(16))
    monkeypatch.setattr(confidence_export, "make_phantom", lambda joint, *, seed: phantom)
    monkeypatch.setattr(confidence_export, "Segmenter", OptimisticSegmenter)


def test_cases_hold_what_was_stated_and_what_was_true(bundle):
    cases = collect_cases(OptimisticSegmenter(bundle, "cpu"), first_seed=9, count=3)
    assert cases == {"knee": {"femur": [(STATED, 0.4)] * 3, "fibula": [], "patella": [], "tibia": []}}
    offsets = fitted_offsets(cases)
    assert list(offsets["knee"]) == ["femur"]  # bones without a case are left alone
    assert corrected_confidence(STATED, offsets["knee"]["femur"]) == pytest.approx(0.4, abs=1e-3)


def test_the_written_bundle_is_loaded_and_made_twice_the_same(bundle, tmp_path):
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        shutil.copytree(bundle.path, folder)
        fit_confidences(folder, first_seed=9, count=1)
    texts = [(folder / "bundle.json").read_text(encoding="utf-8") for folder in folders]
    assert texts[0] == texts[1]
    loaded = load_bundle(folders[0])
    assert loaded.manifest.confidence_offsets == json.loads(texts[0])["confidence_offsets"]
    assert loaded.manifest.weights_sha256 == bundle.manifest.weights_sha256
    # Fitted anew, not on top of what was written.
    assert fit_confidences(folders[0], first_seed=9, count=1) == loaded.manifest.confidence_offsets


def test_a_bundle_from_before_has_no_offsets_and_unknown_bones_are_refused(bundle, tmp_path):
    folder = tmp_path / "old"
    shutil.copytree(bundle.path, folder)
    text = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    del text["confidence_offsets"]
    (folder / "bundle.json").write_text(json.dumps(text), encoding="utf-8")
    assert load_bundle(folder).manifest.confidence_offsets == {}
    text["confidence_offsets"] = {"knee": {"talus": 0.5}}
    (folder / "bundle.json").write_text(json.dumps(text), encoding="utf-8")
    with pytest.raises(BundleError, match="talus"):
        load_bundle(folder)
