"""The evaluation card as Markdown, and its pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

from MultiJointSegLib import anatomy
from MultiJointSegLib.imaging.canonical import canonical_slices
from MultiJointSegLib.imaging.volume import Volume

mpl.use("Agg")
from matplotlib import pyplot as plt


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Lines of a Markdown table."""

    def cell(value: object) -> str:
        if value is None or value != value:
            return "–"
        return f"{value:.3f}" if isinstance(value, float) else str(value)

    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return [*lines, *("| " + " | ".join(cell(v) for v in row) + " |" for row in rows)]


def markdown(card: Mapping[str, Any]) -> str:
    """The card's text; parts that were not run are left out."""
    lines = [f"# Evaluation card: {card['model']}", "", card["how"], ""]
    if "phantoms" in card:
        lines += _phantoms(card["phantoms"])
    if "real_knee" in card:
        lines += _real_knee(card["real_knee"])
    if "robustness" in card:
        rows = [
            [r["examination"], r["change"], r["detected"] or "refused", r["dice"], r["dice_before"], r["agreement"]]
            for r in card["robustness"]["changes"]
        ]
        lines += ["## Robustness", ""]
        for r in card["robustness"]["orientations"]:
            lines.append(
                f"- {r['examination']}: stored in {r['count']} orientations, the network's input differs by at most "
                f"{r['largest_difference']:.1e}; Dice of {r['segmented']} of the results with the original's at least "
                f"{r['least_dice']:.4f}."
            )
        header = ["examination", "change", "detected", "Dice", "Dice unchanged", "Dice between both results"]
        lines += ["", *table(header, rows), ""]
    if "refusal" in card:
        rows = [[k, v["refused"], v["of"]] for k, v in card["refusal"]["groups"].items()]
        lines += ["## Refusal of what is none of the joints", "", *table(["group", "refused", "of"], rows), ""]
        lines += [f"Not refused: {n}." for n in card["refusal"]["not_refused"]] + [""]
    if "detection" in card:
        d = card["detection"]
        lines += [
            "## Detection",
            "",
            f"Accepted with the right joint: {d['accepted']} of {d['in_distribution']} examinations of the joints.",
            f"Expected calibration error: {d['calibration_error']:.3f} over {d['cases']} answers (reliability.png).",
            "",
        ]
    return "\n".join(lines)


def _phantoms(part: Mapping[str, Any]) -> list[str]:
    lines = [
        "## Phantoms of unseen seeds",
        "",
        f"ASSD between {part['definition']} elements; 10th: the value that nine of ten cases exceed.",
        "",
    ]
    rows = [
        [
            f"{joint}, {bone}",
            r["cases"],
            r["dice"],
            r["dice_10th"],
            r["least_dice"],
            r["assd_mm"],
            r["confidence_error"],
        ]
        for joint, bones in part["bones"].items()
        for bone, r in bones.items()
    ]
    header = ["bone", "n", "mean Dice", "10th", "least", "mean ASSD mm", "mean error of the stated Dice"]
    lines += [*table(header, rows), ""]
    rows = [
        [factor, level, r["cases"], r["dice"], r["assd_mm"]]
        for factor, levels in part["factors"].items()
        for level, r in levels.items()
    ]
    lines += [*table(["factor", "level", "bones", "mean Dice", "mean ASSD mm"], rows), ""]
    rows = [[joint, r["slices"], r["spearman"]] for joint, r in part["uncertainty"].items()]
    lines += ["Stated uncertainty of a slice against its true error (1 - Dice), Spearman's rank correlation:", ""]
    return [*lines, *table(["joint", "slices", "Spearman"], rows), ""]


def _real_knee(part: Mapping[str, Any]) -> list[str]:
    rows = [[bone, *values] for bone, values in part["bones"].items()]
    header = ["bone", "Dice between the echoes", "ml, echo 1", "ml, echo 5", "stated, echo 1", "stated, echo 5"]
    said = "; ".join(f"{echo}: {joint or 'refused'} ({score:.2f})" for echo, (joint, score) in part["detected"].items())
    return ["## Real knee, two echoes of one adult knee", "", f"Detected: {said}.", "", *table(header, rows), ""]


def reliability_picture(path: Path, bins: Sequence[Mapping[str, float]], error: float) -> None:
    """Confidence against the share of right answers; the number of cases beside every point."""
    figure, axes = plt.subplots(figsize=(4.2, 4.0), layout="constrained")
    axes.plot([0, 1], [0, 1], color="0.7", lw=1)
    axes.plot([b["confidence"] for b in bins], [b["right"] for b in bins], "o-", color="#14558f")
    for b in bins:
        axes.annotate(
            f"{b['cases']:.0f}", (b["confidence"], b["right"]), xytext=(5, -11), textcoords="offset points", fontsize=8
        )
    axes.set(xlim=(0, 1.02), ylim=(-0.02, 1.05), xlabel="stated confidence", ylabel="share of right answers")
    axes.set_title(f"Joint detection, calibration error {error:.3f}", fontsize=10)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def outline_sheet(path: Path, volume: Volume, labels: Volume, title: str) -> None:
    """Every slice as the network reads it, with the outlines of the bones."""
    slices = canonical_slices(volume, pixel_mm=0.6, minimum_pitch_mm=3.0)
    shown = slices.grid.sample_labels(labels)
    images = slices.images[:, 1]
    high = float(np.percentile(images, 99.5)) or 1.0
    columns = 6
    rows = -(-len(images) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(2.6 * columns, 2.6 * rows), layout="constrained", squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for n, (image, label) in enumerate(zip(images, shown, strict=True)):
        axis = axes.flat[n]
        axis.imshow(image, cmap="gray", vmin=0, vmax=high)
        for bone in anatomy.all_bones():
            mask = label == bone.label
            if mask.any():
                axis.contour(mask, [0.5], colors=[tuple(c / 255 for c in bone.color)], linewidths=0.9)
        axis.set_title(f"{n + 1}", fontsize=7, pad=1)
    figure.suptitle(title)
    figure.savefig(path, dpi=80)
    plt.close(figure)
