"""What a global mask is worth: as the only input, and beside the image; learning curves over 1, 2, 4, 8 and all cases.

``python Testing/Benchmarks/masks.py hip_mr|knee|phantoms [--data FOLDER] [-o FOLDER] [--steps 900] [--draws 1]
[--workers 2] [--cases 1 2 4 8 10] [--sources skin bone organ oracle] [--arms image mask image+mask] [--pictures DIR]``

The defaults are for two cores. Draws differ in the order of the training cases and in all seeds; within a draw every
arm sees the same training cases, the same slices in the same order with the same random changes, and starts from the
same seed; the same unseen cases test. The bones of the source `bone` come from the image-only arm: for the test cases
the one trained on the same n cases, for each training case one that did not train on it (two halves of the cases; of a
single case, two halves of its slices). The outline of `organ` is made from the truth, standing for one that a reader
draws; `oracle` is the truth's union. Neither is automatic.

Writes ``masks_<task>.json`` (every value), ``masks_<task>.md`` (tables) and ``masks_<task>.png`` (learning curves);
``--pictures`` adds test slices, which are patients' and not for publication.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mask_cases import Case, Task, hip_mr, knee_labels, phantoms
from mask_results import summarize, write_results
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.learning.masks.settings import ENCODING_CHANNELS, IMAGE_CHANNELS, MaskSettings
from MultiJointSegLib.learning.masks.slice_training import FitSettings, SliceStack, fit, predict_stack
from MultiJointSegLib.networks.shared_unet import SharedUNet

BACKBONE, DECODER = "small_unet", (64, 48, 32, 24, 12)
SEED = 11
IMAGE_ARM = "image"


class Experiment:
    """All trainings of one task."""

    def __init__(self, task: Task, steps: int, encoding: str, *, keep: int | None = None) -> None:
        self.task = task
        self.steps = steps
        self.encoding = encoding
        self.keep = keep  # number of cases whose answers are kept for pictures
        self.rows: list[dict] = []
        self.seconds: dict[str, float] = {}
        self.answers: dict[tuple[str, int], dict[str, np.ndarray]] = {}

    def settings(self, source: str, encoding: str | None = None) -> MaskSettings:
        """Mask of a source; the oracle is asked for by name here, since nothing of this ships."""
        return MaskSettings(source=source, encoding=encoding or self.encoding, allow_oracle=source == "oracle")

    def run_draw(self, draw: int, counts: list[int], sources: list[str], arms: list[str], encodings: list[str]) -> None:
        """All arms at every number of cases, with one order of the training cases."""
        order = np.random.default_rng(1000 + draw).permutation(len(self.task.train))
        for n in counts:
            cases = [self.task.train[index] for index in order[:n]]
            image_net = None
            if IMAGE_ARM in arms or "bone" in sources:
                stacks = [_image(c) for c in cases]
                image_net = self.train_arm(IMAGE_ARM, n, draw, stacks, IMAGE_CHANNELS)
                self.judge(IMAGE_ARM, n, draw, image_net, {c.name: _image(c).inputs for c in self.task.test})
            for source in sources:
                coarse = self.coarse_masks(cases, image_net, n, draw) if source == "bone" else {}
                for encoding in encodings:
                    settings = self.settings(source, encoding)
                    label = source if encoding == self.encoding else f"{source} {encoding}"
                    for arm in arms:
                        if arm != IMAGE_ARM and not (arm == "mask" and n > 8):
                            self.run_masked(f"{arm} {label}", arm, cases, settings, coarse, n, draw)

    def run_masked(
        self,
        name: str,
        arm: str,
        cases: list[Case],
        settings: MaskSettings,
        coarse: dict[str, Volume],
        n: int,
        draw: int,
    ) -> None:
        """Train and judge one arm that sees a mask."""

        def inputs(case: Case) -> np.ndarray:
            first_pass = (lambda _: coarse[case.name]) if case.name in coarse else None
            try:
                masks = case.mask(settings, first_pass)
            except InputError as error:  # an empty first pass: the arm goes on without a mask and pays for it
                print(f"  {case.name}: {error}", flush=True)
                masks = np.zeros((len(case.target), ENCODING_CHANNELS[settings.encoding], *case.target.shape[1:]))
                masks = masks.astype(np.float32)
            return masks if arm == "mask" else np.concatenate([case.slices.images, masks], axis=1)

        own = 0 if arm == "mask" else IMAGE_CHANNELS
        stacks = [SliceStack(inputs(c), c.target, _sagittal(c)) for c in cases]
        network = self.train_arm(name, n, draw, stacks, own)
        self.judge(name, n, draw, network, {c.name: inputs(c) for c in self.task.test})

    def train_arm(self, name: str, n: int, draw: int, stacks: list[SliceStack], own: int) -> SharedUNet:
        """Train one arm from the draw's seed."""
        started = time.process_time()
        torch.manual_seed(SEED + draw)
        more = stacks[0].inputs.shape[1] - own
        network = SharedUNet(
            {"task": len(self.task.structures)}, DECODER, backbone=BACKBONE, sees_image=own > 0, mask_channels=more
        )
        anything: Any = network  # torch's own types know no memory format
        anything.to(memory_format=torch.channels_last)
        settings = FitSettings(steps=self.steps, pixel_mm=self.task.pixel_mm, image_channels=own, seed=SEED + draw)
        losses = fit(network, stacks, settings)
        took = time.process_time() - started
        self.seconds[f"{name} n={n} draw={draw}"] = round(took, 1)
        print(f"n={n:2d} draw {draw} {name}: loss {np.mean(losses[-10:]):.3f}, {took:.0f} s of a core", flush=True)
        return network

    def coarse_masks(self, cases: list[Case], image_net: SharedUNet, n: int, draw: int) -> dict[str, Volume]:
        """Labels of each training case by a network that did not train on it, of each test case by the image arm."""
        coarse = {c.name: self.labels(image_net, c, _image(c).inputs) for c in self.task.test}
        if n == 1:
            (case,) = cases
            whole, middle = _image(case), len(case.target) // 2
            halves = [slice(0, middle), slice(middle, None)]
            answer = [np.empty(0)] * 2
            for held in (0, 1):
                part = halves[1 - held]
                stack = SliceStack(whole.inputs[part], whole.target[part], whole.sagittal)
                network = self.train_arm(f"first pass without half {held + 1}", n, draw, [stack], IMAGE_CHANNELS)
                answer[held] = predict_stack(network, whole.inputs[halves[held]])
            classes, _ = case.slices.grid.argmax_to_native(np.concatenate(answer))
            return coarse | {case.name: case.labels.with_array(classes)}
        for held in (0, 1):
            kept = [c for index, c in enumerate(cases) if index % 2 != held]
            stacks = [_image(c) for c in kept]
            network = self.train_arm(f"first pass without half {held + 1}", n, draw, stacks, IMAGE_CHANNELS)
            for case in cases[held::2]:
                coarse[case.name] = self.labels(network, case, _image(case).inputs)
        return coarse

    @staticmethod
    def labels(network: SharedUNet, case: Case, inputs: np.ndarray) -> Volume:
        """Classes on the native grid."""
        classes, _ = case.slices.grid.argmax_to_native(predict_stack(network, inputs))
        return case.labels.with_array(classes)

    def judge(self, arm: str, n: int, draw: int, network: SharedUNet, inputs: dict[str, np.ndarray]) -> None:
        """Dice and center distance of every structure of every test case, on the native grid."""
        for case in self.task.test:
            found = self.labels(network, case, inputs[case.name])
            if n == self.keep:
                self.answers.setdefault((arm, n), {})[case.name] = found.array
            for index, (structure, paired) in enumerate(self.task.structures, start=1):
                truth = case.labels.array == index
                if not truth.any():
                    continue
                answer = found.array == index
                row = {"arm": arm, "n": n, "draw": draw, "case": case.name, "structure": structure}
                row["dice"] = round(2 * np.count_nonzero(truth & answer) / (truth.sum() + answer.sum()), 4)
                distance = center_distance_mm(truth, answer, case.labels, paired=paired)
                row["center_mm"] = None if distance is None else round(distance, 2)
                self.rows.append(row)


