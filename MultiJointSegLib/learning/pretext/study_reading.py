"""Studies from DICOM folders and from folders of volumes. Only images are read, never labels."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from MultiJointSegLib import anatomy
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.canonical import canonical_grid
from MultiJointSegLib.imaging.dicom_series import SeriesSummary, list_series
from MultiJointSegLib.imaging.reading import read_volume
from MultiJointSegLib.learning.pretext.slice_grid import SliceGrid
from MultiJointSegLib.learning.pretext.study import (
    FileSlice,
    Study,
    StudySeries,
    contradiction,
    join_short_series,
    make_series,
    same_planes,
)
from MultiJointSegLib.learning.pretext.study_images import same_pixels
from MultiJointSegLib.learning.pretext.tag_checks import (
    contradicting_tags,
    differing_tags,
    missing_geometry,
    side_of,
)

STUDY_FILE = "study.json"
"""Optional file in the folder of a study, or of many alike: {"joint": "knee", "side": "left"}; the nearest counts."""

_SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
_LABEL_NAME = re.compile(r"\.seg\.nrrd$|(^|[^a-z])(seg|segmentation|labels?|mask)\.[a-z.]+$", re.IGNORECASE)
# What makes a stack unfit as a volume but not as single planes.
_HARMLESS = re.compile(r"single image|only \d+ slices|slice positions occur")
_Found = TypeVar("_Found")


def read_study(path: Path, *, pattern: str = "*") -> Study:
    """Read one study: its geometry now, its pixels later (`study_images`).

    Parameters
    ----------
    path : Path
        A DICOM folder (with sub-folders) of one study; a folder of volumes, each a series, that share one frame of
        reference; or one volume.
    pattern : str
        Which file names of a folder of volumes are images. Segmentations (.seg.nrrd, and names that end with seg,
        segmentation, label, labels or mask) are never taken.

    Raises
    ------
    InputError
        If there is nothing usable, or a DICOM folder holds several studies.
    """
    studies = read_studies(path, pattern=pattern)
    if len(studies) > 1:
        names = ", ".join(s.name for s in studies)
        raise InputError(f"The folder {path} holds {len(studies)} studies ({names}); give the folder of one.")
    return studies[0]


def read_studies(
    path: Path, *, pattern: str = "*", each_file: bool = False, problems: list[str] | None = None
) -> list[Study]:
    """Read the studies of a folder; see `read_study`.

    Parameters
    ----------
    path : Path
        A study, or a folder whose sub-folders are studies.
    each_file : bool
        The volumes of a folder are studies of their own, not series of one study.
    problems : list of str or None
        Where given, a study that cannot be used is left out and the reason is appended; otherwise it is an error.

    Returns
    -------
    list of Study
        By name. DICOM images of several studies in one folder are told apart.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"The path {path} does not exist; give the folder of a study.")
    if path.is_file():
        return [_study_of_files([path], path.name.split(".")[0], _said_of(path.parent, path.parent))]
    return _studies_below(path, path, pattern, each_file, problems)


def _studies_below(path: Path, root: Path, pattern: str, each_file: bool, problems: list[str] | None) -> list[Study]:
    files = [f for f in sorted(path.glob(pattern)) if _is_image(f)]
    if files:
        groups = [([f], f.name.split(".")[0]) for f in files] if each_file else [(files, path.name)]
        said = _said_of(path, root)
        return _usable([partial(_study_of_files, group, name, said) for group, name in groups], problems)
    below = [p for p in sorted(path.iterdir()) if p.is_dir() and not p.name.startswith(".")]
    if any(_is_image(f) for folder in below for f in folder.glob(pattern)):
        readers = [partial(_studies_below, folder, root, pattern, each_file, problems) for folder in below]
        return [study for found in _usable(readers, problems) for study in found]
    stacks = list_series(path)
    if not stacks:
        raise InputError(f"The folder {path} holds neither DICOM images nor volumes (NIfTI, NRRD, MetaImage).")
    by_study: dict[str, list[SeriesSummary]] = defaultdict(list)
    for stack in stacks:
        by_study[stack.frames[0].text("StudyInstanceUID")].append(stack)
    if len(by_study) == 1:
        return _usable([partial(_study_of_dicom, stacks, path.name, _common_folder(stacks, path), root)], problems)
    readers_of_dicom = [
        partial(_study_of_dicom, group, folder.name, folder, root)
        for group in by_study.values()
        for folder in [_common_folder(group, path)]
    ]
    found = _usable(readers_of_dicom, problems)
    counts = Counter(s.name for s in found)
    seen: Counter[str] = Counter()
    named = []
    for study in found:
        seen[study.name] += 1
        name = study.name if counts[study.name] == 1 else f"{study.name} ({seen[study.name]})"
        named.append(Study(name, study.series, study.joint, study.side, study.notes))
    return sorted(named, key=lambda s: s.name)


def _usable(readers: Sequence[Callable[[], _Found]], problems: list[str] | None) -> list[_Found]:
    """What the readers give; errors go to `problems` where there is such a list."""
    result = []
    for reader in readers:
        try:
            result.append(reader())
        except InputError as error:
            if problems is None:
                raise
            problems.append(str(error))
    return result


def _is_image(path: Path) -> bool:
    name = path.name.lower()
    return path.is_file() and name.endswith(_SUFFIXES) and not name.startswith(".") and not _LABEL_NAME.search(name)


