"""The trainings of one task with global masks: every arm on the same cases, judged on the same others."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mask_cases import Case, Task

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.inference.postprocess import clean_classes
from MultiJointSegLib.learning.masks.settings import ENCODING_CHANNELS, IMAGE_CHANNELS, MaskSettings
from MultiJointSegLib.learning.masks.slice_training import FitSettings, SliceStack, fit, predict_stack
from MultiJointSegLib.networks.shared_unet import SharedUNet

BACKBONE, DECODER = "small_unet", (64, 48, 32, 24, 12)
SEED = 11
IMAGE_ARM = "image"
BLOCK = 5
"""Slices; see `Experiment.coarse_masks`."""

CLOSING_MM = 1.5
"""As in the product: `inference.manifest.SegmentationSettings`."""


class Experiment:
    """All trainings of one task."""

    def __init__(
        self,
        task: Task,
        steps: int,
        encoding: str,
        *,
        fusions: Sequence[str] = ("output",),
        first_pass: str = "skin",
        raw: bool = False,
        keep: int | None = None,
    ) -> None:
        self.task = task
        self.steps = steps
        self.encoding = encoding
        self.fusions = tuple(fusions)
        self.first_pass = first_pass  # what the first pass sees: the "image", or "skin": image and skin
        self.raw = raw
        self.keep = keep  # number of cases whose answers are kept for pictures
        self.rows: list[dict] = []
        self.seconds: dict[str, float] = {}
        self._trained: dict[tuple, SharedUNet] = {}
        self.answers: dict[tuple[str, int], dict[str, np.ndarray]] = {}

    def settings(self, source: str, encoding: str | None = None) -> MaskSettings:
        """Mask of a source; the oracle is asked for by name here, since nothing of this ships."""
        return MaskSettings(source=source, encoding=encoding or self.encoding, allow_oracle=source == "oracle")

    def run_draw(self, draw: int, counts: list[int], sources: list[str], arms: list[str], encodings: list[str]) -> None:
        """All arms at every number of cases, with one order of the training cases."""
        order = np.random.default_rng(1000 + draw).permutation(len(self.task.train))
        for n in counts:
            cases = [self.task.train[index] for index in order[:n]]
            if IMAGE_ARM in arms:
                network = self.train_arm(IMAGE_ARM, n, draw, [_stack(c, c.slices.images) for c in cases])
                self.judge(IMAGE_ARM, n, draw, network, {c.name: c.slices.images for c in self.task.test})
            for source in sources:
                coarse = self.coarse_masks(cases, n, draw) if source == "bone" else {}
                for encoding in encodings:
                    settings = self.settings(source, encoding)
                    label = source if encoding == self.encoding else f"{source} {encoding}"
                    if "mask" in arms and n <= 8:
                        self.run_masked(f"mask {label}", "mask", cases, settings, coarse, n, draw)
                    for fusion in self.fusions if "image+mask" in arms else ():
                        name = f"image+mask {label}" + (f", joined at the {fusion}" if fusion != "output" else "")
                        self.run_masked(name, "image+mask", cases, settings, coarse, n, draw, fusion)

    def run_masked(
        self,
        name: str,
        arm: str,
        cases: list[Case],
        settings: MaskSettings,
        coarse: dict[str, Volume],
        n: int,
        draw: int,
        fusion: str = "input",
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
        stacks = [_stack(c, inputs(c)) for c in cases]
        network = self.train_arm(name, n, draw, stacks, own, fusion)
        self.judge(name, n, draw, network, {c.name: inputs(c) for c in self.task.test})

    def train_arm(
        self,
        name: str,
        n: int,
        draw: int,
        stacks: list[SliceStack],
        own: int = IMAGE_CHANNELS,
        fusion: str = "input",
    ) -> SharedUNet:
        """Train one arm from the draw's seed; arms that are the same network on the same slices are trained once."""
        key = (own, fusion, n, draw, hashlib.sha256(b"".join(stack.inputs.tobytes() for stack in stacks)).hexdigest())
        if key in self._trained:
            return self._trained[key]
        started = time.process_time()
        torch.manual_seed(SEED + draw)
        more = stacks[0].inputs.shape[1] - own
        network = SharedUNet(
            {"task": len(self.task.structures)},
            DECODER,
            backbone=BACKBONE,
            sees_image=own > 0,
            mask_channels=more,
            mask_fusion=fusion,
        )
        anything: Any = network  # torch's own types know no memory format
        anything.to(memory_format=torch.channels_last)
        settings = FitSettings(
            steps=self.steps,
            pixel_mm=self.task.pixel_mm,
            image_channels=own,
            seed=SEED + draw,
            vary_masks=own > 0 and fusion == "output",
        )
        losses = fit(network, stacks, settings)
        took = time.process_time() - started
        self.seconds[f"{name} n={n} draw={draw}"] = round(took, 1)
        self._trained[key] = network
        print(f"n={n:2d} draw {draw} {name}: loss {np.mean(losses[-10:]):.3f}, {took:.0f} s of a core", flush=True)
        return network

    def coarse_masks(self, cases: list[Case], n: int, draw: int) -> dict[str, Volume]:
        """Labels by a first pass: of a test case by the one of all training cases, of these by one without them.

        Of a single case, one learns from every other block of its slices.
        """

        def inputs(case: Case) -> np.ndarray:
            if self.first_pass == "image":
                return case.slices.images
            return np.concatenate([case.slices.images, case.mask(self.settings("skin"))], axis=1)

        fusion = "input" if self.first_pass == "image" else "output"
        network = self.train_arm("first pass", n, draw, [_stack(c, inputs(c)) for c in cases], fusion=fusion)
        coarse = {c.name: self.labels(network, c, inputs(c)) for c in self.task.test}
        if n == 1:
            (case,) = cases
            whole, block = inputs(case), np.arange(len(case.target)) // BLOCK % 2
            answer = np.empty((len(whole), len(self.task.structures) + 1, *whole.shape[2:]), np.float32)
            for held in (0, 1):
                stack = SliceStack(whole[block != held], case.target[block != held], _sagittal(case))
                network = self.train_arm(f"first pass without half {held + 1}", n, draw, [stack], fusion=fusion)
                answer[block == held] = predict_stack(network, whole[block == held])
            classes, _ = case.slices.grid.argmax_to_native(answer)
            return coarse | {case.name: case.labels.with_array(classes)}
        for held in (0, 1):
            stacks = [_stack(c, inputs(c)) for index, c in enumerate(cases) if index % 2 != held]
            network = self.train_arm(f"first pass without half {held + 1}", n, draw, stacks, fusion=fusion)
            for case in cases[held::2]:
                coarse[case.name] = self.labels(network, case, inputs(case))
        return coarse

    @staticmethod
    def labels(network: SharedUNet, case: Case, inputs: np.ndarray) -> Volume:
        """Classes on the native grid."""
        classes, _ = case.slices.grid.argmax_to_native(predict_stack(network, inputs))
        return case.labels.with_array(classes)

    def cleaned(self, labels: Volume) -> Volume:
        """What the product makes of the classes: bones in one piece, gaps closed."""
        if self.raw:
            return labels
        cleaned = clean_classes(
            labels.array,
            labels.spacing_mm[::-1],
            count=len(self.task.structures),
            closing_radius_mm=CLOSING_MM,
            both_sides=any(paired for _, paired in self.task.structures),
        )
        return labels.with_array(cleaned.classes)

    def judge(self, arm: str, n: int, draw: int, network: SharedUNet, inputs: dict[str, np.ndarray]) -> None:
        """Dice and center distance of every structure of every test case, on the native grid."""
        for case in self.task.test:
            found = self.cleaned(self.labels(network, case, inputs[case.name]))
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


def _stack(case: Case, inputs: np.ndarray) -> SliceStack:
    return SliceStack(inputs, case.target, _sagittal(case))


def _sagittal(case: Case) -> bool:
    return case.slices.grid.plane == "sagittal"
