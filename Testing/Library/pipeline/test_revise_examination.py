"""A corrected segmentation: measured again, with surfaces made anew only where it was corrected."""

import base64
import json
import zlib

import numpy as np
import pytest

from MultiJointSegLib import anatomy
from MultiJointSegLib.cli.main import main
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.reading import read_label_map
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.imaging.writing import write_volume
from MultiJointSegLib.learning.masks.source import BodyMask
from MultiJointSegLib.morphology.writing import read_measurements
from MultiJointSegLib.pipeline.input_mask_record import mask_record, recorded_mask
from MultiJointSegLib.pipeline.revise_examination import _listed, measure_again, revise_examination
from MultiJointSegLib.surface.extraction import surface_from_mask
from MultiJointSegLib.surface.reading import read_surface
from MultiJointSegLib.surface.writing import write_surface

RUN = {
    "joint": "knee",
    "joint_given": False,
    "detection": {"joint": "knee", "confidence": 0.9, "scores": {"knee": 0.9}, "reason": "It looks like a knee."},
    "bone_confidence": {"femur": 0.9, "tibia": 0.8},
    "slice_axis": 0,
    "slice_uncertainty": {"femur": [0.1] * 20, "tibia": [0.2] * 20},
    "device": {"device": "cpu", "runtime": "torch", "reason": "", "threads": 1},
    "warnings": ["The patella was not found."],
}


@pytest.fixture
def a_case(tmp_path):
    geometry = Geometry((24, 22, 20), (1.5, 1.5, 1.5), (-18.0, -16.0, -15.0))
    array = np.zeros(geometry.array_shape, np.uint8)
    array[11:19, 5:17, 5:18] = anatomy.bone("femur").label
    array[1:9, 5:17, 5:18] = anatomy.bone("tibia").label
    labels = Volume(array, geometry)
    write_volume(labels, tmp_path / "labels.nii.gz")
    write_volume(Volume((100 + 50 * array).astype(np.int16), geometry, "MR"), tmp_path / "image.nii.gz")
    (tmp_path / "run.json").write_text(json.dumps(RUN), encoding="utf-8")
    (tmp_path / "surfaces").mkdir()
    # The tibia's surface is another one than its mask would give, so that it can be told which was taken.
    tibia = surface_from_mask(labels.with_array(array == anatomy.bone("tibia").label))
    write_surface(tibia.transformed(np.diag([1.1, 1.1, 1.1, 1.0])), tmp_path / "surfaces" / "tibia.vtp")
    return tmp_path


def value(measurements, key):
    return next(m.value for m in measurements if m.key == key)


def test_only_corrected_bones_get_new_surfaces(a_case) -> None:
    kept = measure_again(a_case / "labels.nii.gz", a_case / "out", joint="knee", surfaces=a_case / "surfaces")
    assert kept.remade == ("femur",)
    assert [path.name for path in (a_case / "out" / "surfaces").iterdir()] == ["femur.ply"]
    assert len(read_surface(a_case / "out" / "surfaces" / "femur.ply").triangles)
    all_new = measure_again(a_case / "labels.nii.gz", a_case / "new", joint="knee")
    assert all_new.remade == ("femur", "tibia")
    assert value(kept.measurements, "femur_volume") == pytest.approx(value(all_new.measurements, "femur_volume"))
    ratio = value(kept.measurements, "tibia_volume") / value(all_new.measurements, "tibia_volume")
    assert ratio == pytest.approx(1.1**3, rel=1e-3)


def test_growth_plates_are_measured_again_where_the_examination_is_given(a_case, capsys) -> None:
    labels, image = str(a_case / "labels.nii.gz"), str(a_case / "image.nii.gz")
    for name, more in (("without", []), ("with", ["--examination", image])):
        assert main(["revise", labels, "-o", str(a_case / name), "--joint", "knee", *more, "--quiet"]) == 0
    found = [{m.key for m in read_measurements(a_case / n / "measurements.json")} for n in ("without", "with")]
    assert found[1] - found[0] and all("growth_plate" in key for key in found[1] - found[0])
    assert not (a_case / "with" / "report.html").exists()
    assert main(["revise", labels, "-o", str(a_case / "no"), "--run", str(a_case / "run.json"), "--quiet"]) == 2
    assert "--run needs --examination" in capsys.readouterr().err


