"""Measurements as a DICOM structured report (TID 1500, Measurement Report) that refers to the images they come from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pydicom

import MultiJointSegLib
from MultiJointSegLib import anatomy
from MultiJointSegLib.anatomy.catalog import Code, Joint
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.highdicom_objects import completed, highdicom_for, new_series, save_object, series_frames
from MultiJointSegLib.morphology.measurement import Measurement

SCHEME = "99MULTIJOINTSEG"
"""Private coding scheme of the measures: their keys. Volume and area have codes of SNOMED CT."""

_WHAT = "DICOM structured report"
_STANDARD = {"volume": Code("SCT", "118565006", "Volume"), "area": Code("SCT", "42798000", "Area")}
_UNITS = {
    "mm": Code("UCUM", "mm", "millimeter"),
    "mm2": Code("UCUM", "mm2", "square millimeter"),
    "mm3": Code("UCUM", "mm3", "cubic millimeter"),
    "deg": Code("UCUM", "deg", "degree"),
    "1": Code("UCUM", "1", "no units"),
}
_COMMENT = Code("DCM", "121106", "Comment")
_PROCEDURE = Code("SCT", "363679005", "Imaging procedure")
_LONGEST_MEANING = 64
_DEVICE_UID = "2.25.310893436246018046362934270431470211221"
"""Of the program as the observer; the same for everyone."""


def write_structured_report(
    path: Path,
    measurements: Sequence[Measurement],
    joint: Joint,
    source: Path | Sequence[Path],
    *,
    side: str | None = None,
) -> None:
    """Write measurements as a Comprehensive 3D SR document with a group of measurements per bone, and one of the joint.

    Every value has its unit, and as a comment its standard error and note. Measures without a value are in the comment
    of their group, with the reason: nothing is left out silently. The program is the observer; the report is not
    verified.

    Parameters
    ----------
    path : Path
        Ends in .dcm.
    measurements : sequence of Measurement
        At least one has a value.
    joint : Joint
        The joint they were measured on.
    source : Path or sequence of Path
        The images of one DICOM series: a folder, or its files. Study and patient are theirs.
    side : str, optional
        "left" or "right".

    Raises
    ------
    InputError
        If highdicom is not installed, the source is not one readable series, or no measurement has a value.
    MultiJointSegError
        If the object cannot be made or written.
    """
    highdicom = highdicom_for(path, _WHAT)
    if all(m.value is None for m in measurements):
        raise InputError("No measurement has a value; there is nothing to write as a DICOM structured report.")
    files = list(dict.fromkeys(frame.path for frame in series_frames(source, _WHAT)))

    def make() -> Any:
        images = [completed(pydicom.dcmread(file, stop_before_pixels=True)) for file in files]
        return _document(highdicom, images, _groups(highdicom, measurements, joint, side), joint)

    save_object(path, _WHAT, make)


def _document(highdicom: Any, images: list[Any], groups: list[Any], joint: Joint) -> Any:
    sr = highdicom.sr
    observer = sr.ObserverContext(
        observer_type=_concept(highdicom, Code("DCM", "121007", "Device")),
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=_DEVICE_UID, name="MultiJointSeg", manufacturer_name="MultiJointSeg", model_name="MultiJointSeg"
        ),
    )
    content = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=observer),
        procedure_reported=_concept(highdicom, _PROCEDURE),
        imaging_measurements=groups,
        title=_concept(highdicom, Code("DCM", "126000", "Imaging Measurement Report")),
        referenced_images=images,
    )
    return sr.Comprehensive3DSR(
        evidence=images,
        content=content,
        is_complete=True,
        **new_series(highdicom, 1001, f"MultiJointSeg measurements of the {joint.key}"),
    )


def _groups(highdicom: Any, measurements: Sequence[Measurement], joint: Joint, side: str | None) -> list[Any]:
    """One group (TID 1501) per bone, then one of the joint; what has no value is told in the group's comment.

    A group may be without numbers (in TID 1501 they are optional): that of a bone of which nothing can be measured
    holds the reasons alone.
    """
    sr = highdicom.sr
    known = {bone.key: bone for bone in joint.bones}
    groups: list[Any] = []
    for key in dict.fromkeys(m.bone for m in measurements):
        members = [m for m in measurements if m.bone == key]
        given = [_numeric(highdicom, m) for m in members if m.value is not None]
        bones = [known[key]] if key in known else list(joint.bones)
        sites = [
            sr.FindingSite(
                anatomic_location=_concept(highdicom, bone.code),
                laterality=_concept(highdicom, anatomy.laterality(side)) if side and bone.paired else None,
            )
            for bone in bones
        ]
        group = sr.MeasurementsAndQualitativeEvaluations(
            tracking_identifier=sr.TrackingIdentifier(
                uid=highdicom.UID(), identifier=known[key].name if key in known else f"{joint.name} {key}".strip()
            ),
            algorithm_id=sr.AlgorithmIdentification(
                name="MultiJointSeg", version=MultiJointSegLib.__version__, manufacturer="MultiJointSeg"
            ),
            finding_sites=sites,
            measurements=given or None,
        )
        missing = [f"{m.name}: not measured. {m.reason}" for m in members if m.value is None]
        if missing:
            _comment(highdicom, group[0], "\n".join(missing), "CONTAINS")
        groups.append(group)
    return groups


def _numeric(highdicom: Any, m: Measurement) -> Any:
    made = highdicom.sr.Measurement(
        name=_concept(highdicom, _name(m)), value=m.value, unit=_concept(highdicom, _UNITS[m.unit])
    )
    told = [] if m.error_estimate is None else [f"Standard error {m.error_estimate:.3g} {m.unit}."]
    told += [m.note] if m.note else []
    if told:
        _comment(highdicom, made[0], " ".join(told), "HAS PROPERTIES")
    return made


def _name(m: Measurement) -> Code:
    standard = _STANDARD.get(m.key.removeprefix(f"{m.bone}_")) if m.bone else None
    return standard or Code(SCHEME, m.key, m.name[:_LONGEST_MEANING])


def _comment(highdicom: Any, item: Any, text: str, relationship: str) -> None:
    comment = highdicom.sr.TextContentItem(
        name=_concept(highdicom, _COMMENT), value=text, relationship_type=relationship
    )
    if "ContentSequence" in item:
        item.ContentSequence.append(comment)
    else:
        item.ContentSequence = highdicom.sr.ContentSequence([comment])


def _concept(highdicom: Any, code: Code) -> Any:
    return highdicom.sr.CodedConcept(code.value, code.scheme, code.meaning)
