"""Simulates active refinement: proposals that failed are planted, the true labels play the reader who mends them.

``python Testing/Benchmarks/refinement.py [--hip-mr FOLDER] [--seeds 5] [--budget 0.2] [-o FILE.json]``

Without ``--hip-mr`` the cases are phantoms of the knee. For each seed a third of the cases is put aside to be tested
on, and a share of the others gets proposals of a program that failed (`refinement_cases.spoiled`). Networks of three
folds judge every case without having seen it; each strategy spends the same budget on it; a network is then trained on
the labels as they stand, and tested. The bounds are no mending and all labels true. With "rest again" networks judge a
second time, and labels that they doubt are replaced by theirs before the last training, as in a second round of
``refine``. Random choice is the mean of several draws; strategies are compared with it by a paired Wilcoxon test
over seeds. Slices are coarse and the network is small. What is done is written after every seed, as JSON and as a
table beside it.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from refinement_cases import hip_cases, phantom_cases, spoiled
from refinement_tables import AGAIN, summarize, write

from MultiJointSegLib.annotation.refinement.disagreement import compare_labels
from MultiJointSegLib.annotation.refinement.judging import judge_cases, predict_slices, propose_labels, train_networks
from MultiJointSegLib.annotation.refinement.rounds import LEAST_AGREEMENT, doubted_cases
from MultiJointSegLib.annotation.refinement.selection import STRATEGIES, rank
from MultiJointSegLib.imaging.writing import write_volume
from MultiJointSegLib.learning.config import LearningConfig, parse_config
from MultiJointSegLib.learning.dataset_cache import cached_slices
from MultiJointSegLib.learning.examination_data import slice_settings
from MultiJointSegLib.learning.manifest import Examination
from MultiJointSegLib.networks.shared_unet import SharedUNet
from MultiJointSegLib.progress import SilentProgress

CPU = torch.device("cpu")
FOLDS = 3


@dataclass(frozen=True)
class Setting:
    """What is the same in every seed.

    Parameters
    ----------
    config : LearningConfig
    budget, wrong : float
        Share of the training cases that a person mends, and of those whose proposals failed.
    repeats : int
        Networks whose mean Dice counts for an arm.
    draws : int
        Of random choice.
    """

    config: LearningConfig
    budget: float
    wrong: float
    repeats: int
    draws: int


def unseen_dice(network: SharedUNet, cases: list[Examination], config: LearningConfig, cache: Path) -> float:
    """Mean Dice over bones and unseen cases, on canonical slices."""
    values = []
    for case in cases:
        slices = cached_slices(case, cache, slice_settings(config.data))
        answer = predict_slices(network, slices.images, case.joint).argmax(1)
        table = np.array([0, *(bone.label for bone in case.bones)])
        bones = {bone.key: bone.label for bone in case.bones}
        by_bone, _ = compare_labels(np.asarray(slices.labels), table[answer], bones)
        values.append(1 - float(np.mean(list(by_bone.values()))))
    return float(np.mean(values))


class Trial:
    """One seed: its cases, what is wrong with them, and the Dice that sets of labels lead to."""

    def __init__(self, cases: list[Examination], seed: int, setting: Setting, folder: Path) -> None:
        rng = np.random.default_rng(seed)
        order = [cases[index] for index in rng.permutation(len(cases))]
        self.seed, self.setting, self.folder = seed, setting, folder
        self.tested = order[: len(cases) // 3]
        self.truth = {case.name: case for case in order[len(cases) // 3 :]}
        folder.mkdir(parents=True)
        names = list(self.truth)
        self.bad = frozenset(rng.choice(names, max(1, round(setting.wrong * len(names))), replace=False).tolist())
        self.proposed = {
            name: spoiled(case, rng, folder / f"{name}.nii.gz") if name in self.bad else case
            for name, case in self.truth.items()
        }
        self._known: dict[frozenset[str], float] = {}
        self._trained = 0

    def after(self, mended: set[str]) -> dict[str, Examination]:
        """The labels once a person has mended these cases."""
        return self.truth | {name: case for name, case in self.proposed.items() if name not in mended}

    def dice(self, labels: dict[str, Examination]) -> float:
        """Dice on the unseen cases of networks trained on labels; the same labels are not trained on again."""
        key = frozenset(str(case.label) for case in labels.values())
        if key not in self._known:
            values = []
            for repeat in range(self.setting.repeats):
                self._trained += 1
                config = self.setting.config.model_copy(update={"seed": self.seed + 1000 * repeat})
                name = f"network_{self._trained}"
                trained = train_networks(config, list(labels.values()), self.folder, name, CPU, SilentProgress())
                (network,) = trained.values()
                values.append(unseen_dice(network, self.tested, config, self.folder / "cache"))
            self._known[key] = float(np.mean(values))
        return self._known[key]

    def proposed_again(self, mended: set[str], name: str) -> dict[str, Examination]:
        """As `after`, and labels that networks trained without them doubt are replaced by their answer."""
        labels = self.after(mended)
        folder, config = self.folder / name, self.setting.config
        judged = judge_cases(
            list(labels.values()), list(labels), config, folder, folds=FOLDS, networks=1, seed=self.seed, device=CPU
        )
        evidence = {case: judgment.evidence for case, judgment in judged.items()}
        if np.median([1 - found.disagreement for found in evidence.values()]) < LEAST_AGREEMENT:
            return labels  # as `refine`, which then says that its networks have learned too little
        for case in doubted_cases(evidence, [case for case in labels if case not in mended], sorted(mended)):
            path = folder / f"{case}.nii.gz"
            write_volume(propose_labels(labels[case], judged[case], config), path)
            values = tuple((bone.label, bone.label) for bone in labels[case].bones)
            labels[case] = replace(labels[case], label=path, label_values=((0, 0), *values))
        return labels


def run_seed(cases: list[Examination], seed: int, setting: Setting, folder: Path) -> dict[str, float]:
    """Dice on unseen cases after each strategy's mending, how many failures it found, and the bounds."""
    trial = Trial(cases, seed, setting, folder)
    judged = judge_cases(
        list(trial.proposed.values()),
        list(trial.proposed),
        setting.config,
        folder,
        folds=FOLDS,
        networks=2,
        seed=seed,
        device=CPU,
    )
    evidence = [judgment.evidence for judgment in judged.values()]
    count = max(1, int(setting.budget * len(evidence)))
    results: dict[str, float] = {"failures": len(trial.bad), "mended": count}
    results["no mending"] = trial.dice(trial.after(set()))
    results["all true"] = trial.dice(trial.after(set(trial.truth)))
    for name in STRATEGIES:
        draws = [set(rank(name, evidence, seed=seed)[:count])]
        if name == "random":
            draws = [set(rank(name, evidence, seed=100 * seed + draw)[:count]) for draw in range(setting.draws)]
        results[f"{name}: found"] = float(np.mean([len(mended & trial.bad) for mended in draws]))
        results[name] = float(np.mean([trial.dice(trial.after(mended)) for mended in draws]))
        if name in AGAIN:
            results[AGAIN[name]] = trial.dice(trial.proposed_again(draws[0], f"again_{name}"))
    return results


