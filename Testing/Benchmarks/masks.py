"""What a global mask is worth: as the only input, and beside the image; learning curves over 1, 2, 4, 8 and all cases.

``python Testing/Benchmarks/masks.py hip_mr|knee|phantoms [--data FOLDER] [-o FOLDER] [--steps 900] [--draws 1]
[--workers 2] [--cases 1 2 4 8 10] [--sources skin bone organ oracle] [--arms image mask image+mask]
[--fusion output input] [--first-pass skin|image]
[--judge test|held_back] [--raw] [--merge JSON ...] [--pictures DIR]``

The defaults are for two cores. Draws differ in the order of the training cases and in all seeds; within a draw every
arm sees the same training cases, the same slices in the same order with the same random changes, and starts from the
same seed; the same unseen cases test. Answers are cleaned as the product cleans them. The bones of the source `bone`
come from a first pass, which sees the image and the skin: for the test cases one trained on the same n cases, for each
training case one that did not train on it (two halves of the cases; of a single case, every other block of its slices).
The outline of `organ` is made from the truth, standing for one that a reader draws; `oracle` is the truth's union.
Neither is automatic.

Writes ``masks_<task>.json`` (every value), ``masks_<task>.md`` (tables) and ``masks_<task>.png`` (learning curves);
``--pictures`` adds test slices, which are patients' and not for publication.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from mask_cases import Task, hip_mr, knee_labels, phantoms
from mask_experiment import Experiment
from mask_pictures import write_pictures
from mask_results import merge, summarize, write_results


@dataclass(frozen=True)
class Work:
    """Some numbers of cases of one draw of one task, for one process."""

    task: str
    joint: str
    data: Path
    pixel_mm: float
    steps: int
    draw: int
    counts: tuple[int, ...]
    sources: tuple[str, ...]
    arms: tuple[str, ...]
    encodings: tuple[str, ...]
    test: int | None
    fusions: tuple[str, ...]
    first_pass: str
    judge: str
    raw: bool
    pictures: Path | None


def run_work(work: Work) -> tuple[Work, str, int, list[dict], dict[str, float]]:
    """Cut the cases and run one draw; the task's name, number of test cases, rows, seconds of a core per training."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    if work.task == "hip_mr":
        task = hip_mr(work.data, work.pixel_mm)
    elif work.task == "knee":
        task = knee_labels(work.data, work.pixel_mm)
    else:
        task = phantoms(work.joint, work.pixel_mm)
    if work.judge == "held_back":
        task = held_back(task, work.draw)
    if work.test:
        del task.test[work.test :]
    keep = max(work.counts) if work.pictures and work.draw == 0 else None
    experiment = Experiment(
        task, work.steps, "position", fusions=work.fusions, first_pass=work.first_pass, raw=work.raw, keep=keep
    )
    experiment.run_draw(work.draw, list(work.counts), list(work.sources), list(work.arms), list(work.encodings))
    if work.pictures and keep is not None:
        write_pictures(experiment, work.pictures / task.name.replace(" ", "_"))
    return work, task.name, len(task.test), experiment.rows, experiment.seconds


def held_back(task: Task, draw: int) -> Task:
    """The training cases alone: three of them, others in each draw, judge; for choices that no test case may make."""
    order = [(3 * draw + n) % len(task.train) for n in range(len(task.train))]
    cases = [task.train[index] for index in order]
    return replace(task, train=cases[3:], test=cases[:3])


DEFAULTS = {
    "hip_mr": (
        5.5,
        [1, 2, 4, 8, 10],
        ["skin", "bone", "organ", "oracle"],
        ["image", "mask", "image+mask"],
        ["position"],
    ),
    "knee": (2.5, [1, 2, 4, 8], ["oracle"], ["mask"], ["position", "binary"]),
    "phantoms": (3.0, [1, 2, 4, 8], ["skin"], ["mask"], ["position", "binary"]),
}
"""Pixel in mm, numbers of training cases, sources, arms and encodings of each task."""


