"""The main job, with a segmenter that knows the truth."""

from __future__ import annotations

import csv
import json
import re

import numpy as np
import pytest

from MultiJointSegLib import anatomy
from MultiJointSegLib.errors import CancelledError, InputError, RefusalError
from MultiJointSegLib.imaging.reading import read_label_map
from MultiJointSegLib.pipeline import result as names
from MultiJointSegLib.pipeline.segment_examination import STAGES, segment_examination
from MultiJointSegLib.progress import CallbackProgress

BONES = ("femur", "fibula", "patella", "tibia")


@pytest.fixture(scope="module")
def a_result(a_truth_segmenter, a_small_knee_file, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "result"
    return segment_examination(a_small_knee_file, out, segmenter=a_truth_segmenter())


def test_every_file_is_there_but_the_scene(a_result):
    found = {path.relative_to(a_result.output).as_posix() for path in a_result.output.rglob("*") if path.is_file()}
    # Doubt needs probabilities, which the stand-in for the network has none of; the others are made on demand.
    absent = {
        names.SURFACES_NAME,
        names.SCENE_NAME,
        names.UNCERTAINTY_NAME,
        names.DICOM_NAME,
        names.DICOM_REPORT_NAME,
        names.MEASURE_PICTURES_NAME,
    }
    expected = names.RESULT_NAMES - absent
    assert found == expected | {f"surfaces/{bone}.stl" for bone in BONES}
    assert set(a_result.files) == found
    assert all(path.is_file() for path in a_result.files.values())


def test_label_map_lies_on_the_examinations_grid(a_result, a_small_knee):
    labels = read_label_map(a_result.output / names.LABELS_NAME)
    assert labels.geometry.same_grid(a_small_knee[0].geometry)
    np.testing.assert_array_equal(labels.array, a_small_knee[1].array)


def test_plain_segmentation_names_every_segment(a_result, a_small_knee):
    labels = read_label_map(a_result.output / names.SEGMENTATION_NAME)
    np.testing.assert_array_equal(labels.array, a_small_knee[1].array)
    segments = labels.metadata["segments"]
    assert [(s["id"], s["name"], s["label"]) for s in segments] == [
        ("femur", "Femur", 1),
        ("fibula", "Fibula", 3),
        ("patella", "Patella", 4),
        ("tibia", "Tibia", 2),
    ]


def test_volumes_are_those_of_the_shapes(a_result):
    volumes = {m.bone: m.value for m in a_result.measurements if m.key.endswith("_volume")}
    for bone, half in {"femur": (26, 24, 26), "tibia": (24, 20, 26)}.items():
        # Slices of 5 mm and voxels of 2 mm: a few percent are lost or won at the border.
        assert volumes[bone] == pytest.approx(4 / 3 * np.pi * np.prod(half), rel=0.05)
    with (a_result.output / names.MEASUREMENTS_CSV_NAME).open(encoding="utf-8") as stream:
        assert len(list(csv.DictReader(stream))) == len(a_result.measurements)


def test_run_record_says_what_was_used_and_names_nobody(a_result, a_small_knee_file):
    text = (a_result.output / names.RUN_NAME).read_text(encoding="utf-8")
    run = json.loads(text)
    assert run["joint"] == "knee"
    assert run["detection"]["confidence"] == pytest.approx(0.97)
    assert re.fullmatch(r"[0-9a-f]{64}", run["input"]["sha256"])
    assert re.fullmatch(r"[0-9a-f]{64}", run["input"]["voxels_sha256"])
    assert run["versions"]["numpy"] == np.__version__
    assert run["device"] == {"device": "cpu", "runtime": "torch", "threads": 1, "reason": "no faster one was found."}
    assert set(run["timings_s"]) == set(STAGES)
    assert run["total_s"] == pytest.approx(sum(run["timings_s"].values()), abs=1e-3)
    assert run["peak_memory_mib"] > 10
    assert a_small_knee_file.stem.split(".")[0] not in text.replace('"knee"', "").replace("a knee", "")
    assert str(a_small_knee_file.parent) not in text


def test_absent_scene_writer_is_a_warning(a_result):
    warnings = a_result.run["warnings"]
    assert "A warning from the segmenter." in warnings
    assert any(w.startswith("scene.mrb was not written") for w in warnings)


def test_missing_bone_and_unusable_scene_packages_are_warnings(a_truth_segmenter, a_small_knee_file, tmp_path):
    def writer(*_):
        raise ImportError("The package slicer-core does not fit this Python.")

    segmenter = a_truth_segmenter()
    complete = segmenter.labels
    segmenter.labels = complete.with_array(np.where(complete.array == 4, 0, complete.array).astype(np.uint8))
    result = segment_examination(
        a_small_knee_file, tmp_path / "out", segmenter=segmenter, scene_writer=writer, record_paths=True
    )
    assert any("does not fit this Python" in w for w in result.run["warnings"])
    assert names.SEGMENTATION_NAME in result.files
    assert not (result.output / "surfaces" / "patella.stl").exists()
    assert result.run["input"]["path"] == str(a_small_knee_file.resolve())


def test_scene_writer_gets_everything(a_truth_segmenter, a_small_knee, a_small_knee_file, tmp_path):
    seen = {}
    volume, _ = a_small_knee
    segment_examination(
        a_small_knee_file,
        tmp_path / "out",
        segmenter=a_truth_segmenter(),
        scene_writer=lambda folder, volume, content: seen.update(volume=volume, content=content),
    )
    content = seen["content"]
    assert seen["volume"].geometry == volume.geometry
    assert (content.name, content.bones) == ("Knee", anatomy.joint("knee").bones)
    assert set(content.surfaces) <= {bone.key for bone in content.bones}
    assert content.measurements
    assert content.run["joint"] == "knee"
    assert "A warning from the segmenter." in content.run["warnings"]


def test_refusal_leaves_nothing(a_truth_segmenter, a_small_knee_file, tmp_path):
    with pytest.raises(RefusalError):
        segment_examination(a_small_knee_file, tmp_path / "a" / "out", segmenter=a_truth_segmenter(refuse=True))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stage", [title for title in STAGES if title != "Loading the model"])
def test_cancel_at_any_stage_leaves_nothing(a_truth_segmenter, a_small_knee_file, tmp_path, stage):
    now = []
    progress = CallbackProgress(lambda _, message: now.append(message), lambda: any(m.startswith(stage) for m in now))
    with pytest.raises(CancelledError):
        segment_examination(a_small_knee_file, tmp_path / "out", segmenter=a_truth_segmenter(), progress=progress)
    assert list(tmp_path.iterdir()) == []


def test_output_over_the_input_is_refused(a_truth_segmenter, a_small_knee_file):
    with pytest.raises(InputError, match="replace the input"):
        segment_examination(a_small_knee_file, a_small_knee_file.parent, segmenter=a_truth_segmenter(), overwrite=True)
    assert a_small_knee_file.is_file()
