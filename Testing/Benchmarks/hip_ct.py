"""Hip annotation on phantom CTs of exact truth, with ablations and baselines, and on real CTs.

``python Testing/Benchmarks/hip_ct.py [--seeds 2] [--minutes 25] [--data FOLDER] [--speed] [-o FILE]``

Every condition is built for every seed: healthy, narrowed and closed joint space, dysplasia, osteopenia, a screw, one
hip missing, one replaced, noise, slices of 1 to 5 mm. Per hip: whether it was found, error of center and radius, Dice
of the head (femur within 1.05 radii of the true center) and of the acetabulum (hip bone within 1.7 radii). Ablations
switch one rule of the boundary search off. Baselines find the sphere from the same place: one circle by Hough votes in
the middle slice, and the extent of all voxels above 250 HU. With ``--data`` the real CTs are annotated too and compared
with the reference contours, which are drawn for radiotherapy or made by a network. ``--speed`` times 512 x 512 x 300
voxels from file to labels in a process of its own. ``--spheres-only`` leaves out the labels. Conditions take turns, so
that ``--minutes`` ends with all of them nearly equally often; what is done is written after every phantom.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from MultiJointSegLib.annotation.body_grid import BodyGrid, body_grid, coarse_grid
from MultiJointSegLib.annotation.bone_cut import cut_bone
from MultiJointSegLib.annotation.circles import Circle, refine_circle
from MultiJointSegLib.annotation.hip_annotator import HipCtAnnotation, annotate_hips, find_hips, sphere_at
from MultiJointSegLib.annotation.hip_choice import FoundHips
from MultiJointSegLib.annotation.hip_finding import Ball
from MultiJointSegLib.annotation.native_cut import cut_slab, refine_in_band
from MultiJointSegLib.annotation.ray_rules import RayRules
from MultiJointSegLib.errors import MultiJointSegError
from MultiJointSegLib.imaging.reading import read_label_map, read_volume
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.imaging.writing import write_volume
from MultiJointSegLib.phantom.hip import HipVariant
from MultiJointSegLib.phantom.pelvis_ct import PelvisCtSettings, make_pelvis_ct

CONDITIONS: dict[str, dict[str, object]] = {
    "healthy, 1 mm": {"spacing_mm": (0.8, 0.8, 1.0)},
    "healthy, 3 mm": {"spacing_mm": (0.8, 0.8, 3.0)},
    "healthy, 5 mm": {"spacing_mm": (0.8, 0.8, 5.0)},
    "narrow joint (1.4 mm)": {"spacing_mm": (0.8, 0.8, 1.5), "variant": HipVariant(1.4)},
    "closed joint": {"spacing_mm": (0.8, 0.8, 1.5), "variant": HipVariant(1.2), "closed_deg": 30.0},
    "dysplasia": {"spacing_mm": (0.8, 0.8, 1.5), "variant": HipVariant(3.4, 12.0, 8.0)},
    "osteopenia, 3 mm": {"spacing_mm": (0.8, 0.8, 3.0), "osteopenia": 0.9, "noise_hu": 40.0},
    "noise 80 HU": {"spacing_mm": (0.8, 0.8, 1.5), "noise_hu": 80.0},
    "screw, contrast": {"spacing_mm": (0.8, 0.8, 2.0), "right_hip": "screw", "contrast": True},
    "right missing": {"spacing_mm": (0.8, 0.8, 2.0), "right_hip": "missing"},
    "right prosthesis": {"spacing_mm": (0.8, 0.8, 2.0), "right_hip": "prosthesis"},
}
ABLATIONS = {
    "all rules": RayRules(),
    "no first-order rule": RayRules(first_order=False),
    "no second-order rule": RayRules(second_order=False),
    "no suppression": RayRules(suppression=False),
    "no sphere prior": RayRules(sphere_prior=False),
}
DENSE_HU = 250.0


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


def score_hips(rows: Rows, condition: str, seed: int, phantom: object) -> FoundHips | None:
    """Annotate one phantom and score each hip that has a truth; returns the automatic start."""
    volume, labels, truth = phantom.volume, phantom.labels.array, phantom.truth  # type: ignore[attr-defined]
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


def hough_only(grid: BodyGrid, ball: Ball) -> tuple[np.ndarray, float]:
    """Sphere whose great circle is the Hough circle of all strong edges in the slice of the ball's center."""
    from scipy import ndimage

    spacing = grid.spacing_kji_mm
    k = round(float(ball.index[0]))
    low = np.maximum((ball.index[1:] - 45 / spacing[1:]).astype(int), 0)
    high = (ball.index[1:] + 45 / spacing[1:]).astype(int)
    part = grid.array[k, low[0] : high[0], low[1] : high[1]].astype(np.float32)
    edge = ndimage.gaussian_gradient_magnitude(np.clip(part, -200, 1500), 1.5)
    points = (np.argwhere(edge > np.percentile(edge, 92)) + low) * spacing[1:]
    start = ball.index[1:] * spacing[1:]
    found = refine_circle(points, np.ones(len(points)), Circle((start[0], start[1]), ball.radius_mm), (14.0, 34.0), 4.0)
    circle = found[0] if found else Circle((start[0], start[1]), ball.radius_mm)
    return np.array([k * spacing[0], *circle.center]), circle.radius


