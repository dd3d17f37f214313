"""Tables, tests and learning curves of the experiments with global masks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from MultiJointSegLib.evaluation.statistics import holm, signed_rank_test
from MultiJointSegLib.imaging.atomic import atomic_write

NOTE = (
    "Dice and center distance: mean over structures, then over test cases (and draws). Gain: 100 (D_mask - D_image) / "
    "D_image. p: two-sided exact Wilcoxon signed-rank test of image+mask against image, paired by test case (mean over "
    "its structures and draws), Holm-corrected over the rows of one task; with five cases it cannot be below 0.0625. "
    "The masks of `oracle` and `organ` are made from the truth here: upper bounds, not results."
)


def summarize(task: str, rows: list[dict], seconds: dict[str, float]) -> dict:
    """Means per arm and n, per structure, and the paired comparisons of image+mask with image."""
    arms = list(dict.fromkeys(row["arm"] for row in rows))
    counts = sorted({row["n"] for row in rows})
    means = []
    for arm in arms:
        for n in counts:
            own = [row for row in rows if (row["arm"], row["n"]) == (arm, n)]
            if own:
                by_case = _by_case(own)
                centers = [row["center_mm"] for row in own if row["center_mm"] is not None]
                mean = {"arm": arm, "n": n, "dice": _round(np.mean(list(by_case.values())))}
                mean["dice_sd"] = _round(np.std(list(by_case.values()), ddof=1)) if len(by_case) > 1 else None
                mean["center_mm"] = _round(np.mean(centers), 2) if centers else None
                mean["not_found"] = sum(row["center_mm"] is None for row in own)
                mean["structures"] = _structures(own)
                means.append(mean)
    comparisons = []
    for arm in arms:
        for n in counts:
            both = [_by_case([r for r in rows if (r["arm"], r["n"]) == (a, n)]) for a in (arm, "image")]
            if arm.startswith("image+") and both[0] and both[1]:
                differences = [both[0][case] - both[1][case] for case in both[0]]
                base = float(np.mean(list(both[1].values())))
                comparisons.append(
                    {
                        "arm": arm,
                        "n": n,
                        "gain": _round(np.mean(differences)),
                        "gain_percent": _round(100 * np.mean(differences) / base, 1) if base else None,
                        "better_in": sum(d > 0 for d in differences),
                        "cases": len(differences),
                        "p": _round(signed_rank_test(differences).p_value),
                    }
                )
    for row, p in zip(comparisons, holm([c["p"] for c in comparisons]), strict=True):
        row["p_corrected"] = _round(p)
    return {"task": task, "means": means, "comparisons": comparisons, "rows": rows, "seconds": seconds}


def _by_case(rows: list[dict]) -> dict[str, float]:
    """Mean Dice of each case over structures and draws."""
    cases = dict.fromkeys(row["case"] for row in rows)
    return {case: float(np.mean([r["dice"] for r in rows if r["case"] == case])) for case in cases}


def _structures(rows: list[dict]) -> dict[str, dict]:
    found = {}
    for name in dict.fromkeys(row["structure"] for row in rows):
        own = [row for row in rows if row["structure"] == name]
        centers = [row["center_mm"] for row in own if row["center_mm"] is not None]
        center = _round(np.mean(centers), 2) if centers else None
        found[name] = {"dice": _round(np.mean([row["dice"] for row in own])), "center_mm": center}
    return found


def _round(value: float, digits: int = 4) -> float:
    return round(float(value), digits)


def write_results(stem: Path, about: dict, tasks: list[dict]) -> None:
    """Write the JSON, the tables and the learning curves."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(stem.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps({"about": about, "note": NOTE, "tasks": tasks}, indent=1) + "\n")
    with atomic_write(stem.with_suffix(".md")) as temporary:
        temporary.write_text("\n\n".join(table(task) for task in tasks) + f"\n\n{NOTE}\n")
    _curves(stem.with_suffix(".png"), tasks)