def configuration(joint: str, steps: int, pixel_mm: float) -> LearningConfig:
    """A small network on coarse slices."""
    return parse_config(
        {
            "scheme": "individual",
            "joints": [joint],
            "network": {"initialization": "imagenet", "decoder_channels": [48, 32, 24, 16, 8]},
            "augmentation": {"elastic_mm": 0.0, "rotation_deg": 8.0},
            "data": {"pixel_mm": pixel_mm, "minimum_pitch_mm": 5.0, "neighbor_mm": 5.0, "other_maps": 0},
            "training": {
                "steps": steps,
                "slices_per_joint": 6,
                "sizes_px": [64],
                "detection_weight": 0.0,
                "learning_rate": 4e-3,
                "class_balance": 0.5,
                "warmup_steps": 15,
                "average_decay": 0.95,
                "validate_every": steps,
            },
        }
    )


def main() -> None:
    """Run the simulation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hip-mr", type=Path, help="folder of labelled hip MR examinations")
    parser.add_argument("--cases", type=int, default=24, help="phantoms, without --hip-mr")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--budget", type=float, default=0.2, help="share of the training cases that a person mends")
    parser.add_argument("--wrong", type=float, default=0.4, help="share of the training cases whose proposals failed")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--repeats", type=int, default=1, help="networks whose mean Dice counts")
    parser.add_argument("--draws", type=int, default=2, help="of random choice")
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/refinement.json"))
    arguments = parser.parse_args()
    config = configuration(*(("hip", arguments.steps, 5.0) if arguments.hip_mr else ("knee", arguments.steps, 3.0)))
    setting = Setting(config, arguments.budget, arguments.wrong, arguments.repeats, arguments.draws)
    begin, cpu = time.monotonic(), time.process_time()
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        cases = hip_cases(arguments.hip_mr) if arguments.hip_mr else phantom_cases(arguments.cases, work)
        what = f"{len(cases)} {'real hip MR' if arguments.hip_mr else 'phantoms of knees'}"
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
            rows.append({"seed": seed} | run_seed(cases, seed, setting, work / f"seed_{seed}"))
            minutes = (time.monotonic() - begin) / 60
            print(f"seed {seed}, {minutes:.1f} min: {json.dumps(rows[-1])}", flush=True)
            result = {
                "cases": what,
                "tested_on": len(cases) // 3,
                "budget": arguments.budget,
                "wrong": arguments.wrong,
                "steps": arguments.steps,
                "repeats": arguments.repeats,
                "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}",
                "minutes": round(minutes, 1),
                "cpu_minutes": round((time.process_time() - cpu) / 60, 1),
                "summary": summarize(rows),
                "seeds": rows,
            }
            write(result, arguments.output)


if __name__ == "__main__":
    main()
