"""Summary and tables of the hip annotation benchmark."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from hip_ct_scores import Rows

TARGETS = {"center_error_mm": 1.0, "radius_error_mm": 0.5, "head_dice": 0.95, "acetabulum_dice": 0.90}


def summary(rows: Rows) -> dict[str, object]:
    """Means and worst values, by condition and by method."""
    result: dict[str, object] = {}
    for condition in dict.fromkeys(str(r["condition"]) for r in rows.hips):
        mine = [r for r in rows.hips if r["condition"] == condition]
        natural = [r for r in mine if r["natural"]]
        entry: dict[str, object] = {
            "natural_hips": len(natural),
            "found": sum(bool(r["found"]) for r in natural),
            "wrongly_found": sum(bool(r["found"]) for r in mine if not r["natural"]),
        }
        for key in ("center_error_mm", "radius_error_mm", "head_dice", "acetabulum_dice", "quality"):
            values = [float(str(r[key])) for r in natural if key in r]
            if values:
                worst = min(values) if key.endswith(("dice", "quality")) else max(values, key=abs)
                entry[key] = {"mean": round(statistics.fmean(values), 4), "worst": worst}
        result[condition] = entry
    methods: dict[str, object] = {}
    for method in dict.fromkeys(str(r["method"]) for r in rows.spheres):
        mine = [r for r in rows.spheres if r["method"] == method]
        entry = {"spheres": len(mine), "failed": sum("center_error_mm" not in r for r in mine)}
        for key in ("center_error_mm", "radius_error_mm"):
            values = [float(str(r[key])) for r in mine if key in r]
            if values:
                entry[key] = {"mean": round(statistics.fmean(values), 3), "worst": max(values)}
        methods[method] = entry
    return {"conditions": result, "methods": methods}


def write(path: Path, table: dict[str, Any], rows: Rows) -> dict[str, object]:
    """Write what is done so far as JSON and as tables beside it; returns the summary."""
    table = table | {"summary": summary(rows), "hips": rows.hips, "spheres": rows.spheres}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text(markdown(table), encoding="utf-8")
    return summary(rows)


def markdown(table: dict[str, Any]) -> str:
    """The tables of a result for people; values beyond the aims are marked."""
    lines = [
        "# Hips from CT",
        "",
        f"`{table['command']}`, phantoms from seed {table['first_seed']}. Mean and worst hip;",
    ]
    lines += ["aims: center 1 mm, radius 0.5 mm, head Dice 0.95, acetabulum Dice 0.90; **lost** ones are bold.", ""]
    lines += [
        "| condition | found | center, mm | radius, mm | head Dice | acetabulum Dice |",
        "|---|---|---|---|---|---|",
    ]
    for condition, entry in table["summary"]["conditions"].items():
        cells = [condition, f"{entry['found']} of {entry['natural_hips']}"]
        if entry["found"] < entry["natural_hips"] or entry["wrongly_found"]:
            cells[-1] = f"**{cells[-1]}, {entry['wrongly_found']} wrongly**"
        for key, limit in TARGETS.items():
            value = entry.get(key)
            if value is None:
                cells.append("-")
                continue
            lost = value["worst"] < limit if key.endswith("dice") else abs(value["worst"]) > limit
            text = f"{value['mean']:.3f} / {value['worst']:.3f}"
            cells.append(f"**{text}**" if lost else text)
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "Spheres of the same hips from the same automatic start:", ""]
    lines += ["| method | spheres | failed | center, mm | radius, mm |", "|---|---|---|---|---|"]
    for method, entry in table["summary"]["methods"].items():
        values = [entry.get(key) for key in ("center_error_mm", "radius_error_mm")]
        shown = [f"{v['mean']:.3f} / {v['worst']:.3f}" if v else "-" for v in values]
        lines.append(f"| {method} | {entry['spheres']} | {entry['failed']} | {shown[0]} | {shown[1]} |")
    for key, title in (("real", "Real CT"), ("speed", "Speed")):
        if key in table:
            lines += ["", f"{title}:", "", "```json", json.dumps(table[key], indent=1), "```"]
    return "\n".join(lines) + "\n"