def center_distance_mm(truth: np.ndarray, answer: np.ndarray, labels: Volume, *, paired: bool) -> float | None:
    """Distance of the centers of mass; of paired structures the mean over both sides; None where one was not found.

    Sides are told by the middle plane (x) of all true structures.
    """
    points = [labels.geometry.index_to_point(np.argwhere(m)[:, ::-1]) for m in (truth, answer)]
    if not paired:
        parts = [(points[0], points[1])]
    else:
        middle = labels.geometry.index_to_point(np.argwhere(labels.array > 0)[::50, ::-1])[:, 0].mean()
        parts = [tuple(p[(p[:, 0] > middle) == left] for p in points) for left in (False, True)]
    distances = [float(np.linalg.norm(t.mean(0) - a.mean(0))) for t, a in parts if len(t) and len(a)]
    return float(np.mean(distances)) if len(distances) == len([t for t, _ in parts if len(t)]) else None


def _image(case: Case) -> SliceStack:
    return SliceStack(case.slices.images, case.target, _sagittal(case))


def _sagittal(case: Case) -> bool:
    return case.slices.grid.plane == "sagittal"


def write_pictures(experiment: Experiment, folder: Path) -> None:
    """One picture per arm at the largest n: a slice of each test case with truth (white) and answer (colored)."""
    folder.mkdir(parents=True, exist_ok=True)
    colors = ("tab:orange", "tab:cyan", "tab:green", "tab:pink")
    for (arm, n), answers in experiment.answers.items():
        figure = Figure(figsize=(4 * len(answers), 4.4), facecolor="black")
        canvas = FigureCanvasAgg(figure)
        for number, case in enumerate(experiment.task.test, start=1):
            axes = figure.add_subplot(1, len(answers), number)
            grid = case.slices.grid
            truth, found, image = (grid.orient(a) for a in (case.labels.array, answers[case.name], case.volume.array))
            at = int((truth > 0).sum(axis=(1, 2)).argmax())
            height, width = (n_ * s for n_, s in zip(grid.shape[1:], grid.pixel_mm, strict=True))
            place = {"extent": (0, width, height, 0)}
            axes.imshow(image[at], cmap="gray", **place)
            for index in range(1, len(experiment.task.structures) + 1):
                for array, color in ((truth, "white"), (found, colors[index - 1])):
                    mask = array[at] == index
                    if mask.any():
                        axes.contour(mask, levels=[0.5], colors=[color], linewidths=1, origin="upper", **place)
            axes.set_axis_off()
            axes.set_title(f"{case.name}: {arm}, n={n}", color="white", fontsize=9)
        figure.tight_layout()
        canvas.print_png(folder / f"{arm.replace('+', '_').replace(' ', '_')}_n{n}.png")


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
    if work.test:
        del task.test[work.test :]
    keep = max(work.counts) if work.pictures and work.draw == 0 else None
    experiment = Experiment(task, work.steps, "position", keep=keep)
    experiment.run_draw(work.draw, list(work.counts), list(work.sources), list(work.arms), list(work.encodings))
    if work.pictures and keep is not None:
        write_pictures(experiment, work.pictures / task.name.replace(" ", "_"))
    return work, task.name, len(task.test), experiment.rows, experiment.seconds


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
    parser.add_argument("--joints", nargs="+", default=["ankle", "knee", "shoulder"], help="of the phantoms")
    parser.add_argument("--pixel-mm", type=float)
    parser.add_argument("--test", type=int, help="only so many test cases, to try it out")
    parser.add_argument("--pictures", type=Path)
    arguments = parser.parse_args()
    started = time.monotonic()
    pixel_mm, counts, sources, arms, encodings = DEFAULTS[arguments.task]
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
            _, name, count, found, took = finished.result()
            rows.setdefault(name, []).extend(found)
            seconds.setdefault(name, {}).update(took)
            tested[name] = count
    names = sorted(rows)
    for name in names:
        rows[name].sort(key=lambda row: (row["draw"], row["n"]))  # stable: the order of the arms stays
    about = {
        "task": arguments.task,
        "steps": arguments.steps,
        "draws": arguments.draws,
        "pixel_mm": works[0].pixel_mm,
        "test_cases": tested,
        "minutes": round((time.monotonic() - started) / 60, 1),
        "core_minutes_of_training": round(sum(sum(s.values()) for s in seconds.values()) / 60, 1),
        "workers": arguments.workers,
        "torch": torch.__version__,
    }
    done = [summarize(name, rows[name], seconds[name]) for name in names]
    write_results(arguments.output / f"masks_{arguments.task}", about, done)
    print(json.dumps(about, indent=1))


if __name__ == "__main__":
    main()
