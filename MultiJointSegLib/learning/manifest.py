"""The list of examinations of a dataset: one readable JSON file, checked before anything is learned from it."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from MultiJointSegLib import anatomy
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.progress import Progress, SilentProgress

SPLITS = ("train", "validation", "test")
SIDES = ("left", "right", "both")
BACKGROUND = "background"

_FILE_KEYS = ("name", "description", "defaults", "examinations")
_KEYS = (
    "name",
    "image",
    "label",
    "joint",
    "subject",
    "side",
    "age_years",
    "pathology",
    "split",
    "label_values",
    "mask",
)
_REQUIRED = ("image", "label", "joint", "subject")


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """One examination of a dataset.

    Parameters
    ----------
    name : str
        Unique in the dataset.
    image, label : Path
        Image (see `imaging.reading.read_volume`) and label map on its grid.
    joint : str
        Joint key of the anatomy catalog.
    subject : str
        Whose examination: subjects are never split.
    side : str or None
        "left", "right", "both", or None where unknown.
    age_years : float or None
    pathology : str
        Free text; "" where unknown.
    split : str or None
        One of `SPLITS`, or None.
    label_values : tuple of (int, int)
        Value in the label file, and the catalog's label that it stands for (0: background).
    mask : Path or None
        Outline of the parent organ on the image's grid, for networks that see one.
    """

    name: str
    image: Path
    label: Path
    joint: str
    subject: str
    side: str | None = None
    age_years: float | None = None
    pathology: str = ""
    split: str | None = None
    label_values: tuple[tuple[int, int], ...] = ()
    mask: Path | None = None

    @property
    def bones(self) -> tuple[anatomy.Bone, ...]:
        """Bones of the joint that are labeled in this examination, in class order."""
        labeled = {label for _, label in self.label_values}
        return tuple(bone for bone in anatomy.joint(self.joint).bones if bone.label in labeled)


@dataclass(frozen=True, slots=True)
class DatasetManifest:
    """Examinations of a dataset, in the order of the file."""

    name: str
    path: Path
    examinations: tuple[Examination, ...]

    def select(self, *, joint: str | None = None, split: str | None = None) -> tuple[Examination, ...]:
        """Examinations of a joint, of a split, or of both."""
        return tuple(e for e in self.examinations if joint in (None, e.joint) and split in (None, e.split))


def read_dataset(path: Path, *, check_images: bool = True, progress: Progress | None = None) -> DatasetManifest:
    """Read a dataset's manifest and check it.

    The file holds ``name``, optionally ``description`` and ``defaults`` (values for examinations that do not give their
    own), and ``examinations``: a list of objects with ``image``, ``label``, ``joint`` and ``subject``, and optionally
    ``name``, ``side``, ``age_years``, ``pathology``, ``split``, ``label_values`` and ``mask``. Paths are relative to
    the file. ``label_values`` maps bone keys, and "background", to a value or values of the label map; bones that it
    leaves out are not labeled. Without it, the label map has the catalog's values and all bones of the joint are
    labeled.

    Parameters
    ----------
    path : Path
        JSON, UTF-8.
    check_images : bool
        Also open every image and label map; see `dataset_check.check_labels`.
    progress : Progress, optional
        Told of each examination that is opened; may cancel.

    Raises
    ------
    InputError
        With one sentence that names the file and the examination: on a syntax error, an unknown or missing key (with
        the nearest known one), an unknown joint, bone, side or split, a missing file, a name used twice, a label map
        listed twice, a subject in two splits, and what `dataset_check.check_labels` finds.
    """
    path = Path(path)
    content = _object(_json(path), path.name, _FILE_KEYS)
    defaults = _object(content.get("defaults", {}), f"{path.name}, defaults", _KEYS)
    entries = content.get("examinations")
    if not isinstance(entries, list) or not entries:
        raise InputError(f"{path.name} lists no examination; 'examinations' has to be a list of at least one.")
    examinations = []
    for number, entry in enumerate(entries, 1):
        where = f"{path.name}, examination {number}"
        given = _object(entry, where, _KEYS)
        where += f" ({given.get('name') or given.get('image') or 'without image'})"
        examinations.append(_examination({**defaults, **given}, where, path.parent))
    manifest = DatasetManifest(str(content.get("name") or path.stem), path, tuple(examinations))
    check_together(manifest)
    if check_images:
        from MultiJointSegLib.learning.dataset_check import read_examination

        progress = progress or SilentProgress()
        for number, examination in enumerate(manifest.examinations):
            progress.report(number / len(examinations), f"Checking {examination.name}")
            read_examination(examination)
        progress.report(1.0, "Checked")
    return manifest


def check_together(manifest: DatasetManifest) -> None:
    """Refuse a name or label map listed twice, and a subject in two splits; see `read_dataset`."""
    names: dict[str, Examination] = {}
    labels: dict[Path, Examination] = {}
    subjects: dict[str, Examination] = {}
    for examination in manifest.examinations:
        if examination.name in names:
            raise InputError(
                f"{manifest.path.name}: two examinations are named '{examination.name}'; "
                "give each its own 'name' (without one, it is taken from the image)."
            )
        names[examination.name] = examination
        same = labels.setdefault(examination.label.resolve(), examination)
        if same is not examination:
            raise InputError(
                f"{manifest.path.name}: the label map {examination.label.name} is listed twice, for '{same.name}' and "
                f"'{examination.name}'; remove one."
            )
        first = subjects.setdefault(examination.subject, examination)
        if first.split != examination.split:
            raise InputError(
                f"{manifest.path.name}: the subject '{examination.subject}' is in two splits, "
                f"{first.split or 'none'} ({first.image.name}) and {examination.split or 'none'} "
                f"({examination.image.name}); put all examinations of a subject into one."
            )


def nearest(word: str, known: Iterable[str]) -> str:
    """Hint " Did you mean 'x'?" for the nearest known word, or ""."""
    near = difflib.get_close_matches(word, list(known), 1)
    return f" Did you mean '{near[0]}'?" if near else ""


def _json(path: Path) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        for key in keys:
            if keys.count(key) > 1:
                raise InputError(f"{path.name} gives the key '{key}' twice in one object; remove one.")
        return dict(pairs)

    try:
        return json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=unique)
    except FileNotFoundError as error:
        raise InputError(f"The file {path} does not exist; check its spelling.") from error
    except OSError as error:
        raise InputError(f"The file {path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name} is not text in UTF-8; save it again as UTF-8.") from error
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path.name} is not JSON: {error.msg} in line {error.lineno}, column {error.colno}."
        ) from error


def _object(value: Any, where: str, known: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{where}: an object {{...}} is needed, not {json.dumps(value)[:40]}.")
    for key in value:
        if key not in known:
            raise InputError(f"{where}: unknown key '{key}'; known are {', '.join(known)}.{nearest(key, known)}")
    return value


def _examination(given: Mapping[str, Any], where: str, folder: Path) -> Examination:
    for key in _REQUIRED:
        if given.get(key) in (None, ""):
            raise InputError(f"{where}: '{key}' is missing.")
    for key in ("name", "image", "label", "joint", "subject", "side", "pathology", "split", "mask"):
        if not isinstance(given.get(key, ""), (str, type(None))):
            raise InputError(f"{where}: '{key}' is {json.dumps(given[key])}; text in quotes is needed.")
    try:
        joint = anatomy.joint(given["joint"])
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    for key, known in (("side", SIDES), ("split", SPLITS)):
        if given.get(key) not in (None, *known):
            raise InputError(
                f"{where}: the {key} '{given[key]}' is unknown; known are {', '.join(known)}."
                f"{nearest(given[key], known)}"
            )
    age = given.get("age_years")
    if age is not None and (isinstance(age, bool) or not isinstance(age, (int, float)) or not 0 <= age <= 120):
        raise InputError(f"{where}: 'age_years' is {json.dumps(age)}; a number from 0 to 120 is needed.")
    paths = {}
    for key in ("image", "label", "mask"):
        if not given.get(key):
            continue
        paths[key] = folder / given[key]
        if not paths[key].exists():
            raise InputError(f"{where}: the {key} {given[key]} does not exist in {folder.resolve()}.")
    return Examination(
        name=given.get("name") or paths["image"].name.split(".")[0],
        image=paths["image"],
        label=paths["label"],
        joint=joint.key,
        subject=given["subject"],
        side=given.get("side"),
        age_years=None if age is None else float(age),
        pathology=given.get("pathology") or "",
        split=given.get("split"),
        label_values=_label_values(given.get("label_values"), joint, where),
        mask=paths.get("mask"),
    )


def _label_values(given: Any, joint: anatomy.Joint, where: str) -> tuple[tuple[int, int], ...]:
    bones = {bone.key: bone.label for bone in joint.bones}
    if given is None:
        return tuple((label, label) for label in bones.values())
    table: dict[int, int] = {}
    known = (*bones, BACKGROUND)
    for key, values in _object(given, f"{where}, label_values", known).items():
        for value in values if isinstance(values, list) else [values]:
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 65535:
                raise InputError(
                    f"{where}: the label value of '{key}' is {json.dumps(value)}; whole numbers from 1 to 65535 are "
                    "needed."
                )
            if value in table or (value == 0 and key != BACKGROUND):
                raise InputError(f"{where}: the label value {value} stands for two things; 0 is always background.")
            table[value] = bones.get(key, 0)
    if not any(table.values()):
        raise InputError(f"{where}: 'label_values' names no bone; known are {', '.join(bones)}.")
    return tuple(sorted((value, label) for value, label in table.items() if value))