def merge(paths: Sequence[Path], stem: Path) -> dict:
    """Write as one result what several runs with the same settings found, of other arms or numbers of cases.

    Raises
    ------
    SystemExit
        If the settings differ, or two runs hold the same arm at the same number of cases.
    """
    results = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    about = dict(results[0]["about"])
    free = {"minutes", "core_minutes_of_training", "workers"}
    for result in results[1:]:
        other = [key for key in about if key not in free and result["about"].get(key) != about[key]]
        if other:
            raise SystemExit(f"The runs differ in {', '.join(other)} and cannot be merged.")
        for key in ("minutes", "core_minutes_of_training"):
            about[key] = round(about[key] + result["about"][key], 1)
    tasks = []
    for name in sorted({task["task"] for result in results for task in result["tasks"]}):
        own = [task for result in results for task in result["tasks"] if task["task"] == name]
        rows = [row for task in own for row in task["rows"]]
        if len({(r["arm"], r["n"], r["draw"], r["case"], r["structure"]) for r in rows}) < len(rows):
            raise SystemExit(f"Two runs of {name} hold the same arm at the same number of cases.")
        rows.sort(key=lambda row: (row["draw"], row["n"]))
        tasks.append(summarize(name, rows, {k: v for task in own for k, v in task["seconds"].items()}))
    write_results(stem, about, tasks)
    return about


def table(task: dict) -> str:
    """Markdown: one row per arm, one column per n, each "Dice / center distance"; then the comparisons."""
    counts = sorted({m["n"] for m in task["means"]})
    cells = {(m["arm"], m["n"]): m for m in task["means"]}
    arms = list(dict.fromkeys(m["arm"] for m in task["means"]))
    lines = [
        f"### {task['task']}: Dice / center distance in mm",
        "",
        "| input | " + " | ".join(f"n = {n}" for n in counts) + " |",
        "|---" * (len(counts) + 1) + "|",
    ]
    for arm in arms:
        shown = [_cell(cells.get((arm, n))) for n in counts]
        lines.append(f"| {arm} | " + " | ".join(shown) + " |")
    names = list(task["means"][0]["structures"])
    alone = [n for n in counts if any(arm.startswith("mask") and (arm, n) in cells for arm in arms)]
    largest = max(alone or counts)
    lines += ["", f"Per structure, n = {largest}:", "", "| input | " + " | ".join(names) + " |"]
    lines.append("|---" * (len(names) + 1) + "|")
    for arm in arms:
        if (arm, largest) in cells:
            own = cells[arm, largest]["structures"]
            lines.append(f"| {arm} | " + " | ".join(_cell(own.get(name)) for name in names) + " |")
    if task["comparisons"]:
        lines += ["", "| image+mask against image | n | gain in Dice | gain % | better in | p | p, Holm |"]
        lines.append("|---" * 7 + "|")
        for c in task["comparisons"]:
            values = (c["n"], f"{c['gain']:+.3f}", c["gain_percent"], f"{c['better_in']} of {c['cases']}", c["p"])
            lines.append(f"| {c['arm']} | " + " | ".join(map(str, values)) + f" | {c['p_corrected']} |")
    return "\n".join(lines)


def _cell(mean: dict | None) -> str:
    if mean is None:
        return ""
    center = "not found" if mean["center_mm"] is None else f"{mean['center_mm']:.1f}"
    return f"{mean['dice']:.3f} / {center}"


def _curves(path: Path, tasks: list[dict]) -> None:
    figure = Figure(figsize=(6.5 * len(tasks), 8), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    for column, task in enumerate(tasks, start=1):
        for row, (key, title) in enumerate((("dice", "Dice"), ("center_mm", "Center distance, mm"))):
            axes = figure.add_subplot(2, len(tasks), row * len(tasks) + column)
            for arm in dict.fromkeys(m["arm"] for m in task["means"]):
                own = [m for m in task["means"] if m["arm"] == arm and m[key] is not None]
                style = "-" if arm.startswith("image+") else "--" if arm == "image" else ":"
                width = 2.5 if arm == "image" else 1.5
                axes.plot([m["n"] for m in own], [m[key] for m in own], style, marker="o", lw=width, label=arm)
            axes.set_xscale("log", base=2)
            axes.set_xticks(sorted({m["n"] for m in task["means"]}))
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
            axes.set_title(f"{task['task']}: {title}")
            axes.set_xlabel("training cases")
            axes.grid(alpha=0.3)
            if row == 0:
                axes.legend(fontsize=8)
    canvas.print_png(path)
