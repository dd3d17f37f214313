"""The scene writer of the command line, with the real packages of 3D Slicer where they are installed."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from MultiJointSegLib.cli.scene_output import write_scene
from MultiJointSegLib.imaging.reading import read_label_map
from MultiJointSegLib.pipeline.result import SceneContent
from MultiJointSegLib.surface.extraction import bone_surfaces

MODULE_FOLDER = Path(__file__).resolve().parents[3] / "MultiJointSeg"


def _write(folder: Path, examination, segmenter) -> None:
    volume, labels = examination
    joint = segmenter.segment(volume).joint
    surfaces = bone_surfaces(labels, joint.bones)
    content = SceneContent(
        labels=labels, bones=joint.bones, surfaces=surfaces, measurements=[], name=joint.name, side="right"
    )
    write_scene(folder, volume, content)


@pytest.mark.slicer
def test_scene_and_segmentation_are_written(monkeypatch, tmp_path, a_small_knee, a_truth_segmenter):
    monkeypatch.syspath_prepend(str(MODULE_FOLDER))
    scene = pytest.importorskip("MultiJointSegSlicer.scene")
    if reason := scene.unavailable_reason():
        pytest.skip(reason)
    _write(tmp_path, a_small_knee, a_truth_segmenter())
    assert zipfile.is_zipfile(tmp_path / "scene.mrb")
    labels = read_label_map(tmp_path / "segmentation.seg.nrrd")
    np.testing.assert_array_equal(labels.array, a_small_knee[1].array)
    assert {path.name for path in tmp_path.iterdir()} == {"scene.mrb", "segmentation.seg.nrrd"}


def test_absent_scene_code_is_an_import_error_with_a_sentence(monkeypatch, tmp_path, a_small_knee, a_truth_segmenter):
    monkeypatch.setitem(sys.modules, "MultiJointSegSlicer", None)
    monkeypatch.setitem(sys.modules, "MultiJointSegSlicer.scene", None)
    with pytest.raises(ImportError, match="with pip and the extra 'slicer'"):
        _write(tmp_path, a_small_knee, a_truth_segmenter())
    assert list(tmp_path.iterdir()) == []