def threshold_only(grid: BodyGrid, ball: Ball) -> tuple[np.ndarray, float]:
    """Sphere of the volume and centroid of the voxels above 250 HU, filled, within 1.3 radii of the ball's center."""
    from scipy import ndimage

    spacing = grid.spacing_kji_mm
    low = np.maximum((ball.index - 1.3 * ball.radius_mm / spacing).astype(int), 0)
    high = np.minimum((ball.index + 1.3 * ball.radius_mm / spacing).astype(int) + 1, grid.array.shape)
    part = grid.array[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] > DENSE_HU
    filled = np.stack([ndimage.binary_fill_holes(p) for p in part])
    at = (np.argwhere(filled) + low) * spacing
    near = at[np.linalg.norm(at - ball.index * spacing, axis=1) < 1.3 * ball.radius_mm]
    return near.mean(axis=0), float((3 * len(near) * np.prod(spacing) / (4 * np.pi)) ** (1 / 3))


def score_spheres(rows: Rows, condition: str, seed: int, phantom: object, start: FoundHips | None) -> None:
    """Sphere by each set of rules and by the baselines, from the same automatic start."""
    volume, truth = phantom.volume, phantom.truth  # type: ignore[attr-defined]
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


def alone(task: str, path: Path, limit_s: float = 400.0) -> dict[str, object]:
    """What `--task` prints in a process of its own, so that its memory is its own; or that it took too long."""
    command = [sys.executable, __file__, "--task", task, str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=limit_s)
    except subprocess.TimeoutExpired:
        return {"stopped_after_s": limit_s}
    return dict(json.loads(done.stdout.splitlines()[-1]))


def perform(task: str, path: Path) -> dict[str, object]:
    """One timed task: file to labels, or the cut of bone on a grid of 2 mm, in a band or on the full grid."""
    begin, cpu = time.perf_counter(), time.process_time()
    result: dict[str, object] = {}
    volume = read_volume(path)
    if task == "labels":
        found = annotate_hips(volume)
        write_volume(found.labels, path.with_name("labels.nii.gz"))
        result = {"timings_s": found.timings_s, "hips": list(found.hips), "solver": found.solver}
    else:
        grid = body_grid(volume)
        fine, geometry = coarse_grid(grid, 2.0, low=-1024, high=2500)
        result["voxels"] = int(fine.size)
        if task == "band":
            rough, rough_geometry = coarse_grid(grid, 4.0, low=-1024, high=2500)
            begin, cpu = time.perf_counter(), time.process_time()
            bone = cut_bone(rough, np.asarray(rough_geometry.spacing_mm[::-1])).bone
            refine_in_band(fine, geometry, bone, rough_geometry, solver="exact")
        else:
            # Every voxel of the same grid and energy is free, but for those that seeds decide.
            chance = np.where(fine > 400, 0.999, np.where(fine < -50, 0.001, 0.5)).astype(np.float32)
            begin, cpu = time.perf_counter(), time.process_time()
            cut_slab(fine, geometry.spacing_mm, chance, "exact")
    seconds = {"seconds": round(time.perf_counter() - begin, 1), "cpu_s": round(time.process_time() - cpu, 1)}
    memory = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return seconds | result | {"peak_memory_mib": memory}


