"""Simulates active refinement: wrong labels are planted, the true ones play the reader who mends what is asked for.

``python Testing/Benchmarks/refinement.py --hip-mr FOLDER [--seeds 5] [--budget 0.2] [--steps 150] [-o FILE.json]``

Without ``--hip-mr`` the cases are phantoms of the knee. For each seed some training cases get spoiled labels (a bone
shifted, shrunk or missing). Networks of three folds judge every case without having seen it; each strategy spends the
same budget; a network is then trained on the labels as they are, and tested on the same unseen cases. The bounds are
no mending and all labels true. Strategies are compared with random choice by a paired Wilcoxon test over seeds.
Slices are coarse (3 mm pixels, 5 mm apart) and the network is small. What is done is written after every seed, as JSON
and as a table beside it.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import ndimage
from scipy.stats import wilcoxon

from MultiJointSegLib.annotation.refinement.disagreement import compare_labels
from MultiJointSegLib.annotation.refinement.judging import judge_cases, predict_slices, train_networks
from MultiJointSegLib.annotation.refinement.selection import STRATEGIES, rank
from MultiJointSegLib.imaging.reading import read_label_map
from MultiJointSegLib.imaging.writing import write_volume
from MultiJointSegLib.learning.config import LearningConfig, parse_config
from MultiJointSegLib.learning.dataset_cache import cached_slices
from MultiJointSegLib.learning.examination_data import slice_settings
from MultiJointSegLib.learning.manifest import Examination
from MultiJointSegLib.phantom.phantom import make_phantom
from MultiJointSegLib.progress import SilentProgress

CPU = torch.device("cpu")
FIRST_PHANTOM = 4_000_000


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
    """Phantoms of knees with exact labels."""
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
    """The case with one of its bones shifted, shrunk or missing, in a new file."""
    labels = read_label_map(case.label)
    array = labels.array.copy()
    values = [value for value, label in case.label_values if label and (array == value).any()]
    for value in rng.permutation(values)[: max(1, len(values) // 2)]:
        mask = array == value
        kind = rng.integers(3)
        array[mask] = 0
        if kind == 0:
            shift = rng.choice([-1, 1], 2) * rng.integers(8, 16, 2)
            moved = np.roll(mask, shift, axis=np.argsort(mask.shape)[1:])
            array[moved & (array == 0)] = value
        elif kind == 1:
            inner = ndimage.binary_erosion(mask, np.ones((1, 3, 3)) if mask.shape[0] < 64 else np.ones((3, 3, 3)), 4)
            array[inner] = value
    write_volume(labels.with_array(array), path)
    return replace(case, label=path)


def unseen_dice(network: object, cases: list[Examination], config: LearningConfig, cache: Path) -> float:
    """Mean Dice over bones and unseen cases, on canonical slices."""
    values = []
    for case in cases:
        slices = cached_slices(case, cache, slice_settings(config.data))
        bones = {bone.key: bone.label for bone in case.bones}
        answer = predict_slices(network, slices.images, case.joint).argmax(1)  # type: ignore[arg-type]
        table = np.array([0, *(bone.label for bone in case.bones)])
        by_bone, _ = compare_labels(np.asarray(slices.labels), table[np.minimum(answer, len(bones))], bones)
        values.append(1 - float(np.mean(list(by_bone.values()))))
    return float(np.mean(values))


def run_seed(
    cases: list[Examination], seed: int, config: LearningConfig, budget: float, wrong: float, folder: Path
) -> dict[str, float]:
    """Test Dice after each strategy's mending, and the bounds."""
    rng = np.random.default_rng(seed)
    order = [cases[index] for index in rng.permutation(len(cases))]
    tested = order[: len(cases) // 3]
    pool = order[len(cases) // 3 :]
    folder.mkdir(parents=True)
    bad = set(rng.choice(len(pool), max(1, round(wrong * len(pool))), replace=False).tolist())
    labels = [spoiled(c, rng, folder / f"{c.name}.nii.gz") if i in bad else c for i, c in enumerate(pool)]
    judgments = judge_cases(
        labels, [c.name for c in labels], config, folder / "judge", folds=3, networks=2, seed=seed, device=CPU
    )
    evidence = [judgment.evidence for judgment in judgments.values()]
    count = max(1, round(budget * len(pool)))
    truth = {c.name: c for c in pool}
    arms: dict[str, set[str]] = {"no mending": set(), "all true": set(truth)}
    arms |= {name: set(rank(name, evidence, seed=seed)[:count]) for name in STRATEGIES}
    results: dict[str, float] = {}
    done: dict[frozenset[str], float] = {}
    for arm, mended in arms.items():
        wrongly = frozenset(labels[i].name for i in bad) - mended
        if wrongly not in done:  # the same labels give the same network
            used = [c if c.name in wrongly else truth[c.name] for c in labels]
            trained = train_networks(
                config.model_copy(update={"seed": seed}), used, folder, f"arm_{len(done)}", CPU, SilentProgress()
            )
            done[wrongly] = unseen_dice(trained[cases[0].joint], tested, config, folder / "cache")
        results[arm] = done[wrongly]
        results[f"{arm}: spoiled cases found"] = len(bad) - len(wrongly)
    results["spoiled cases"] = len(bad)
    return results


def summarize(rows: list[dict[str, float]]) -> dict[str, dict[str, float | None]]:
    """Per arm: mean Dice, share of the all-true Dice, and the paired test against random choice."""
    summary: dict[str, dict[str, float | None]] = {}
    full = np.array([row["all true"] for row in rows])
    chance = np.array([row["random"] for row in rows])
    for arm in ("no mending", *STRATEGIES, "all true"):
        values = np.array([row[arm] for row in rows])
        differs = np.any(values != chance)
        summary[arm] = {
            "mean_dice": round(float(values.mean()), 4),
            "share_of_all_true": round(float((values / full).mean()), 4),
            "spoiled_found": round(float(np.mean([row[f"{arm}: spoiled cases found"] for row in rows])), 2),
            "better_than_random_in": int((values > chance).sum()),
            "p_against_random": round(float(wilcoxon(values, chance).pvalue), 4) if differs and len(rows) > 2 else None,
        }
    return summary


def main() -> None:
    """Run the simulation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hip-mr", type=Path, help="folder of labelled hip MR examinations")
    parser.add_argument("--cases", type=int, default=15, help="phantoms, without --hip-mr")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--budget", type=float, default=0.2, help="share of the training cases that a person mends")
    parser.add_argument("--wrong", type=float, default=0.3, help="share of the training cases with spoiled labels")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("-o", "--output", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    config = parse_config(
        {
            "scheme": "individual",
            "joints": ["hip" if arguments.hip_mr else "knee"],
            "network": {"backbone": "unet", "decoder_channels": [48, 32, 24, 16, 8]},
            "data": {"pixel_mm": 3.0, "minimum_pitch_mm": 5.0, "neighbor_mm": 5.0, "other_maps": 0},
            "training": {
                "steps": arguments.steps,
                "slices_per_joint": 6,
                "sizes_px": [64],
                "detection_weight": 0.0,
                "learning_rate": 4e-3,
                "warmup_steps": 15,
                "average_decay": 0.95,
                "validate_every": arguments.steps,
            },
        }
    )
    started = time.monotonic()
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        cases = hip_cases(arguments.hip_mr) if arguments.hip_mr else phantom_cases(arguments.cases, work)
        for seed in range(1, arguments.seeds + 1):
            rows.append(run_seed(cases, seed, config, arguments.budget, arguments.wrong, work / f"seed_{seed}"))
            print(f"seed {seed}, {time.monotonic() - started:.0f} s: {json.dumps(rows[-1])}", flush=True)
            write(arguments, len(cases), rows, started)
    print(json.dumps(summarize(rows), indent=1))


def write(arguments: argparse.Namespace, cases: int, rows: list[dict[str, float]], started: float) -> None:
    """Write what is done so far."""
    if not arguments.output:
        return
    result = {
        "cases": f"{cases} {'real hip MR, wrong labels planted' if arguments.hip_mr else 'knee phantoms'}",
        "budget": arguments.budget,
        "wrong": arguments.wrong,
        "steps": arguments.steps,
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        "minutes": round((time.monotonic() - started) / 60, 1),
        "summary": summarize(rows),
        "seeds": rows,
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    arguments.output.with_suffix(".md").write_text(markdown(result), encoding="utf-8")


def markdown(result: dict[str, Any]) -> str:
    """The table of a result for people."""
    lines = [
        "# Active refinement, simulated",
        "",
        f"{result['cases']}; {len(result['seeds'])} seeds, {100 * result['budget']:.0f} % of the labels mended,",
        f"{100 * result['wrong']:.0f} % spoiled, {result['steps']} steps. Aim: 95 % of the Dice of all labels true,",
        "and better than random choice.",
        "",
        "| labels mended by | mean Dice | of all true | spoiled cases found | better than random | p |",
        "|---|---|---|---|---|---|",
    ]
    for arm, row in result["summary"].items():
        p = "-" if row["p_against_random"] is None else f"{row['p_against_random']:.3f}"
        lines.append(
            f"| {arm} | {row['mean_dice']:.3f} | {row['share_of_all_true']:.3f} | {row['spoiled_found']:.1f} | "
            f"{row['better_than_random_in']} of {len(result['seeds'])} | {p} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
