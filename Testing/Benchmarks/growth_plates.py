"""Growth plates found in phantoms never looked at before: how often open and closed are told right, and the distance.

``python Testing/Benchmarks/growth_plates.py [--cases 4] [--first-seed 8200] [-o FILE]``

Phantoms of knee, ankle and shoulder at several ages, sequences and planes, with their true masks (no segmentation). The
truth is the growth plate that the phantom was painted with: a plane is fitted to it, and its distance taken on the line
on which the measure was taken. Phantoms draw no scar of a closed plate.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

import numpy as np

from MultiJointSegLib.anatomy import catalog
from MultiJointSegLib.morphology.growth_plate import PLATES, GrowthPlate, find_growth_plate
from MultiJointSegLib.phantom.acquisition import acquire, draw_acquisition
from MultiJointSegLib.phantom.procedural import phantom_rng, procedural_tissue_map
from MultiJointSegLib.phantom.tissue_map import Tissue

AGES = (6.0, 13.5, 18.0, 9.0, 11.5, 25.0, 4.5)
SEQUENCES = ("pd", "t1", "pd_fat_suppressed", "t2", "t1_gradient_echo", "dess", "t2_fat_suppressed")
PLANES = ("sagittal", "coronal", "sagittal", "coronal", "axial")


def true_distance(points_mm: np.ndarray, found: GrowthPlate) -> float:
    """Distance of the true plate's plane on the line of the measure."""
    along = (found.point_mm - found.joint_mm) / found.distance_mm
    offset = points_mm - found.joint_mm
    height = offset @ along
    aside = offset - np.outer(height, along)
    return float(np.linalg.lstsq(np.column_stack([np.ones(len(height)), aside]), height, rcond=None)[0][0])


def run_case(joint: str, seed: int, number: int) -> list[dict[str, object]]:
    """One row per growth plate."""
    age, sequence, plane = (v[number % len(v)] for v in (AGES, SEQUENCES, PLANES))
    tissue = procedural_tissue_map(joint, seed=seed, age_years=age)
    rng = phantom_rng("acquisition", joint, seed)
    settings = draw_acquisition(tissue, rng, plane=plane, sequence=sequence, whole=False, modality="MR")
    image, labels = acquire(tissue, settings, rng)
    rows: list[dict[str, object]] = []
    for key, neighbor in PLATES[joint]:
        bone = catalog.bone(key)
        where = np.argwhere((tissue.tissue == Tissue.PHYSIS) & (tissue.labels == bone.label))
        found = find_growth_plate(image, labels, bone, catalog.bone(neighbor))
        row: dict[str, object] = {
            "joint": joint, "bone": key, "seed": seed, "age_years": age, "sequence": sequence, "plane": plane,
            "spacing_mm": [round(v, 2) for v in image.geometry.spacing_mm], "truth": "open" if len(where) else "closed",
            "state": found.state, "reason": found.reason, "contrast": round(found.contrast, 3),
        }  # fmt: skip
        if found.state == "open" and len(where):
            true = true_distance(tissue.geometry.index_to_point(where[:, ::-1].astype(float)), found)
            row |= {"distance_mm": found.distance_mm, "true_mm": true, "error_estimate_mm": found.error_mm}
        rows.append(row)
    return rows


def summary(rows: list[dict[str, object]]) -> dict[str, object]:
    """Counts of truth and answer, and errors of the distance."""
    counts = Counter(f"{r['truth']} called {r['state']}" for r in rows)
    errors = [abs(float(str(r["distance_mm"])) - float(str(r["true_mm"]))) for r in rows if "true_mm" in r]
    result: dict[str, object] = dict(sorted(counts.items()))
    if errors:
        result |= {"distances": len(errors), "median_error_mm": float(np.median(errors)), "largest_mm": max(errors)}
    return result


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=4, help="examinations per joint (default: 4)")
    parser.add_argument("--first-seed", type=int, default=8200)
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    rows: list[dict[str, object]] = []
    number = 0
    for n in range(arguments.cases):
        for joint in PLATES:
            rows += run_case(joint, arguments.first_seed + number, number)
            number += 1
            print(rows[-1], flush=True)
            if arguments.output is not None:
                document = {"cases_per_joint": n + 1, "summary": summary(rows), "rows": rows}
                arguments.output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(summary(rows), indent=1))


if __name__ == "__main__":
    main()
