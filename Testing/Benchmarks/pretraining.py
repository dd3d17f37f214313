"""Whether pretraining on imaging planes saves labels, in segmentation and in classification.

``python Testing/Benchmarks/pretraining.py FOLDER -o FILE [--size tiny|cpu|full] [--hips DATA/hip_mr] [--device cpu]``

1. Synthetic knees are imaged as a technologist would: sagittal, coronal and axial stacks placed by the joint's anatomy,
   with scatter. Some are unlabelled (pretraining), some labelled, some for testing; no knee is in two of these. With
   ``--hips``: real coronal pelvis MR instead, whose lines come from reslicing.
2. Pretraining, equal data and steps: both tasks, lines alone, location alone, and as comparators prediction of quarter
   turns, SimCLR and masked auto-encoding. All start from random weights; one more starts from ImageNet.
3. Each start, and random and ImageNet weights without any pretraining, is trained to segment n labelled stacks: same
   steps, same order of slices, several seeds. Encoder and decoder are transferred where both were pretrained. Score:
   mean Dice over the bones of the test subjects, at the network's pixel.
4. Growth plates open or closed (knees): same starts, with 10 %, 25 % and all of the training studies labelled. Score:
   accuracy of the study, and the mean probability of its true class.
5. Paired tests over test subjects (mean over seeds), corrected for all comparisons together.

Started again on the same folder it goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from pretraining_cases import Cases, Size, real_hips, scatter_of, synthetic_knees
from pretraining_rivals import RIVALS
from pretraining_runs import PRETRAININGS, STARTS, classify, pretrain, pretrained_folder, segment
from pretraining_tables import markdown

from MultiJointSegLib.evaluation.statistics import PairedComparison, compare_paired, corrected
from MultiJointSegLib.imaging.atomic import atomic_write
from MultiJointSegLib.learning.pretext.pretrained import RECORD_FILE

SIZES = {
    "tiny": Size(3, 2, 2, 2.5, 2.4, 64, 2, 2, 2, 2, 1, (8, 8, 8, 8, 8), (1, 2), (0.5, 1.0)),
    "cpu": Size(40, 4, 12, 1.8, 1.4, 64, 900, 8, 60, 6, 2, (64, 48, 32, 24, 16)),
    "full": Size(400, 40, 60, 0.8, 0.8, 160, 20000, 24, 4000, 12, 5, (128, 96, 64, 32, 16)),
}
_HIPS = {
    "tiny": {"pixel_mm": 4.0},
    "cpu": {"pixel_mm": 2.5, "size_px": 96, "pretrain_steps": 250, "seeds": 1},
    "full": {"pixel_mm": 1.2},
}
"""What is different for real pelvis MR."""

Row = dict[str, object]


def carry_out(log: Path, kind: str, amounts: tuple, seeds: int, work: Callable[[str, object, int], dict]) -> list[Row]:
    """Rows of all starts, amounts of labels and seeds; those in the log are not made again."""
    rows: list[Row] = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    done = {(r["start"], r["amount"], r["seed"]) for r in rows}
    for seed in range(seeds):
        for amount in amounts:
            for start in STARTS:
                if (start, amount, seed) in done:
                    continue
                scores = work(start, amount, seed)
                rows.append({"start": start, "amount": amount, "seed": seed, "scores": scores})
                with log.open("a") as stream:
                    stream.write(json.dumps(rows[-1]) + "\n")
                print(f"{kind}, {amount}, seed {seed}, {start}: {np.mean(list(scores.values())):.4f}", flush=True)
    return [r for r in rows if r["seed"] < seeds]  # type: ignore[operator]


def by_subject(rows: list[Row], start: str, amount: object) -> dict[str, float]:
    """Score of every test subject, mean over seeds."""
    some = [r["scores"] for r in rows if r["start"] == start and r["amount"] == amount]
    return {name: float(np.mean([d[name] for d in some])) for name in some[0]}  # type: ignore[index,call-overload]


def table(rows: list[Row], amounts: tuple) -> dict[str, object]:
    """Means by start and amount, and paired comparisons of the pretraining with its rivals."""
    means = {
        s: {str(a): round(float(np.mean(list(by_subject(rows, s, a).values()))), 4) for a in amounts} for s in STARTS
    }
    pairs: list[tuple[str, str, object, PairedComparison]] = []
    # Pretraining from ImageNet weights starts ahead: its fair rival starts there too.
    against = [("both tasks", rival) for rival in ("none", "ImageNet", *RIVALS)]
    for amount in amounts:
        for first, second in [*against, ("both tasks, from ImageNet", "ImageNet")]:
            scores = by_subject(rows, first, amount), by_subject(rows, second, amount)
            pairs.append((first, second, amount, compare_paired(*scores)))
    tested = corrected([c for *_, c in pairs])
    comparisons = [
        {
            "first": first, "second": second, "amount": amount, "subjects": c.pairs,
            "mean_difference": round(c.mean_difference, 4),
            "interval": [round(c.interval.low, 4), round(c.interval.high, 4)],
            "p": c.p_value, "p_corrected": c.p_corrected,
        }
        for (first, second, amount, _), c in zip(pairs, tested, strict=True)
    ]  # fmt: skip
    return {"mean": means, "comparisons": comparisons}


def accuracy(rows: list[Row], amounts: tuple) -> dict[str, dict[str, float]]:
    """Share of studies whose true class got more than half, mean over seeds, by start and amount."""
    result: dict[str, dict[str, float]] = {}
    for start in STARTS:
        result[start] = {}
        for amount in amounts:
            some = [r["scores"].values() for r in rows if r["start"] == start and r["amount"] == amount]  # type: ignore[attr-defined]
            result[start][str(amount)] = round(float(np.mean([v > 0.5 for values in some for v in values])), 4)
    return result


def pretrain_all(cases: Cases, folder: Path, size: Size, device: str) -> dict[str, object]:
    """All pretrainings; what each reached on its own task."""
    result: dict[str, object] = {}
    for name in (*RIVALS, *PRETRAININGS):
        place = pretrained_folder(folder, name)
        assert place is not None
        pretrain(name, place, size, cases, device)
        record = json.loads((place / RECORD_FILE).read_text(encoding="utf-8"))
        result[name] = {key: record[key] for key in ("errors", "errors_to_anatomy", "seconds") if key in record}
    return result


def run(cases: Cases, folder: Path, size: Size, seeds: int, device: str) -> dict[str, object]:
    """Trainings from all starts with this many seeds, and their tables."""

    def one_segmentation(start: str, n: object, seed: int) -> dict[str, float]:
        order = np.random.default_rng(seed).permutation(len(cases.labelled))[: int(str(n))]
        stacks = [cases.labelled[i] for i in order]
        return segment(start, pretrained_folder(folder, start), stacks, cases, size, seed, device)

    rows = carry_out(folder / "segmentation.jsonl", "segmentation", size.labelled, seeds, one_segmentation)
    result: dict[str, object] = {"segmentation": table(rows, size.labelled)}
    if len({cases.growth_plates[s.name] for s in cases.known}) > 1:

        def one_classification(start: str, share: object, seed: int) -> dict[str, float]:
            return classify(start, pretrained_folder(folder, start), float(str(share)), cases, size, seed, device)

        rows = carry_out(folder / "classification.jsonl", "classification", size.shares, seeds, one_classification)
        counts = [cases.growth_plates[s.name] for s in cases.asked]
        result["classification"] = {
            "asked": {label: counts.count(label) for label in sorted(set(counts))},
            "accuracy": accuracy(rows, size.shares),
            "probability_of_the_true_class": table(rows, size.shares),
        }
    return result


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="for studies and networks; a run that was stopped goes on")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help="tables, JSON; the same for people stands beside it, .md"
    )
    parser.add_argument("--size", choices=tuple(SIZES), default="cpu")
    parser.add_argument("--hips", type=Path, help="folder of real pelvis MR (NN_img.nii.gz, NN_seg.nii.gz)")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--processes", type=int, default=2, help="for making the studies")
    arguments = parser.parse_args()
    started = time.monotonic()
    size = SIZES[arguments.size]
    folder = arguments.folder / f"{arguments.size}{'_hips' if arguments.hips else ''}"
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_flush_denormal(True)
    if arguments.hips:
        size = replace(size, **_HIPS[arguments.size])  # type: ignore[arg-type]
        cases = real_hips(arguments.hips, size)
    else:
        cases = synthetic_knees(folder, size, arguments.processes)
    pretraining = pretrain_all(cases, folder, size, arguments.device)
    for seeds in range(1, size.seeds + 1):  # the table of fewer seeds is there while the next is made
        tables = run(cases, folder, size, seeds, arguments.device)
        result = {
            "size": arguments.size, "settings": asdict(size), "joint": cases.joint, "seeds": seeds,
            "studies": {k: len(getattr(cases, k)) for k in ("unlabelled", "held_back", "labelled", "test")},
            "minutes": round((time.monotonic() - started) / 60, 1),
            "cpu_minutes": round(time.process_time() / 60, 1), "torch": torch.__version__,
            "pretraining": pretraining,
            "scatter": scatter_of(cases.held_back, cases.anatomical) if cases.anatomical else None, **tables,
        }  # fmt: skip
        for path, text in (
            (arguments.output, json.dumps(result, indent=1) + "\n"),
            (arguments.output.with_suffix(".md"), f"# Pretraining on imaging planes\n\n{markdown(result)}"),
        ):
            with atomic_write(path) as temporary:
                temporary.write_text(text, encoding="utf-8")
    for start, by_amount in tables["segmentation"]["mean"].items():  # type: ignore[index]
        print(f"{start:28s}" + "".join(f"  n={n}: {value:.3f}" for n, value in by_amount.items()))


if __name__ == "__main__":
    main()
