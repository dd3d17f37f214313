"""Measures joint detection, segmentation and stated uncertainty on phantoms with known truth; writes a JSON result.

``python Testing/Benchmarks/inference_accuracy.py [--bundle FOLDER] [--joints knee ...] [--count 20] [--first-seed N]
[--variants default f32 bf16 flip closing0] [--refuse EXAMINATION ...] [-o FILE]``

The seeds must not be those of training. Every variant segments the same phantoms; "default" is what users get. Body
parts that are none of the model's joints (phantoms of the hip and others, and the examinations after ``--refuse``)
must be refused. The rank correlation tells whether doubtful slices are the wrong ones.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from MultiJointSegLib import anatomy
from MultiJointSegLib.errors import RefusalError
from MultiJointSegLib.imaging.reading import read_volume
from MultiJointSegLib.inference.bundle import ModelBundle, load_bundle
from MultiJointSegLib.inference.result import SegmentationResult
from MultiJointSegLib.inference.segmenter import Segmenter
from MultiJointSegLib.phantom.acquisition import acquire, draw_acquisition
from MultiJointSegLib.phantom.others import procedural_other_map
from MultiJointSegLib.phantom.phantom import Phantom, make_phantom

FIRST_SEED = 1_000_000
SMALLEST_SLICE_MM2 = 50.0
"""Slices in which the bone is smaller, in truth and answer, do not count in the rank correlation."""
YOUNG_YEARS = 7
"""Below, much of the bones is cartilage yet; their Dice is told apart."""


def dice(a: np.ndarray, b: np.ndarray) -> float:
    """Dice coefficient of two masks; 1 if both are empty."""
    total = np.count_nonzero(a) + np.count_nonzero(b)
    return 2 * np.count_nonzero(a & b) / total if total else 1.0


def make_variant(bundle: ModelBundle, name: str, device: str) -> Segmenter:
    """Segmenter of a variant's name; see the module's docstring."""
    if name.startswith("closing"):
        settings = bundle.manifest.segmentation.model_copy(update={"closing_radius_mm": float(name[7:])})
        manifest = bundle.manifest.model_copy(update={"segmentation": settings})
        return Segmenter(dataclasses.replace(bundle, manifest=manifest), device)
    if name in ("f32", "bf16"):
        return Segmenter(bundle, device, precision=name)
    return Segmenter(bundle, device, tta=None if name == "default" else name)


def judge(result: SegmentationResult, phantom: Phantom) -> dict[str, dict]:
    """Per bone: Dice, stated confidence, and per slice the stated doubt with the true error."""
    rows = {}
    axis, geometry = result.slice_axis, phantom.volume.geometry
    area_mm2 = geometry.voxel_volume_mm3 / geometry.spacing_mm[2 - axis]
    for bone in result.joint.bones:
        truth, found = phantom.labels.array == bone.label, result.labels.array == bone.label
        doubts, errors = [], []
        for index in range(truth.shape[axis]):
            t, f = truth.take(index, axis), found.take(index, axis)
            if max(np.count_nonzero(t), np.count_nonzero(f)) * area_mm2 >= SMALLEST_SLICE_MM2:
                doubts.append(float(result.slice_uncertainty[bone.key][index]))
                errors.append(1 - dice(t, f))
        rows[bone.key] = {
            "dice": dice(truth, found),
            "truth_ml": float(np.count_nonzero(truth)) * geometry.voxel_volume_mm3 / 1000,
            "confidence": result.bone_confidence[bone.key],
            "doubts": doubts,
            "errors": errors,
        }
    return rows


def phantom_words(phantom: Phantom) -> str:
    """Grid of a phantom, for the log."""
    i, j, k = phantom.volume.geometry.size
    spacing = " x ".join(f"{s:.2f}" for s in phantom.volume.spacing_mm)
    return f"{i} x {j} x {k} voxels of {spacing} mm"


def summarize(cases: list[dict[str, dict]], ages_years: list[float]) -> dict[str, dict[str, object]]:
    """Per bone over all cases, and the mean Dice of the young and of the others."""
    summary: dict[str, dict[str, object]] = {}
    young = np.array(ages_years) < YOUNG_YEARS
    groups = {f"under {YOUNG_YEARS} years": young, f"from {YOUNG_YEARS} years on": ~young}
    for key in cases[0]:
        rows = [case[key] for case in cases]
        values = np.array([row["dice"] for row in rows])
        confidence = np.array([row["confidence"] for row in rows])
        doubts, errors = (np.concatenate([row[name] for row in rows]) for name in ("doubts", "errors"))
        usable = len(doubts) > 2 and np.ptp(doubts) > 0 and np.ptp(errors) > 0
        summary[key] = {
            "mean_dice": round(float(values.mean()), 4),
            "median_dice": round(float(np.median(values)), 4),
            "least_dice": round(float(values.min()), 4),
            "mean_dice_by_age": {
                name: {"cases": int(own.sum()), "mean_dice": round(float(values[own].mean()), 4)}
                for name, own in groups.items()
                if own.any()
            },
            "mean_confidence": round(float(confidence.mean()), 4),
            "mean_confidence_error": round(float(np.abs(confidence - values).mean()), 4),
            "doubt_to_error_rank_correlation": round(float(spearmanr(doubts, errors).statistic), 3) if usable else None,
        }
    return summary


def refusals(segmenter: Segmenter, count: int, first_seed: int, files: list[Path]) -> dict[str, str]:
    """What is said about body parts that are none of the model's joints."""
    answers = {}
    volumes = [(str(path), read_volume(path)) for path in files]
    if "hip" not in segmenter.bundle.joints:
        volumes += [(f"hip {s}", make_phantom("hip", seed=s).volume) for s in range(first_seed, first_seed + count)]
    for seed in range(first_seed, first_seed + count):
        tissue_map = procedural_other_map(seed)
        rng = np.random.default_rng(seed)
        volumes.append((f"other {seed}", acquire(tissue_map, draw_acquisition(tissue_map, rng), rng)[0]))
    for name, volume in volumes:
        try:
            result = segmenter.segment(volume)
            answers[name] = f"NOT REFUSED: {result.detection.reason}"
        except RefusalError as error:
            answers[name] = str(error)
    return answers


