"""Measurements as DICOM structured reports, read back by another program."""

import os
from pathlib import Path

import pytest

from MultiJointSegLib import anatomy
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.morphology.measurement import Measurement
from MultiJointSegLib.report.structured_report import SCHEME, write_structured_report

KNEE = anatomy.joint("knee")
MEASURED = [
    Measurement("femur_volume", "Volume", "femur", 81234.5, "mm3", "d", note="The bone is cut by the field of view."),
    Measurement("femur_area", "Surface area", "femur", 12345.0, "mm2", "d"),
    Measurement(
        "femur_alldfa", "Anatomical lateral distal femoral angle", "femur", None, "deg", "d", reason="No shaft."
    ),
    Measurement("tibia_plateau_width", "Plateau width", "tibia", 71.25, "mm", "d", error_estimate=0.71),
    Measurement("femur_notch_width_index", "Notch width index", "femur", 0.2503, "1", "d"),
    Measurement(
        "knee_tt_tg", "Tibial tuberosity to trochlear groove distance", "", 14.8, "mm", "d", error_estimate=1.0
    ),
]


@pytest.fixture
def highdicom():
    return pytest.importorskip("highdicom", reason="highdicom is not installed; 3D Slicer brings it along")


@pytest.fixture
def series() -> Path:
    """A real knee examination."""
    root = Path(__file__).resolve().parents[3]
    data = Path(os.environ.get("MULTIJOINTSEG_SHARED_DATA", root.parent / "shared" / "data"))
    folder = data / "knee" / "mese_dicom" / "echo1"
    if not folder.is_dir():
        pytest.skip("The shared development data is not on this machine.")
    return folder


def test_every_value_comes_back_with_unit_site_and_reference(highdicom, series, tmp_path):
    import pydicom

    path = tmp_path / "measurements.dcm"
    write_structured_report(path, MEASURED, KNEE, series, side="right")
    document = highdicom.sr.srread(path)
    source = [pydicom.dcmread(file, stop_before_pixels=True) for file in sorted(series.iterdir())]
    assert document.SOPClassUID == "1.2.840.10008.5.1.4.1.1.88.34"
    assert (document.StudyInstanceUID, document.PatientID) == (
        source[0].StudyInstanceUID,
        source[0].get("PatientID", ""),
    )
    assert document.SeriesInstanceUID != source[0].SeriesInstanceUID
    evidence = document.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence
    assert {item.ReferencedSOPInstanceUID for item in evidence} == {image.SOPInstanceUID for image in source}
    groups = document.content.get_image_measurement_groups()
    assert [group.tracking_identifier for group in groups] == ["Femur", "Tibia", "Knee"]
    found = {}
    for group in groups:
        for measurement in group.get_measurements():
            found[measurement.name.value] = (
                measurement.value,
                measurement.unit.value,
                measurement.name.scheme_designator,
            )
    assert found == {
        "118565006": (81234.5, "mm3", "SCT"),
        "42798000": (12345.0, "mm2", "SCT"),
        "femur_notch_width_index": (0.2503, "1", SCHEME),
        "tibia_plateau_width": (71.25, "mm", SCHEME),
        "knee_tt_tg": (14.8, "mm", SCHEME),
    }
    femur = groups[0].finding_sites[0]
    assert femur.value.value == anatomy.bone("femur").code.value
    assert femur.laterality.value == anatomy.laterality("right").value
    assert len(groups[2].finding_sites) == len(KNEE.bones)


def test_nothing_is_left_out_silently(highdicom, series, tmp_path):
    path = tmp_path / "measurements.dcm"
    write_structured_report(path, MEASURED, KNEE, series)
    groups = highdicom.sr.srread(path).content.get_image_measurement_groups()
    texts = [item.TextValue for item in groups[0][0].ContentSequence if item.ValueType == "TEXT"]
    assert any("lateral distal femoral angle: not measured. No shaft." in text for text in texts)
    volume = groups[0].get_measurements()[0]
    assert "cut by the field of view" in volume[0].ContentSequence[-1].TextValue
    width = groups[1].get_measurements()[0]
    assert "Standard error 0.71 mm." in width[0].ContentSequence[-1].TextValue


def test_the_reasons_of_a_bone_without_any_value_are_told(highdicom, series, tmp_path):
    path = tmp_path / "measurements.dcm"
    lost = Measurement("patella_length", "Length", "patella", None, "mm", "d", reason="The patella is cut off.")
    write_structured_report(path, [*MEASURED, lost], KNEE, series)
    groups = {g.tracking_identifier: g for g in highdicom.sr.srread(path).content.get_image_measurement_groups()}
    assert groups["Patella"].get_measurements() == []
    texts = [item.TextValue for item in groups["Patella"][0].ContentSequence if item.ValueType == "TEXT"]
    assert "Length: not measured. The patella is cut off." in texts
    assert groups["Patella"].finding_sites[0].value.value == anatomy.bone("patella").code.value


def test_bad_requests_are_sentences(highdicom, series, tmp_path):
    path = tmp_path / "a.dcm"
    with pytest.raises(InputError, match="No measurement has a value"):
        write_structured_report(path, [MEASURED[2]], KNEE, series)
    with pytest.raises(InputError, match=r"ends in \.dcm"):
        write_structured_report(tmp_path / "a.json", MEASURED, KNEE, series)
    with pytest.raises(InputError, match="series"):
        write_structured_report(path, MEASURED, KNEE, tmp_path)
    assert not path.exists()


def test_without_highdicom_it_says_what_to_install(monkeypatch, tmp_path):
    import sys

    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(InputError, match="pip install highdicom"):
        write_structured_report(tmp_path / "a.dcm", MEASURED, KNEE, tmp_path)
