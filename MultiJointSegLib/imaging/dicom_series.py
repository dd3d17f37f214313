"""Which image series a DICOM folder holds."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from MultiJointSegLib.imaging.dicom_headers import DicomFrame, find_files, read_frames
from MultiJointSegLib.imaging.limits import MINIMUM_SLICES

SAME_POSITION_MM = 0.01
_LOCALIZER = re.compile(r"(?<![a-z])(locali[sz]er|loc|scout|survey|topogram|3[ -]?pl(ane)?)(?![a-z])", re.IGNORECASE)
_PHASE = {"P", "PHASE", "PHASE MAP", "REAL", "IMAGINARY", "R", "I", "PHASE_MAP"}
_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.66.4": "a segmentation object",
    "1.2.840.10008.5.1.4.1.1.7": "a screenshot",
}

# What can differ between images of the same place, most telling first.
_DISCRIMINATORS: tuple[tuple[str, str], ...] = (
    ("EchoTime", "echo time {:g} ms"),
    ("TemporalPositionIdentifier", "time point {:g}"),
    ("DiffusionBValue", "b value {:g}"),
    ("ImageType", "image type {}"),
    ("InversionTime", "inversion time {:g} ms"),
    ("TriggerTime", "trigger time {:g} ms"),
    ("AcquisitionNumber", "acquisition {:g}"),
)


@dataclass(frozen=True, slots=True)
class SeriesSummary:
    """One stack of parallel slices: a whole series, or the part of a series with one echo time, time point etc.

    Parameters
    ----------
    key : str
        What ``--series`` takes: the series number, with ".1", ".2" ... where a number has several stacks.
    number : int or None
        Series number.
    description : str
        Series description.
    part : str
        What sets this stack apart from others of its series, for example "echo time 6.3 ms"; "" for a whole series.
    uid : str
        Series instance UID.
    modality : str
        DICOM modality.
    size : tuple of 3 int
        Slices, rows, columns.
    reason : str
        Why it cannot be used as a volume; "" when it can.
    localizer : bool
        A localizer is used only when it is asked for.
    frames : tuple of DicomFrame
        The slices, in no particular order.
    """

    key: str
    number: int | None
    description: str
    part: str
    uid: str
    modality: str
    size: tuple[int, int, int]
    reason: str = ""
    localizer: bool = False
    frames: tuple[DicomFrame, ...] = field(default=(), repr=False)

    @property
    def usable(self) -> bool:
        """Whether it is a volume that may be taken without being asked for."""
        return not self.reason and not self.localizer

    def __str__(self) -> str:
        parts = [f"{self.size[0]} image{'s' * (self.size[0] != 1)} of {self.size[1]} x {self.size[2]}"]
        parts += [self.part] if self.part else []
        if self.reason or self.localizer:
            parts.append(f"not usable: {self.reason or 'a localizer'}")
        name = f"'{self.description}' " if self.description else ""
        return f"{self.key}: {name}{self.modality or '?'}, " + ", ".join(parts)


def list_series(folder: Path) -> list[SeriesSummary]:
    """Find every image series below a folder.

    Parameters
    ----------
    folder : Path
        Searched with all its sub-folders.

    Returns
    -------
    list of SeriesSummary
        By series number; empty when there is no DICOM image. A series in which the same place was imaged several
        times is split by echo time, time point, b value, image type, inversion time, trigger time or acquisition.
    """
    frames = [frame for path in find_files(folder) for frame in read_frames(path)]
    return summarize(frames)


def summarize(frames: Sequence[DicomFrame]) -> list[SeriesSummary]:
    """Sort images into stacks; see `list_series`."""
    unique = {(f.text("SOPInstanceUID") or str(f.path), f.index): f for f in reversed(frames)}  # copies count once
    by_series = _grouped(
        sorted(unique.values(), key=lambda f: (str(f.path), f.index)),
        lambda f: (f.text("StudyInstanceUID"), f.text("SeriesInstanceUID"), f.text("Modality")),
    )
    stacks: list[SeriesSummary] = []
    for series in by_series:
        planes = _parallel(series)
        for plane in planes:
            stacks += [_summary(part, text, several_planes=len(planes) > 1) for part, text in _split(plane, ())]
    stacks.sort(key=lambda s: (s.number is None, s.number or 0, s.uid, s.part != "", _natural(s.part), -s.size[0]))
    names = ["?" if s.number is None else str(s.number) for s in stacks]
    total, seen = Counter(names), Counter[str]()
    result = []
    for stack, name in zip(stacks, names, strict=True):
        seen[name] += 1
        result.append(replace(stack, key=name if total[name] == 1 else f"{name}.{seen[name]}"))
    return result


def _grouped(frames: Sequence[DicomFrame], key: Callable[[DicomFrame], Hashable]) -> list[list[DicomFrame]]:
    groups: dict[Hashable, list[DicomFrame]] = defaultdict(list)
    for frame in frames:
        groups[key(frame)].append(frame)
    return list(groups.values())


def _parallel(frames: Sequence[DicomFrame]) -> list[list[DicomFrame]]:
    """Images of the same size, pixel and orientation."""
    result: list[list[DicomFrame]] = []
    for group in _grouped(frames, lambda f: (f.shape, f.pixel_mm and tuple(round(p, 4) for p in f.pixel_mm))):
        stacks: list[list[DicomFrame]] = []
        for frame in group:
            axes = np.asarray(frame.axes or np.zeros(6))
            for stack in stacks:
                if np.allclose(axes, stack[0].axes or np.zeros(6), atol=2e-3):
                    stack.append(frame)
                    break
            else:
                stacks.append([frame])
        result += stacks
    return result


def slice_positions_mm(frames: Sequence[DicomFrame]) -> np.ndarray:
    """Position of each slice along the normal of the first one, float64 of shape (slices,)."""
    axes = np.asarray(frames[0].axes)
    normal = np.cross(axes[:3], axes[3:])
    return np.array([np.dot(f.position_mm or (0, 0, 0), normal) for f in frames])


def _multiplicity(frames: Sequence[DicomFrame]) -> int:
    """How often the most frequent slice position occurs."""
    if any(f.position_mm is None or f.axes is None for f in frames):
        return 1
    ordered = np.sort(slice_positions_mm(frames))
    place = np.cumsum(np.diff(ordered, prepend=ordered[0]) > SAME_POSITION_MM)
    return int(np.bincount(place).max())


def _split(frames: list[DicomFrame], used: tuple[str, ...]) -> list[tuple[list[DicomFrame], str]]:
    """Stacks in which every place occurs once, each with what sets it apart; unsplit where nothing tells them apart."""
    repeats = _multiplicity(frames)
    if repeats == 1:
        return [(frames, "")]
    for keyword, pattern in _DISCRIMINATORS:
        values = sorted({v for f in frames if (v := f.tags.get(keyword)) is not None}, key=str)
        # More values than repeats means that the value changes from slice to slice (a time stamp, for example).
        if keyword in used or not 2 <= len(values) <= repeats:
            continue
        result = []
        for group in _grouped(frames, lambda f, k=keyword: f.tags.get(k)):  # type: ignore[misc]
            value = group[0].tags.get(keyword)
            if keyword == "ImageType" and isinstance(value, tuple):
                value = "\\".join(str(v) for v in value)
            text = pattern.format(value) if value is not None else f"no {keyword}"
            result += [(part, f"{text}, {rest}" if rest else text) for part, rest in _split(group, (*used, keyword))]
        return result
    return [(frames, "")]


def _summary(frames: list[DicomFrame], part: str, *, several_planes: bool) -> SeriesSummary:
    first = frames[0]
    number = first.number("SeriesNumber")
    image_type = first.tags.get("ImageType")
    kinds = {str(v).upper() for v in image_type} if isinstance(image_type, tuple) else set()
    description = first.text("SeriesDescription")
    return SeriesSummary(
        key="",
        number=None if number is None else int(number),
        description=description,
        part=part,
        uid=first.text("SeriesInstanceUID"),
        modality=first.text("Modality"),
        size=(len(frames), *first.shape),
        reason=_unusable(frames, kinds),
        localizer=several_planes or "LOCALIZER" in kinds or bool(_LOCALIZER.search(description.replace("_", " "))),
        frames=tuple(frames),
    )


def _unusable(frames: list[DicomFrame], kinds: set[str]) -> str:
    first = frames[0]
    if problem := next((f.problem for f in frames if f.problem), ""):
        return problem
    if first.text("SOPClassUID") in _CLASSES:
        return _CLASSES[first.text("SOPClassUID")]
    if (first.number("SamplesPerPixel") or 1) > 1:
        return "color images"
    if first.text("Modality") not in ("MR", "CT"):
        return f"modality {first.text('Modality') or 'unknown'}, not MR or CT"
    if kinds & _PHASE:
        return "phase images"
    if any(f.position_mm is None or f.axes is None or f.pixel_mm is None for f in frames):
        return "no position, orientation or pixel spacing in the files"
    if min(first.pixel_mm or (0,)) <= 0:
        return f"pixel spacing {first.pixel_mm} mm"
    if len(frames) < MINIMUM_SLICES:
        return "single image" if len(frames) == 1 else f"only {len(frames)} slices"
    if (repeats := _multiplicity(frames)) > 1:
        return f"slice positions occur up to {repeats} times and nothing tells the images apart"
    return ""


def _natural(text: str) -> list[tuple[float, str]]:
    """Sort key in which 9 comes before 10."""
    return [(float(p), "") if re.fullmatch(r"[\d.]*\d", p) else (0.0, p) for p in re.split(r"(\d[\d.]*)", text)]