def main() -> None:
    """Run the measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, help="folder of a model bundle; the shipped one by default")
    parser.add_argument("--joints", nargs="+", help="all joints of the model by default")
    parser.add_argument("--count", type=int, default=20, help="phantoms per joint")
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    parser.add_argument("--others", type=int, default=5, help="phantoms per kind that must be refused")
    parser.add_argument("--variants", nargs="+", default=["default"])
    parser.add_argument("--refuse", nargs="*", type=Path, default=[], help="examinations that must be refused")
    parser.add_argument("--device", default="auto")
    parser.add_argument("-o", "--output", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    bundle = load_bundle(arguments.bundle)
    segmenters = {name: make_variant(bundle, name, arguments.device) for name in arguments.variants}
    detector = next(iter(segmenters.values()))
    result: dict[str, object] = {
        "model": f"{bundle.manifest.name} {bundle.manifest.version}",
        "count": arguments.count,
        "first_seed": arguments.first_seed,
        "joints": {},
    }
    for joint in arguments.joints or bundle.joints:
        anatomy.joint(joint)
        cases: dict[str, list] = {name: [] for name in segmenters}
        wrong, scores, ages = [], [], []
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.count):
            phantom = make_phantom(joint, seed=seed)
            ages.append(float(phantom.settings["age_years"]))
            detection = detector.detect(phantom.volume)
            scores.append(detection.scores.get(joint, 0.0))
            if detection.joint != joint:
                wrong.append({"seed": seed, "said": detection.joint, "scores": detection.scores})
            for name, segmenter in segmenters.items():
                cases[name].append(judge(segmenter.segment(phantom.volume, joint=joint), phantom))
            said = "  ".join(f"{key} {row['dice']:.3f}" for key, row in cases[next(iter(cases))][-1].items())
            print(f"{joint} {seed}: detected {detection.joint} ({scores[-1]:.2f}), {phantom_words(phantom)}; {said}")
        result["joints"][joint] = {
            "detected": 1 - len(wrong) / arguments.count,
            "least_score": min(scores),
            "wrong": wrong,
            "variants": {name: summarize(rows, ages) for name, rows in cases.items()},
        }
        for name, rows in result["joints"][joint]["variants"].items():
            print(f"{joint}, {name}: " + "; ".join(f"{key} {row}" for key, row in rows.items()))
    said = refusals(detector, arguments.others, arguments.first_seed, arguments.refuse)
    result["refused"] = {"of": len(said), "refused": sum("NOT REFUSED" not in text for text in said.values())}
    result["answers"] = said
    print(json.dumps(said, indent=1))
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