def _common_folder(stacks: Sequence[SeriesSummary], root: Path) -> Path:
    """Folder just below the root that holds all files of a study, or the root."""
    parts = {f.path.relative_to(root).parts[:-1][:1] for s in stacks for f in s.frames}
    return root.joinpath(*parts.pop()) if len(parts) == 1 else root


def _study_of_dicom(stacks: Sequence[SeriesSummary], name: str, folder: Path, root: Path) -> Study:
    joint, said_side = _said_of(folder, root)
    side, notes = side_of(stacks)
    if said_side is not None:  # a person wrote it down for this archive
        if side not in (None, said_side):
            notes.append(f"The tags say {side}, but {STUDY_FILE} says {said_side}, which is believed.")
        side = said_side
    groups: dict[tuple[object, ...], list[SeriesSummary]] = defaultdict(list)
    for stack in stacks:
        if missing := missing_geometry(stack.frames):
            notes.append(f"Series {stack.key} was left out: {missing}.")
            continue
        if stack.reason and not _HARMLESS.search(stack.reason):
            notes.append(f"Series {stack.key} was left out: {stack.reason}.")
            continue
        first = stack.frames[0]
        # Phases and echoes of one series come as stacks of their own; here they are images of the same places.
        axes = tuple(round(a, 2) for a in first.axes or ())
        groups[(stack.uid, stack.size[1:], axes)].append(stack)
    notes += differing_tags([stack for group in groups.values() for stack in group])
    series = []
    for group in groups.values():
        series += _series_of_stacks(group, side, notes)
    return _study(name, series, joint, side, notes)


def _series_of_stacks(stacks: Sequence[SeriesSummary], side: str | None, notes: list[str]) -> list[StudySeries]:
    frames = [f for stack in stacks for f in stack.frames]
    key = stacks[0].key if len(stacks) == 1 else stacks[0].key.split(".")[0]
    frames_of_reference = Counter(f.text("FrameOfReferenceUID") for f in frames)
    reference = frames_of_reference.most_common(1)[0][0]
    if len(frames_of_reference) > 1:
        notes.append(f"Series {key} names {len(frames_of_reference)} frames of reference; only the first was kept.")
        frames = [f for f in frames if f.text("FrameOfReferenceUID") == reference]
    if not reference:
        notes.append(f"Series {key} has no frame of reference; its planes are not related to other series.")
        reference = f"series {key}"
    slices = [
        (SliceGrid.from_dicom(f.position_mm, f.axes, f.pixel_mm, f.shape), f)
        for f in frames
        if f.position_mm and f.axes and f.pixel_mm
    ]
    localizer = any(stack.localizer for stack in stacks)
    made = make_series(key, stacks[0].description, slices, reference, side=side, localizer=localizer)
    notes += contradicting_tags(made)
    return [made]


def _study_of_files(files: Sequence[Path], name: str, said: tuple[str, str | None]) -> Study:
    joint, side = said
    notes: list[str] = []
    series = []
    for path in files:
        try:
            geometry = read_volume(path).geometry
        except InputError as error:
            notes.append(f"{path.name} was left out: {error}")
            continue
        axis = canonical_grid(geometry).axes[0]
        slices = [
            (SliceGrid.from_geometry(geometry, axis, index), FileSlice(path, axis, index))
            for index in range(geometry.array_shape[axis])
        ]
        key = path.name.split(".")[0]
        series.append(make_series(key, key, slices, "files of one folder", side=side))
    return _study(name, series, joint, side, notes)


def _said_of(folder: Path, root: Path) -> tuple[str, str | None]:
    """Joint and side by the nearest `STUDY_FILE`, from a study's folder up to the one that was asked for."""
    for place in (folder, *folder.parents):
        if (place / STUDY_FILE).exists():
            return _study_file(place / STUDY_FILE)
        if place == root:
            break
    return "", None


def _study_file(path: Path) -> tuple[str, str | None]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        joint, side = content.get("joint", ""), content.get("side")
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"{path} is not a JSON object with 'joint' and 'side'; correct or remove it.") from error
    if joint and joint not in anatomy.joint_names():
        raise InputError(f"{path}: there is no joint '{joint}'; there are {', '.join(anatomy.joint_names())}.")
    if side not in (None, "left", "right"):
        raise InputError(f"{path}: the side is '{side}'; 'left' or 'right' is accepted.")
    return str(joint), side


def _study(name: str, series: list[StudySeries], joint: str, side: str | None, notes: list[str]) -> Study:
    if not series:
        reasons = f" {' '.join(notes)}" if notes else ""
        raise InputError(f"The study {name} holds no usable series.{reasons}")
    series, joined = join_short_series(series, side)
    notes = notes + joined
    kept: list[StudySeries] = []
    for one in series:
        twin = next((other for other in kept if same_planes(one, other)), None)
        if twin is not None and same_pixels(one, twin):
            notes.append(f"Series {one.key} is a copy of series {twin.key} and was left out.")
            continue
        if twin is not None:
            notes.append(f"Series {one.key} shows the same slices as series {twin.key}; their planes count once.")
        if sentence := contradiction(one):
            notes.append(sentence)
        kept.append(one)
    if len({s.frame_of_reference for s in kept}) > 1:
        notes.append("The series have several frames of reference; planes are related only within each.")
    return Study(name, tuple(kept), joint, side, tuple(notes))