def main() -> None:
    """Run one experiment."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=tuple(DEFAULTS))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("-o", "--output", type=Path, default=Path("Resources/Benchmarks"))
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--draws", type=int, default=1, help="orders of the training cases")
    parser.add_argument("--workers", type=int, default=2, help="processes, each on one core")
    parser.add_argument("--cases", type=int, nargs="+")
    parser.add_argument("--sources", nargs="+", choices=("skin", "bone", "organ", "oracle"))
    parser.add_argument("--arms", nargs="+", choices=("image", "mask", "image+mask"))
    parser.add_argument(
        "--fusion", nargs="+", choices=("output", "input"), default=["output"], help="where mask and image meet"
    )
    parser.add_argument(
        "--first-pass", choices=("skin", "image"), default="skin", help="what the first pass of `bone` sees"
    )
    parser.add_argument(
        "--judge",
        choices=("test", "held_back"),
        default="test",
        help="held_back: three of the training cases, for choices that the test cases must not make",
    )
    parser.add_argument("--raw", action="store_true", help="judge the answers as they are, not cleaned")
    parser.add_argument("--merge", type=Path, nargs="+", help="run nothing: write these earlier results as one")
    parser.add_argument("--joints", nargs="+", default=["ankle", "knee", "shoulder"], help="of the phantoms")
    parser.add_argument("--pixel-mm", type=float)
    parser.add_argument("--test", type=int, help="only so many test cases, to try it out")
    parser.add_argument("--pictures", type=Path)
    arguments = parser.parse_args()
    ending = "_held_back" if arguments.judge == "held_back" else ""
    stem = arguments.output / f"masks_{arguments.task}{ending}"
    if arguments.merge:
        print(json.dumps(merge(arguments.merge, stem), indent=1))
        return
    started = time.monotonic()
    pixel_mm, counts, sources, arms, encodings = DEFAULTS[arguments.task]
    if arguments.judge == "held_back":
        counts = [n for n in (1, 2, 4, 7) if n <= max(counts)]
    numbers = tuple(sorted(arguments.cases or counts, reverse=True))
    # The pelves take longest: a process for each number of cases, the longest first.
    groups = [(n,) for n in numbers] if arguments.task == "hip_mr" else [numbers]
    works = [
        Work(
            task=arguments.task,
            joint=joint,
            data=arguments.data,
            pixel_mm=arguments.pixel_mm or pixel_mm,
            steps=arguments.steps,
            draw=draw,
            counts=group,
            sources=tuple(arguments.sources or sources),
            arms=tuple(arguments.arms or arms),
            encodings=tuple(encodings),
            test=arguments.test,
            fusions=tuple(arguments.fusion),
            first_pass=arguments.first_pass,
            judge=arguments.judge,
            raw=arguments.raw,
            pictures=arguments.pictures if max(group) == numbers[0] else None,
        )
        for joint in (arguments.joints if arguments.task == "phantoms" else [""])
        for draw in range(arguments.draws)
        for group in groups
    ]
    rows: dict[str, list[dict]] = {}
    seconds: dict[str, dict[str, float]] = {}
    tested: dict[str, int] = {}
    with ProcessPoolExecutor(arguments.workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        for finished in as_completed([pool.submit(run_work, work) for work in works]):
            work, name, count, found, took = finished.result()
            rows.setdefault(name, []).extend(found)
            rows[name].sort(key=lambda row: (row["draw"], row["n"]))  # stable: the order of the arms stays
            seconds.setdefault(name, {}).update(took)
            tested[name] = count
            about = {
                "task": arguments.task,
                "steps": arguments.steps,
                "draws": arguments.draws,
                "judge": arguments.judge,
                "fusion": arguments.fusion,
                "first_pass": arguments.first_pass,
                "raw": arguments.raw,
                "pixel_mm": work.pixel_mm,
                "test_cases": tested,
                "minutes": round((time.monotonic() - started) / 60, 1),
                "core_minutes_of_training": round(sum(sum(s.values()) for s in seconds.values()) / 60, 1),
                "workers": arguments.workers,
                "torch": torch.__version__,
            }
            done = [summarize(task, rows[task], seconds[task]) for task in sorted(rows)]
            write_results(stem, about, done)  # what there is by now
    print(json.dumps(about, indent=1))


if __name__ == "__main__":
    main()
