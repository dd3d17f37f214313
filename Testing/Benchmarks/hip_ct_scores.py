"""Scores of hip annotation: phantoms against their truth, with ablations, and real CTs against reference contours."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from hip_ct_baselines import hough_only, threshold_only

from MultiJointSegLib.annotation.body_grid import body_grid
from MultiJointSegLib.annotation.hip_annotator import HipCtAnnotation, annotate_hips, find_hips, sphere_at
from MultiJointSegLib.annotation.hip_choice import FoundHips
from MultiJointSegLib.annotation.ray_rules import RayRules
from MultiJointSegLib.errors import MultiJointSegError
from MultiJointSegLib.imaging.reading import read_label_map, read_volume
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.phantom.phantom import Phantom

ABLATIONS = {
    "all rules": RayRules(),
    "no first-order rule": RayRules(first_order=False),
    "no second-order rule": RayRules(second_order=False),
    "no suppression": RayRules(suppression=False),
    "no sphere prior": RayRules(sphere_prior=False),
    "no sphere prior, no first-order rule": RayRules(first_order=False, sphere_prior=False),
    "no sphere prior, no second-order rule": RayRules(second_order=False, sphere_prior=False),
    "no sphere prior, no suppression": RayRules(suppression=False, sphere_prior=False),
}


@dataclass
class Rows:
    """Result rows, each a plain dict."""

    hips: list[dict[str, object]] = field(default_factory=list)
    spheres: list[dict[str, object]] = field(default_factory=list)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    """Dice of two masks."""
    return float(2 * (a & b).sum() / max(a.sum() + b.sum(), 1))


def distance_from(volume: Volume, center_mm: np.ndarray) -> np.ndarray:
    """Distance of every voxel from a point, for grids whose axes are those of the patient."""
    g = volume.geometry
    axes = [(g.origin_mm[a] + g.spacing_mm[a] * np.arange(g.size[a]) - center_mm[a]) ** 2 for a in range(3)]
    return np.asarray(np.sqrt(axes[2][:, None, None] + axes[1][None, :, None] + axes[0][None, None, :]))


def score_hips(rows: Rows, condition: str, seed: int, phantom: Phantom) -> FoundHips | None:
    """Annotate one phantom and score each hip that has a truth; returns the automatic start."""
    volume, labels, truth = phantom.volume, phantom.labels.array, phantom.truth
    begin = time.process_time()
    found: HipCtAnnotation | None = None
    start: FoundHips | None = None
    refused = ""
    try:
        start = find_hips(body_grid(volume))
        found = annotate_hips(volume, found=start)
    except MultiJointSegError as error:
        refused = str(error)
    seconds = time.process_time() - begin
    for side in ("left", "right"):
        key = f"{side}_femoral_head_center_mm"
        natural = key in truth
        hip = found.hips.get(side) if found else None
        row: dict[str, object] = {"condition": condition, "seed": seed, "side": side, "natural": natural}
        row |= {"found": hip is not None, "cpu_s": round(seconds, 1), "refused": refused}
        if natural and hip is not None and found is not None:
            center, radius = np.asarray(truth[key]), float(truth[f"{side}_femoral_head_radius_mm"])
            away = distance_from(volume, center)
            mine = found.labels.array
            row |= {
                "center_error_mm": round(float(np.linalg.norm(np.asarray(hip.center_mm) - center)), 3),
                "radius_error_mm": round(hip.radius_mm - radius, 3),
                "head_dice": round(
                    dice((labels == 1) & (away < 1.05 * radius), (mine == 1) & (away < 1.05 * radius)), 4
                ),
                "acetabulum_dice": round(
                    dice((labels == 9) & (away < 1.7 * radius), (mine == 9) & (away < 1.7 * radius)), 4
                ),
                "quality": round(hip.quality.score, 3),
            }
        rows.hips.append(row)
    if found is not None:
        femur, bone = (dice(labels == n, found.labels.array == n) for n in (1, 9))
        rows.hips[-1] |= {"femur_dice": round(femur, 4), "hip_bone_dice": round(bone, 4)}
    return start


def score_spheres(rows: Rows, condition: str, seed: int, phantom: Phantom, start: FoundHips | None) -> None:
    """Sphere by each set of rules and by the baselines, from the same automatic start."""
    volume, truth = phantom.volume, phantom.truth
    grid = body_grid(volume)
    for side, ball in (start.balls if start else {}).items():
        if f"{side}_femoral_head_center_mm" not in truth:
            continue
        center = np.asarray(truth[f"{side}_femoral_head_center_mm"])
        radius = float(truth[f"{side}_femoral_head_radius_mm"])
        made: dict[str, tuple[np.ndarray, float] | None] = {}
        for name, rules in ABLATIONS.items():
            try:
                sphere = sphere_at(grid, ball, rules)
                made[name] = sphere.center, sphere.radius
            except MultiJointSegError:
                made[name] = None
        made["Hough only"], made["threshold only"] = hough_only(grid, ball), threshold_only(grid, ball)
        for name, sphere_found in made.items():
            row: dict[str, object] = {"method": name, "condition": condition, "seed": seed, "side": side}
            if sphere_found is not None:
                at = grid.geometry.index_to_point((sphere_found[0] / grid.spacing_kji_mm)[::-1])
                row["center_error_mm"] = round(float(np.linalg.norm(at - center)), 3)
                row["radius_error_mm"] = round(abs(sphere_found[1] - radius), 3)
            rows.spheres.append(row)


def real_cases(data: Path) -> list[dict[str, object]]:
    """Real CTs against the reference contours given with them; spheres against spheres of the same volume."""
    rows: list[dict[str, object]] = []
    for name, image, reference, heads, bones in (
        ("anthropomorphic pelvis", "alderson_pelvis_ct", "alderson_femoral_heads", {"left": 1, "right": 2}, {}),
        (
            "whole-body excerpt",
            "totalsegmentator_example_ct",
            "totalsegmentator_example_seg",
            {},
            {1: (75, 76), 9: (77, 78)},
        ),
    ):
        volume, labels = read_volume(data / f"{image}.nii.gz"), read_label_map(data / f"{reference}.nii.gz")
        row: dict[str, object] = {"case": name}
        try:
            found = annotate_hips(volume)
        except MultiJointSegError as error:
            rows.append(row | {"refused": str(error)})
            continue
        row |= {"warnings": found.warnings, "hips": {s: h.quality.as_dict() for s, h in found.hips.items()}}
        for side, value in heads.items():
            mask = labels.array == value
            at = labels.geometry.index_to_point(np.argwhere(mask)[:, ::-1].mean(axis=0))
            same = float((3 * mask.sum() * labels.geometry.voxel_volume_mm3 / (4 * np.pi)) ** (1 / 3))
            hip = found.hips.get(side)
            if hip is not None:
                row[f"{side}_center_from_contour_mm"] = round(float(np.linalg.norm(np.asarray(hip.center_mm) - at)), 2)
                row[f"{side}_radius_mm"] = [round(hip.radius_mm, 2), round(same, 2)]
                inside = (found.labels.array == 1)[mask]
                row[f"{side}_contour_in_femur"] = round(float(inside.mean()), 4)
        for label, values in bones.items():
            for number, (side, value) in enumerate(zip(("left", "right"), values, strict=True), 1):
                mine = (found.labels.array == label) & (found.sides == number)
                row[f"{side}_dice_{label}"] = round(dice(mine, labels.array == value), 4)
        rows.append(row)
    return rows
