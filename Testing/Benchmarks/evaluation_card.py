"""Measures a model for its evaluation card: accuracy, real knee, robustness, refusal, calibration, uncertainty.

``python Testing/Benchmarks/evaluation_card.py -o FOLDER [--data DATA] [--bundle FOLDER] [--count 6]
[--first-seed N] [--parts phantoms real robustness refusal]``

Writes card.json, card.md, reliability.png and a sheet of outlines per echo of the real knee. Every phantom has a plane,
slice distance, noise, age and contrast of a design in which each factor meets the others; its shape comes from a seed
that must not be one of training. DATA is the folder of real examinations; without it their parts are left out.
The defaults are made for ten minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from card_cases import designed_phantom, must_be_refused, orientations, perturbations
from card_output import markdown, outline_sheet, reliability_picture
from scipy.stats import spearmanr

from MultiJointSegLib import anatomy
from MultiJointSegLib.errors import MultiJointSegError, RefusalError
from MultiJointSegLib.evaluation.metrics import label_metrics
from MultiJointSegLib.imaging.canonical import canonical_slices
from MultiJointSegLib.imaging.checks import check_examination
from MultiJointSegLib.imaging.intensity import normalize_intensity
from MultiJointSegLib.imaging.reading import read_volume
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.inference.bundle import load_bundle
from MultiJointSegLib.inference.detection import OTHER, Detection
from MultiJointSegLib.inference.result import SegmentationResult
from MultiJointSegLib.inference.segmenter import Segmenter

PARTS = ("phantoms", "real", "robustness", "refusal")
SMALLEST_SLICE_MM2 = 50.0
"""Slices in which the bone is smaller, in truth and answer, do not count in the rank correlation."""


@dataclass
class Answers:
    """Answers of the detection, for the reliability diagram: stated confidence, whether it was right."""

    confidences: list[float] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)
    in_distribution: int = 0
    accepted: int = 0

    def add(self, detection: Detection, truth: str) -> None:
        """Take in one answer; `truth` is a joint or `OTHER`."""
        if truth != OTHER:
            self.in_distribution += 1
            self.accepted += detection.joint == truth
        if detection.scores:
            said = max(detection.scores, key=lambda key: detection.scores[key])
            self.confidences.append(detection.scores[said])
            self.right.append(said == truth)

    def bins(self) -> tuple[list[dict[str, float]], float]:
        """Points of the reliability diagram (ten equal bins) and the expected calibration error."""
        confidence, right = np.array(self.confidences), np.array(self.right, float)
        index = np.minimum((confidence * 10).astype(int), 9)
        points, error = [], 0.0
        for b in np.unique(index):
            inside = index == b
            point = {"confidence": float(confidence[inside].mean()), "right": float(right[inside].mean())}
            points.append(point | {"cases": float(inside.sum())})
            error += inside.mean() * abs(point["confidence"] - point["right"])
        return points, float(error)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    """Mean Dice over the labels that either label map holds; 1 if both are empty."""
    values = []
    for label in np.union1d(np.unique(a), np.unique(b)):
        if label:
            x, y = a == label, b == label
            values.append(2 * np.count_nonzero(x & y) / (np.count_nonzero(x) + np.count_nonzero(y)))
    return float(np.mean(values)) if values else 1.0


def slice_errors(result: SegmentationResult, truth: Volume) -> tuple[list[float], list[float]]:
    """Stated doubt and true error (1 - Dice) of every bone in every slice."""
    axis, geometry = result.slice_axis, truth.geometry
    area_mm2 = geometry.voxel_volume_mm3 / geometry.spacing_mm[2 - axis]
    doubts, errors = [], []
    for bone in result.joint.bones:
        t, f = truth.array == bone.label, result.labels.array == bone.label
        others = tuple(a for a in range(3) if a != axis)
        in_truth, found, both = (np.count_nonzero(m, axis=others) for m in (t, f, t & f))
        large = np.maximum(in_truth, found) * area_mm2 >= SMALLEST_SLICE_MM2
        doubts += result.slice_uncertainty[bone.key][large].tolist()
        errors += (1 - 2 * both[large] / (in_truth[large] + found[large])).tolist()
    return doubts, errors


def evaluate_phantoms(segmenter: Segmenter, options: argparse.Namespace, answers: Answers) -> dict[str, Any]:
    """Accuracy per bone and per level of every factor; uncertainty against error."""
    bones: dict[str, dict[str, list]] = {}
    factors: dict[str, dict[str, list]] = defaultdict(lambda: defaultdict(list))
    uncertainty = {}
    for joint in options.joints or segmenter.bundle.joints:
        bones[joint] = defaultdict(list)
        doubts: list[float] = []
        errors: list[float] = []
        for index in range(options.count):
            phantom, groups = designed_phantom(joint, index, options.first_seed)
            result = segmenter.segment(phantom.volume, joint=joint)
            answers.add(result.detection, joint)
            found = label_metrics(phantom.labels, result.labels, result.joint.bones, definition=options.definition)
            for bone, metrics in found.items():
                row = (metrics.dice, metrics.assd_mm, result.bone_confidence[bone])
                bones[joint][bone].append(row)
                for factor, level in groups.items():
                    factors[factor][str(level)].append(row)
            more_doubts, more_errors = slice_errors(result, phantom.labels)
            doubts += more_doubts
            errors += more_errors
            said = "  ".join(f"{bone} {m.dice:.3f}" for bone, m in found.items())
            print(f"{joint} {index}: {result.detection.joint} {said}  {groups}", flush=True)
        usable = len(doubts) > 2 and np.ptp(doubts) > 0 and np.ptp(errors) > 0
        rank = round(float(spearmanr(doubts, errors).statistic), 3) if usable else None
        uncertainty[joint] = {"slices": len(doubts), "spearman": rank}
    return {
        "first_seed": options.first_seed,
        "count": options.count,
        "definition": options.definition,
        "bones": {joint: {bone: summary(rows) for bone, rows in found.items()} for joint, found in bones.items()},
        "factors": {f: {level: summary(rows) for level, rows in sorted(by.items())} for f, by in factors.items()},
        "uncertainty": uncertainty,
    }


def summary(rows: Sequence[tuple[float, float, float]]) -> dict[str, float | int]:
    """Of (Dice, ASSD, stated Dice)."""
    values, distances, stated = np.array(rows, float).T
    return {
        "cases": len(rows),
        "dice": round(float(values.mean()), 4),
        "dice_10th": round(float(np.quantile(values, 0.1)), 4),
        "least_dice": round(float(values.min()), 4),
        "assd_mm": round(float(np.nanmean(distances)), 3),
        "confidence_error": round(float(np.abs(stated - values).mean()), 4),
    }


def evaluate_real_knee(segmenter: Segmenter, data: Path, out: Path, answers: Answers) -> dict[str, Any]:
    """Both echoes of the real knee: agreement of their results, and pictures."""
    results = {}
    for echo in ("echo1", "echo5"):
        volume = read_volume(data / "knee" / "mese_dicom" / echo)
        results[echo] = segmenter.segment(volume, joint="knee")
        answers.add(results[echo].detection, "knee")
        outline_sheet(out / f"knee_{echo}.png", volume, results[echo].labels, f"Real knee, {echo}")
    first, last = results["echo1"], results["echo5"]
    rows = {}
    for bone in first.joint.bones:
        a, b = first.labels.array == bone.label, last.labels.array == bone.label
        both = np.count_nonzero(a) + np.count_nonzero(b)
        ml = first.labels.geometry.voxel_volume_mm3 / 1000
        rows[bone.key] = [
            round(2 * np.count_nonzero(a & b) / both, 4) if both else None,
            round(np.count_nonzero(a) * ml, 1),
            round(np.count_nonzero(b) * ml, 1),
            round(first.bone_confidence[bone.key], 4),
            round(last.bone_confidence[bone.key], 4),
        ]
    said = {echo: (r.detection.joint, r.detection.confidence) for echo, r in results.items()}
    return {"bones": rows, "detected": said, "pictures": [f"knee_{echo}.png" for echo in results]}


def evaluate_robustness(segmenter: Segmenter, options: argparse.Namespace) -> dict[str, Any]:
    """Changes that must not matter, on one phantom per joint and on the real knee."""
    cases: list[tuple[str, str, Volume, Volume | None]] = []
    for joint in options.joints or segmenter.bundle.joints:
        phantom, _ = designed_phantom(joint, 0, options.first_seed)
        cases.append((f"{joint} phantom", joint, phantom.volume, phantom.labels))
    if options.data:
        knee = read_volume(options.data / "knee" / "mese_dicom" / "echo1")
        cases.append(("real knee", "knee", knee, None))
    changes, stored = [], []
    for name, joint, volume, truth in cases:
        before = segmenter.segment(volume, joint=joint).labels
        stored.append({"examination": name, **_orientations(segmenter, volume, before, joint)})
        for change, changed, box in perturbations(volume):
            result = segmenter.segment(changed, joint=joint)
            after, detected = result.labels.array, result.detection.joint
            part, known = before.array[box], None if truth is None else truth.array[box]
            changes.append(
                {
                    "examination": name,
                    "change": change,
                    "detected": detected,
                    "dice": None if known is None else round(dice(after, known), 4),
                    "dice_before": None if known is None else round(dice(part, known), 4),
                    "agreement": round(dice(after, part), 4),
                }
            )
            print(changes[-1], flush=True)
    return {"orientations": stored, "changes": changes}


def _orientations(segmenter: Segmenter, volume: Volume, before: Volume, joint: str) -> dict[str, Any]:
    """All 48 through the preparation of the network's input, every twelfth through the segmentation too."""
    wanted = canonical_slices(normalize_intensity(volume)).images
    largest, values, count = 0.0, [], 0
    for count, (_, turned) in enumerate(orientations(volume), start=1):
        seen = canonical_slices(normalize_intensity(turned)).images
        difference = float(np.abs(seen - wanted).max()) if seen.shape == wanted.shape else float("inf")
        largest = max(largest, difference)
        if count % 12 == 6:
            found = segmenter.segment(turned, joint=joint).labels
            centers = turned.geometry.index_to_point(np.argwhere(found.array > 0)[:, ::-1])
            k, j, i = np.rint(volume.geometry.point_to_index(centers)).astype(int).T[::-1]
            back = np.zeros_like(before.array)
            back[k, j, i] = found.array[found.array > 0]
            values.append(dice(back, before.array))
    return {"count": count, "largest_difference": largest, "segmented": len(values), "least_dice": min(values)}


