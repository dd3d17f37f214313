"""Tags of DICOM series that are missing, or that contradict each other or the geometry; what is believed is said."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from MultiJointSegLib.imaging.dicom_headers import DicomFrame
from MultiJointSegLib.imaging.dicom_series import SeriesSummary
from MultiJointSegLib.learning.pretext.study import StudySeries

_TOLERANCE = 0.05
"""Share by which a stated distance may differ from that of the positions: headers round."""
_TOLERANCE_MM = 0.1
_SIDES = {"L": "left", "R": "right"}
_SIDE_WORDS = {
    "left": r"(?<![a-z])(left|links|lt)(?![a-z])",
    "right": r"(?<![a-z])(right|rechts|rt)(?![a-z])",
}
# What tells images of one place apart.
_PHASE_TAGS = ("EchoTime", "TriggerTime", "TemporalPositionIdentifier", "InversionTime", "DiffusionBValue", "FlipAngle",
               "AcquisitionNumber")  # fmt: skip


def missing_geometry(frames: Sequence[DicomFrame]) -> str:
    """Which of position, orientation and pixel spacing no plane can be made of; "" where all are usable."""
    parts = []
    if any(f.position_mm is None for f in frames):
        parts.append("position")
    if any(f.axes is None for f in frames):
        parts.append("orientation (two perpendicular unit vectors)")
    if any(f.pixel_mm is None or min(f.pixel_mm) <= 0 for f in frames):
        parts.append("pixel spacing")
    return f"it has no usable {' and no usable '.join(parts)}" if parts else ""


def described_side(description: str) -> str | None:
    """Side that a series' description speaks of; None where it speaks of none, or of both."""
    text = description.replace("_", " ").casefold()
    found = [side for side, pattern in _SIDE_WORDS.items() if re.search(pattern, text)]
    return found[0] if len(found) == 1 else None


def side_of(stacks: Sequence[SeriesSummary]) -> tuple[str | None, list[str]]:
    """Side of the body that a study's tags name, and what contradicts it.

    Returns
    -------
    side : str or None
        None where no tag names it, where tags differ, or where a description names the other side: a wrong side would
        turn the direction of sagittal stacks round. A description alone is not believed.
    notes : list of str
    """
    by_tag = {
        side
        for stack in stacks
        for tag in ("ImageLaterality", "Laterality")
        if (side := _SIDES.get(stack.frames[0].text(tag).upper()))
    }
    if len(by_tag) > 1:
        return None, ["The series name different sides of the body; the side is taken as unknown."]
    if not by_tag:
        return None, []
    side = by_tag.pop()
    for stack in stacks:
        if described_side(stack.description) not in (None, side):
            return None, [
                f"Series {stack.key} is described as '{stack.description}', but tags say {side}; the side is unknown."
            ]
    return side, []


def contradicting_tags(series: StudySeries) -> list[str]:
    """Sentences on stated distances and places that the positions of a series' slices contradict."""
    frames = [image for place in series.slices for image in place.images if isinstance(image, DicomFrame)]
    if not frames:
        return []
    notes = []
    places = series.centers_mm @ series.normal
    steps = np.diff(places)
    stated = {f.number("SpacingBetweenSlices") for f in frames} - {None, 0.0}
    if len(steps) and len(stated) == 1:
        distance, step = abs(float(stated.pop() or 0.0)), float(np.median(np.abs(steps)))
        if abs(distance - step) > _TOLERANCE * step + _TOLERANCE_MM:
            notes.append(
                f"Series {series.key} states {distance:.2f} mm between slices, but its positions lie {step:.2f} mm "
                "apart; the positions are believed."
            )
    locations = [f.number("SliceLocation") for f in frames]
    if all(value is not None for value in locations):
        extent = float(np.ptp(np.array(locations, float)))
        if abs(extent - float(np.ptp(places))) > _TOLERANCE * extent + _TOLERANCE_MM:
            notes.append(
                f"Series {series.key} states slice locations over {extent:.1f} mm, but its positions span "
                f"{float(np.ptp(places)):.1f} mm; the positions are believed."
            )
    if any(_unexplained(place.images) for place in series.slices):
        notes.append(
            f"Series {series.key} has images of one place that no tag tells apart; they are taken as repetitions."
        )
    return notes


def _unexplained(images: Sequence[object]) -> bool:
    values = [tuple(f.text(tag) for tag in _PHASE_TAGS) for f in images if isinstance(f, DicomFrame)]
    return len(set(values)) < len(values)


def differing_tags(stacks: Sequence[SeriesSummary]) -> list[str]:
    """Sentences on what the series of one study should share and do not."""
    notes = []
    modalities = sorted({s.frames[0].text("Modality") for s in stacks} - {""})
    if len(modalities) > 1:
        notes.append(f"The series are of several modalities ({', '.join(modalities)}); all are used.")
    by_frame: dict[str, set[str]] = {}
    for stack in stacks:
        first = stack.frames[0]
        if first.text("PatientPosition"):
            by_frame.setdefault(first.text("FrameOfReferenceUID"), set()).add(first.text("PatientPosition"))
    notes += [
        f"Series of one frame of reference name different patient positions ({', '.join(sorted(found))}): the patient "
        "was moved between them, or a header is wrong; look at their lines before they are used."
        for found in by_frame.values()
        if len(found) > 1
    ]
    return notes
