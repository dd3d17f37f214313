"""Cases for the simulation of active refinement, and proposals that are wrong in some of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import ndimage

from MultiJointSegLib.imaging.reading import read_label_map
from MultiJointSegLib.imaging.writing import write_volume
from MultiJointSegLib.learning.manifest import Examination
from MultiJointSegLib.phantom.phantom import make_phantom

FIRST_PHANTOM = 4_000_000
FAILURES = ("lost", "cut", "moved")


def hip_cases(folder: Path) -> list[Examination]:
    """The labelled hip MR examinations; femur and hip bone."""
    return [
        Examination(
            name=path.name.removesuffix("_seg.nii.gz"),
            image=path.with_name(path.name.replace("_seg", "_img")),
            label=path,
            joint="hip",
            subject=path.name[:2],
            label_values=((0, 0), (1, 1), (2, 9), (3, 0), (4, 0)),
        )
        for path in sorted(folder.glob("*_seg.nii.gz"))
    ]


def phantom_cases(count: int, folder: Path) -> list[Examination]:
    """Phantoms of knees with exact labels, written to a folder."""
    cases = []
    for seed in range(FIRST_PHANTOM, FIRST_PHANTOM + count):
        phantom = make_phantom("knee", seed=seed, plane="sagittal")
        image, label = folder / f"{seed}_img.nii.gz", folder / f"{seed}_seg.nii.gz"
        write_volume(phantom.volume, image)
        write_volume(phantom.labels, label)
        values = ((0, 0), (1, 1), (2, 2), (3, 3), (4, 4))
        cases.append(
            Examination(name=str(seed), image=image, label=label, joint="knee", subject=str(seed), label_values=values)
        )
    return cases


def spoiled(case: Examination, rng: np.random.Generator, path: Path) -> Examination:
    """The case as a program that failed would label it, in a new file.

    Each of its bones is lost, cut (only the upper or the lower part, 30 to 60 % of the height, is left) or moved by 10
    to 20 mm within the slice. Where all were lost, the last one stays.

    Parameters
    ----------
    case : Examination
    rng : Generator
    path : Path
        File to write.
    """
    labels = read_label_map(case.label)
    array = labels.array.copy()
    values = [value for value, label in case.label_values if label and (array == value).any()]
    up = int(np.argmax(np.abs(np.asarray(labels.geometry.direction)[2])))  # of the axes (i, j, k)
    spacing = labels.geometry.spacing_mm[::-1]
    for value in values:
        mask = array == value
        array[mask] = 0
        kind = FAILURES[rng.integers(len(FAILURES))]
        if kind == "cut":
            at = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != 2 - up)))
            part = at[: round(len(at) * rng.uniform(0.3, 0.6))]
            part = part if rng.random() < 0.5 else at[-len(part) :]
            kept = np.zeros_like(mask)
            index: list[slice | np.ndarray] = [slice(None)] * 3
            index[2 - up] = part
            kept[tuple(index)] = mask[tuple(index)]
            array[kept] = value
        elif kind == "moved":
            thick = int(np.argmax(spacing))
            shift = [0.0 if a == thick else rng.choice([-1, 1]) * rng.uniform(10, 20) / spacing[a] for a in range(3)]
            moved = ndimage.shift(mask.astype(np.uint8), np.rint(shift), order=0).astype(bool)
            array[moved & (array == 0)] = value
    if not np.isin(array, values).any():  # who finds nothing at all asks for help by itself
        array[mask] = value
    write_volume(labels.with_array(array), path)
    return replace(case, label=path)
