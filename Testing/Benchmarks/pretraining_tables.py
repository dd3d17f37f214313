"""Tables of the experiment `pretraining` for people.

``python Testing/Benchmarks/pretraining_tables.py RESULT.json ... > FILE.md``
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

_LINE_MM, _LINE_DEG, _LOCATION = 2.0, 3.0, 0.05
_FEW = 4


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    return [_row(head), _row(["---"] * len(head)), *(_row(r) for r in rows), ""]


def _own_task(errors: dict) -> list[str]:
    """Errors of a pretraining on its own task, each with the aim it misses."""
    if "all" not in errors:
        (name, value), *_ = errors.items()
        meaning = {
            "accuracy": "turns told rightly", "pairs_found": "views matched rightly in a batch",
            "error_share": "error in hidden patches as a share of that of their mean",
        }  # fmt: skip
        return ["", "", "", f"{meaning[name]}: {value:.3f}"]
    found = errors["all"]
    cells = []
    for key, aim, digits in (("line_mm", _LINE_MM, 2), ("line_deg", _LINE_DEG, 2), ("location", _LOCATION, 3)):
        if key not in found or not found[key]["count"]:
            cells.append("none found")
            continue
        v = found[key]
        missed = "" if v["mean"] <= aim else " (missed)"
        cells.append(f"{v['mean']:.{digits}f} (median {v['median']:.{digits}f}){missed}")
    lines = found.get("line_mm")
    return [*cells, f"{lines['count']} of {lines['total']} lines found" if lines else ""]


def _anatomy(result: dict) -> list[str]:
    """What of the line errors is the technologist's scatter, where the anatomy's own planes are known."""
    scatter = result.get("scatter")
    if scatter is None:
        return []
    text = [
        "The truth above is what the technologist chose, with scatter. The planes of the anatomy itself would score",
        f"{scatter['line_mm']:.2f} mm and {scatter['line_deg']:.2f} degrees ({scatter['lines']} lines). Against them:",
        "",
    ]
    for name, made in result["pretraining"].items():
        if "errors_to_anatomy" in made:
            found = made["errors_to_anatomy"]["all"]
            shown = [
                f"mean {found[k]['mean']:.2f}, median {found[k]['median']:.2f} {unit}"
                for k, unit in (("line_mm", "mm"), ("line_deg", "degrees"))
            ]
            text.append(f"- {name}: {'; '.join(shown)}")
    return [*text, ""]


def _means(part: dict, unit: str) -> list[str]:
    amounts = list(next(iter(part["mean"].values())))
    best = {a: max(v[a] for v in part["mean"].values()) for a in amounts}
    rows = [
        [start, *(f"**{v[a]:.3f}**" if v[a] == best[a] else f"{v[a]:.3f}" for a in amounts)]
        for start, v in part["mean"].items()
    ]
    return _table(["start", *(unit.format(a) for a in amounts)], rows)


def _comparisons(part: dict, unit: str) -> list[str]:
    rows = []
    for c in part["comparisons"]:
        low, high = c["interval"]
        verdict = "won" if c["mean_difference"] > 0 else "lost"
        if c["p_corrected"] is None or c["p_corrected"] >= 0.05:
            verdict += ", not significant"
        p = ["–" if v is None else f"{v:.4f}" for v in (c["p"], c["p_corrected"])]
        rows.append([
            f"{c['first']} against {c['second']}", unit.format(c["amount"]),
            f"{c['mean_difference']:+.3f} ({low:+.3f} to {high:+.3f})", *p, verdict,
        ])  # fmt: skip
    return _table(["comparison", "labels", "difference (95 %)", "p", "p corrected", "outcome"], rows)


def markdown(result: dict) -> str:
    """All tables of one result."""
    s, studies = result["settings"], result["studies"]
    text = [
        f"## {'Synthetic knees' if result['joint'] == 'knee' else 'Real pelvis MR'}, size `{result['size']}`",
        "",
        (
            f"{studies['unlabelled']} unlabelled studies, {studies['held_back']} held back to judge pretraining, up to "
            f"{max(s['labelled'])} labelled, {studies['test']} for testing. "
            f"Pixel {s['pixel_mm']} mm, {s['size_px']} px windows; pretraining {s['pretrain_steps']} steps of "
            f"{s['pretrain_batch']} slices, segmentation and classification {s['steps']} steps of {s['batch']}; "
            f"{result['seeds']} seed{'s' if result['seeds'] > 1 else ''}, each with other labelled subjects."
        ),
        "",
        "### Pretraining, on studies held back",
        "",
        f"Aims: line {_LINE_MM} mm and {_LINE_DEG} degrees, location {_LOCATION}. Location alone leaves the lines",
        "untrained and the reverse; those numbers are left out.",
        "",
    ]
    rows = []
    for name, made in result["pretraining"].items():
        cells = _own_task(made["errors"])
        if name == "lines alone":
            cells[2] = "–"
        if name == "location alone":
            cells[:2], cells[3] = ["–", "–"], ""
        rows.append([name, *cells, f"{made['seconds']:.0f}"])
    text += _table(["pretraining", "line, mm", "line, degrees", "location", "own task", "seconds"], rows)
    text += _anatomy(result)
    text += ["### Segmentation: mean Dice of the test subjects by labelled subjects (n)", ""]
    text += _means(result["segmentation"], "n = {}") + _comparisons(result["segmentation"], "n = {}")
    if "classification" in result:
        made = result["classification"]
        asked = ", ".join(f"{count} {label}" for label, count in made["asked"].items())
        text += [
            "### Classification of growth plates by share of labels",
            "",
            f"Judged on {asked}. Mean probability of the true class; below it the accuracy.",
            "",
        ]
        text += _means(made["probability_of_the_true_class"], "labels {}") + _means(
            {"mean": made["accuracy"]}, "labels {}"
        )
        text += _comparisons(made["probability_of_the_true_class"], "labels {}")
    text += [_verdict(result), ""]
    return "\n".join(text)


def _verdict(result: dict) -> str:
    """Which aims were met, in sentences made from the numbers."""
    mean = result["segmentation"]["mean"]
    few = [a for a in mean["none"] if int(a) <= _FEW]
    above = [a for a in few if mean["both tasks"][a] > mean["none"][a]]
    rivals = [s for s in mean if s not in ("none",) and not s.startswith(("both", "lines", "location"))]
    level = [a for a in mean["none"] if mean["both tasks"][a] >= max(mean[r][a] for r in rivals)]
    lines = [
        f"Both tasks beat none in mean Dice at {len(above)} of {len(few)} amounts of at most {_FEW} labelled subjects,",
        f"and beat or equal the best comparator at {len(level)} of {len(mean['none'])} amounts.",
    ]
    if "classification" in result:
        made = result["classification"]["probability_of_the_true_class"]["mean"]
        least = next(iter(made["none"]))
        best = max(made[r][least] for r in rivals)
        lines.append(
            f"In classification with {least} of the labels: both tasks {made['both tasks'][least]:.3f}, none "
            f"{made['none'][least]:.3f}, best comparator {best:.3f}."
        )
    return "\n".join(lines)


def main() -> None:
    """Run from the command line."""
    for path in sys.argv[1:]:
        print(markdown(json.loads(Path(path).read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
