"""Which examinations lie in the folders that a cohort is made of, and the name of each one's result."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.pipeline.source import check_source

IMAGE_SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
_LABEL_MAP = re.compile(r"\.seg\.nrrd$|(?<![a-z])(labels?|labelmap|seg|segmentation|masks?)(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class CohortItem:
    """One examination: the name of its result folder, where it lies, and which series of a DICOM folder it is."""

    name: str
    source: Path
    series: str | None = None


def find_items(inputs: Sequence[str | Path], *, output: Path) -> tuple[list[CohortItem], list[str]]:
    """Find every examination below files and folders.

    Parameters
    ----------
    inputs
        Files or folders. A folder that holds DICOM files is one examination per usable series; elsewhere every NIfTI,
        NRRD or MetaImage file is one, unless its name says that it is a label map.
    output
        Not searched, should it lie inside an input.

    Returns
    -------
    items : list of CohortItem
        Sorted by name; names are unique and do not depend on the order of the inputs.
    left_out : list of str
        One sentence per thing that was passed over.

    Raises
    ------
    InputError
        If an input does not exist or nothing was found.
    """
    sources = list(dict.fromkeys(check_source(path).resolve() for path in inputs))
    found: list[CohortItem] = []
    left_out: list[str] = []
    for source in sources:
        prefix = (source.name,) if len(sources) > 1 else ()
        if source.is_file():
            found.append(CohortItem(_stem(source.name), source))
            continue
        for folder, names in _walk(source, output.expanduser().resolve()):
            items, notes = _in_folder(folder, names, (*prefix, *folder.relative_to(source).parts))
            found += items
            left_out += notes
    if not found:
        where = ", ".join(f"'{source}'" for source in sources)
        raise InputError(f"No examination was found in {where}; DICOM, NIfTI, NRRD and MetaImage files are read.")
    return sorted(_unique(found), key=lambda item: item.name), left_out


def _walk(root: Path, output: Path) -> list[tuple[Path, list[str]]]:
    """Folders below a root with their files, hidden ones and the output left out."""
    folders = []
    for place, below, names in os.walk(root):
        here = Path(place)
        below[:] = sorted(name for name in below if not name.startswith(".") and here / name != output)
        folders.append((here, sorted(name for name in names if not name.startswith("."))))
    return folders


def _in_folder(folder: Path, names: list[str], parts: tuple[str, ...]) -> tuple[list[CohortItem], list[str]]:
    """Examinations directly in one folder; `parts` leads there from the cohort's root."""
    from MultiJointSegLib.imaging.dicom_headers import looks_like_dicom

    images = [name for name in names if name.lower().endswith(IMAGE_SUFFIXES)]
    volumes = [name for name in images if not _LABEL_MAP.search(name)]
    left_out = [
        f"{'/'.join((*parts, name))} was left out: by its name it is a label map; give the file itself to use it."
        for name in images
        if name not in volumes
    ]
    # Where folders tell the examinations apart, as those of phantoms do, the file's name says nothing.
    named_by_folder = len(volumes) == 1 and _stem(volumes[0]).lower() in ("image", "img", "volume")
    own = parts or (folder.name,)
    items = [CohortItem(_joined(own if named_by_folder else (*parts, _stem(name))), folder / name) for name in volumes]
    if any(looks_like_dicom(folder / name) for name in names if name not in images):
        of_series, notes = _series_in(folder, names, own)
        items += of_series
        left_out += notes
    return items, left_out


def _series_in(folder: Path, names: list[str], parts: tuple[str, ...]) -> tuple[list[CohortItem], list[str]]:
    """Series directly in a folder of DICOM files; echoes and time points of one series count once."""
    from MultiJointSegLib.imaging.dicom_headers import read_frames
    from MultiJointSegLib.imaging.dicom_series import summarize

    stacks = summarize([frame for name in names for frame in read_frames(folder / name)])
    usable = {stack.uid: stack for stack in reversed(stacks) if stack.usable}
    left_out = [
        f"{'/'.join(parts)}, series {stack} was left out."
        for stack in stacks
        if stack.uid not in usable and not stack.usable
    ]
    if len(usable) == 1:
        return [CohortItem(_joined(parts), folder, next(iter(usable)) or None)], left_out
    items = [
        CohortItem(_joined((*parts, f"series-{stack.key.split('.')[0]}")), folder, uid) for uid, stack in usable.items()
    ]
    return items, left_out


def _stem(name: str) -> str:
    suffix = max((s for s in IMAGE_SUFFIXES if name.lower().endswith(s)), key=len, default="")
    return name[: len(name) - len(suffix)] if suffix else Path(name).stem


def _joined(parts: tuple[str, ...]) -> str:
    """One folder name that every file system takes."""
    name = "_".join(re.sub(r"[^\w.-]+", "-", part).strip("-.") for part in parts if part)
    return name[:120] or "examination"


def _unique(items: list[CohortItem]) -> list[CohortItem]:
    """Items of one name get the beginning of a hash of their place, so that it stays theirs when others come."""
    count = Counter(item.name.casefold() for item in items)

    def own(item: CohortItem) -> CohortItem:
        if count[item.name.casefold()] == 1:
            return item
        digest = hashlib.sha256(f"{item.source}\n{item.series}".encode()).hexdigest()[:8]
        return replace(item, name=f"{item.name}-{digest}")

    return [own(item) for item in dict.fromkeys(items)]