def speed(seed: int) -> dict[str, object]:
    """Time and memory of 512 x 512 x 300 voxels, and of a band against the full grid on one of 2 mm."""
    settings = PelvisCtSettings(seed=seed, spacing_mm=(0.9, 0.9, 0.745), map_spacing_mm=1.6)
    volume = make_pelvis_ct(settings).volume
    missing = max(512 - volume.array.shape[1], 0)
    wide = max(512 - volume.array.shape[2], 0)
    array = np.pad(volume.array[:300, :512, :512], ((0, 0), (0, missing), (0, wide)), constant_values=-1000)
    size = (array.shape[2], array.shape[1], array.shape[0])
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "pelvis.nii.gz"
        write_volume(Volume(array, replace(volume.geometry, size=size), "CT"), path)
        tasks = {task: alone(task, path) for task in ("labels", "band", "full")}
    return {"size": list(size), **tasks}


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


def main() -> None:
    """Run and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2, help="phantoms per condition")
    parser.add_argument("--first-seed", type=int, default=100)
    parser.add_argument("--conditions", nargs="*", choices=CONDITIONS, help="only these")
    parser.add_argument("--map-spacing", type=float, default=1.0, help="grid of the phantoms in mm")
    parser.add_argument("--spheres-only", action="store_true", help="only the comparison of spheres, which is fast")
    parser.add_argument("--speed", action="store_true", help="time 512 x 512 x 300 voxels too")
    parser.add_argument("--data", type=Path, help="folder of the real CTs")
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/hip_ct.json"))
    parser.add_argument("--minutes", type=float, default=1e6, help="begin no further phantom after so long")
    parser.add_argument("--task", nargs=2, metavar=("TASK", "FILE"), help="used by --speed for its own processes")
    arguments = parser.parse_args()
    if arguments.task:
        print(json.dumps(perform(arguments.task[0], Path(arguments.task[1]))))
        return
    rows, extra, begin = Rows(), dict[str, object](), time.monotonic()
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
        for condition in arguments.conditions or CONDITIONS:
            if time.monotonic() - begin > 60 * arguments.minutes:
                break
            settings = PelvisCtSettings(seed=seed, map_spacing_mm=arguments.map_spacing, **CONDITIONS[condition])  # type: ignore[arg-type]
            phantom = make_pelvis_ct(settings)
            start = None if arguments.spheres_only else score_hips(rows, condition, seed, phantom)
            if arguments.spheres_only:
                with contextlib.suppress(MultiJointSegError):
                    start = find_hips(body_grid(phantom.volume))
            score_spheres(rows, condition, seed, phantom, start)
            print(condition, seed, [r for r in rows.hips if r["condition"] == condition][-2:], flush=True)
            write(arguments, rows, extra)
    if arguments.data is not None:
        extra["real"] = real_cases(arguments.data)
        write(arguments, rows, extra)
    if arguments.speed:
        extra["speed"] = speed(arguments.first_seed)
    print(json.dumps(write(arguments, rows, extra), indent=2))


def write(arguments: argparse.Namespace, rows: Rows, extra: dict[str, object]) -> dict[str, object]:
    """Write what is done so far; returns the summary."""
    table = {
        "command": "python Testing/Benchmarks/hip_ct.py",
        "machine": platform.machine(),
        "map_spacing_mm": arguments.map_spacing,
        "first_seed": arguments.first_seed,
        "summary": summary(rows),
        "hips": rows.hips,
        "spheres": rows.spheres,
    } | extra
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")
    arguments.output.with_suffix(".md").write_text(markdown(table), encoding="utf-8")
    return summary(rows)


TARGETS = {"center_error_mm": 1.0, "radius_error_mm": 0.5, "head_dice": 0.95, "acetabulum_dice": 0.90}


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


if __name__ == "__main__":
    main()
