"""Summary and table of the simulation of active refinement."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import wilcoxon

from MultiJointSegLib.annotation.refinement.selection import STRATEGIES

AGAIN = {"disagreement": "disagreement, rest again"}
"""Strategies after which the rest is also proposed again, and the names of these arms."""
AIM = 0.95


def summarize(rows: list[dict[str, float]]) -> dict[str, dict[str, float | None]]:
    """Per arm: mean Dice, its share of the Dice with all labels true, and the paired test against random choice."""
    summary: dict[str, dict[str, float | None]] = {}
    full = np.array([row["all true"] for row in rows])
    chance = np.array([row["random"] for row in rows])
    for arm in ("no mending", *STRATEGIES, *AGAIN.values(), "all true"):
        values = np.array([row[arm] for row in rows])
        found = [row[f"{arm}: found"] for row in rows if f"{arm}: found" in row]
        differs = len(rows) > 2 and bool(np.any(values != chance))
        summary[arm] = {
            "mean_dice": round(float(values.mean()), 4),
            "share_of_all_true": round(float((values / full).mean()), 4),
            "failures_found": round(float(np.mean(found)), 2) if found else None,
            "against_random": round(float((values - chance).mean()), 4),
            "better_than_random_in": int((values > chance).sum()),
            "p_against_random": round(float(wilcoxon(values, chance).pvalue), 4) if differs else None,
        }
    return summary


def write(result: dict[str, Any], path: Path) -> None:
    """Write a result as JSON and as a table beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text(markdown(result), encoding="utf-8")


def markdown(result: dict[str, Any]) -> str:
    """The table of a result for people."""
    seeds = result["seeds"]
    failures, mended = (seeds[0][key] for key in ("failures", "mended"))
    lines = [
        "# Active refinement, simulated",
        "",
        f"{result['cases']}, {result['tested_on']} of them tested on; {len(seeds)} seeds from {seeds[0]['seed']}. Of",
        f"the others {failures} have proposals that failed and {mended} ({100 * result['budget']:.0f} %) are mended.",
        f"{result['steps']} steps. Aim: {100 * AIM:.0f} % of the Dice with all labels true (a share below it is bold),",
        "and better than random choice.",
        "",
        "| chosen by | mean Dice | of all true | failures found | against random | better than random | p |",
        "|---|---|---|---|---|---|---|",
    ]
    for arm, row in result["summary"].items():
        p = "-" if row["p_against_random"] is None else f"{row['p_against_random']:.3f}"
        found = "-" if row["failures_found"] is None else f"{row['failures_found']:.1f}"
        share = f"{row['share_of_all_true']:.3f}"
        cells = (
            arm,
            f"{row['mean_dice']:.3f}",
            share if row["share_of_all_true"] >= AIM else f"**{share}**",
            found,
            f"{row['against_random']:+.3f}",
            f"{row['better_than_random_in']} of {len(seeds)}",
            p,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
