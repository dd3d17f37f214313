"""Which precision a segmenter computes in."""

from __future__ import annotations

import dataclasses

import pytest

from MultiJointSegLib.inference import batches
from MultiJointSegLib.inference.runtime import TorchRuntime
from MultiJointSegLib.inference.segmenter import Segmenter


@pytest.mark.parametrize(
    ("of_bundle", "asked", "expected"), [("f32", None, "f32"), ("bf16", None, "bf16"), ("bf16", "f32", "f32")]
)
def test_the_bundles_precision_holds_unless_another_is_asked_for(bundle, monkeypatch, of_bundle, asked, expected):
    seen = []

    def create(given, choice, *, precision):
        seen.append(precision)
        return TorchRuntime(given, "cpu", 1), []

    monkeypatch.setattr(batches, "create_runtime", create)
    settings = bundle.manifest.segmentation.model_copy(update={"precision": of_bundle})
    stated = dataclasses.replace(bundle, manifest=bundle.manifest.model_copy(update={"segmentation": settings}))
    Segmenter(stated, "cpu", runtime="torch", precision=asked)
    assert seen == [expected]