def evaluate_refusal(segmenter: Segmenter, options: argparse.Namespace, answers: Answers) -> dict[str, Any]:
    """Share of foreign examinations that are refused, at whatever point of the way."""
    groups: dict[str, dict[str, int]] = {}
    not_refused, sentences = [], {}
    cases = must_be_refused(options.data, others=options.others, first_seed=options.first_seed, hips=options.hips)
    for group, name, volume in cases:
        row = groups.setdefault(group, {"refused": 0, "of": 0})
        row["of"] += 1
        try:
            check_examination(volume)
            detection = segmenter.detect(volume)
            answers.add(detection, OTHER)
            if detection.joint is None:
                raise RefusalError(detection.reason)
            segmenter.segment(volume)
            not_refused.append(f"{group}: {name}, {detection.reason.rstrip('.')}")
        except MultiJointSegError as error:
            row["refused"] += 1
            sentences[f"{group}: {name}"] = str(error)
        print(f"{group}, {name}: {sentences.get(f'{group}: {name}', 'NOT REFUSED')}", flush=True)
    return {"groups": groups, "not_refused": not_refused, "sentences": sentences}


def main() -> None:
    """Run the chosen parts and write the card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the card")
    parser.add_argument("--data", type=Path, help="folder of real examinations")
    parser.add_argument("--bundle", type=Path, help="folder of a model bundle; the shipped one by default")
    parser.add_argument("--joints", nargs="+", help="all joints of the model by default")
    parser.add_argument("--count", type=int, default=6, help="phantoms per joint")
    parser.add_argument("--others", type=int, default=6, help="phantoms of other body parts")
    parser.add_argument("--hips", type=int, default=15, help="examinations of hip MR at most")
    parser.add_argument("--first-seed", type=int, default=1_000_000)
    parser.add_argument("--definition", choices=("border", "surfel"), default="border", help="of surfaces")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    for joint in options.joints or ():
        anatomy.joint(joint)
    options.output.mkdir(parents=True, exist_ok=True)
    bundle = load_bundle(options.bundle)
    segmenter, answers, begin = Segmenter(bundle, options.device), Answers(), time.perf_counter()
    card: dict[str, Any] = {
        "model": f"{bundle.manifest.name} {bundle.manifest.version}",
        "weights_sha256": bundle.manifest.weights_sha256,
        "how": "Written by Testing/Benchmarks/evaluation_card.py; the numbers are in card.json.",
    }
    if "phantoms" in options.parts:
        card["phantoms"] = evaluate_phantoms(segmenter, options, answers)
    if "real" in options.parts and options.data:
        card["real_knee"] = evaluate_real_knee(segmenter, options.data, options.output, answers)
    if "robustness" in options.parts:
        card["robustness"] = evaluate_robustness(segmenter, options)
    if "refusal" in options.parts:
        card["refusal"] = evaluate_refusal(segmenter, options, answers)
    if answers.confidences:
        bins, error = answers.bins()
        card["detection"] = {
            "cases": len(answers.confidences),
            "in_distribution": answers.in_distribution,
            "accepted": answers.accepted,
            "calibration_error": round(error, 4),
            "bins": bins,
        }
        reliability_picture(options.output / "reliability.png", bins, error)
    card["elapsed_s"] = round(time.perf_counter() - begin, 1)
    (options.output / "card.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    (options.output / "card.md").write_text(markdown(card) + "\n", encoding="utf-8")
    print(markdown(card))


if __name__ == "__main__":
    main()