def test_revision_is_a_whole_result_with_report_and_reviewer(a_case, capsys, monkeypatch) -> None:
    asked = {}
    monkeypatch.setattr(
        "MultiJointSegLib.report.structured_report.write_structured_report",
        lambda path, measurements, joint, source, *, side: asked.update(path=path, count=len(measurements), side=side),
    )
    labels, image = a_case / "labels.nii.gz", a_case / "image.nii.gz"
    arguments = ["revise", str(labels), "-o", str(a_case / "out"), "--examination", str(image)]
    arguments += ["--run", str(a_case / "run.json"), "--review", "Accepted by Zoë on 2026-03-04.", "--no-scene"]
    arguments += ["--dicom-source", str(a_case), "--dicom-objects", "report"]
    assert main([*arguments, "--quiet"]) == 0
    names = {path.name for path in (a_case / "out").iterdir()}
    assert {"report.html", "run.json", "labels.nii.gz", "measurements.csv", "segmentation.seg.nrrd"} <= names
    run = json.loads((a_case / "out" / "run.json").read_text(encoding="utf-8"))
    assert run["review"] == "Accepted by Zoë on 2026-03-04."
    # The boxes lie upon each other, so that they do not tell the side.
    assert (asked["path"].name, asked["side"]) == ("measurements.dcm", None)
    assert asked["count"] > 10
    report = (a_case / "out" / "report.html").read_text(encoding="utf-8")
    assert "Accepted by Zoë on 2026-03-04." in report
    assert "The patella was not found." in report


def test_the_report_of_a_revision_shows_the_mask_that_the_network_saw(a_case) -> None:
    geometry = read_label_map(a_case / "labels.nii.gz").geometry
    voxels = np.zeros(geometry.array_shape, np.uint8)
    voxels[:, 3:19, 2:20] = 1
    mask = BodyMask(Volume(voxels, geometry), "skin", ("feet", "head"))
    record = json.loads(json.dumps(mask_record(mask)))
    assert record["share"] == pytest.approx(voxels.mean(), abs=1e-4)
    back = recorded_mask(record, geometry)
    assert np.array_equal(back.volume.array, voxels) and (back.source, back.cut) == (mask.source, mask.cut)
    for run, shown in ((RUN, False), (RUN | {"input_mask": record}, True)):
        (a_case / "run.json").write_text(json.dumps(run), encoding="utf-8")
        revise_examination(
            a_case / "image.nii.gz", a_case / "labels.nii.gz", a_case / "out", run=a_case / "run.json", overwrite=True
        )
        assert ("outline of the body" in (a_case / "out" / "report.html").read_text(encoding="utf-8")) == shown


@pytest.mark.parametrize(
    "change",
    [
        {"voxels": "no base 64!"},
        {"voxels": base64.b64encode(zlib.compress(b"short")).decode()},
        {"voxels": base64.b64encode(b"not compressed").decode()},
        {"source": "guess"},
        {"size": [4, 4, 5]},
        {"origin_mm": [9.0, 0.0, 0.0]},
        {"direction_lps": "none"},
    ],
)
def test_a_mask_record_that_does_not_fit_is_no_mask(change) -> None:
    geometry = Geometry((4, 5, 4))
    voxels = (np.random.default_rng(1).random(geometry.array_shape) > 0.5).astype(np.uint8)
    record = mask_record(BodyMask(Volume(voxels, geometry), "skin"))
    assert np.array_equal(recorded_mask(record, geometry).volume.array, voxels)
    assert recorded_mask(record | change, geometry) is None
    assert recorded_mask({k: v for k, v in record.items() if k != "voxels"}, geometry) is None
    assert recorded_mask(None, geometry) is None and mask_record(None) is None


def test_bad_inputs_are_sentences(a_case) -> None:
    labels, image = a_case / "labels.nii.gz", a_case / "image.nii.gz"
    (a_case / "bad.json").write_text("[]", encoding="utf-8")
    with pytest.raises(InputError, match=r"not the run\.json of a result"):
        revise_examination(image, labels, a_case / "out", run=a_case / "bad.json")
    other = Volume(np.zeros((4, 4, 4), np.int16), Geometry((4, 4, 4), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)), "MR")
    write_volume(other, a_case / "other.nii.gz")
    with pytest.raises(InputError, match="not on the grid"):
        revise_examination(a_case / "other.nii.gz", labels, a_case / "out", run=a_case / "run.json")
    assert main(["revise", str(labels), "-o", str(a_case / "out"), "--run", "x", "--quiet"]) == 2
    assert not (a_case / "out").exists()
    with pytest.raises(InputError, match="neither a folder nor a text file"):
        _listed(a_case / "none")
    (a_case / "files.txt").write_text("a.dcm\nb.dcm\n", encoding="utf-8")
    assert [path.name for path in _listed(a_case / "files.txt")] == ["a.dcm", "b.dcm"]
    with pytest.raises(InputError, match="read from"):
        read_surface(a_case / "run.json")
    with pytest.raises(InputError, match="no file"):
        read_surface(a_case / "none.vtp")
