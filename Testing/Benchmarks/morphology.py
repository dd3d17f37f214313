"""Errors of every measure on bones whose truth is known, over size, side, pose, plane, slice thickness and noise.

``python Testing/Benchmarks/morphology.py [--cases 6] [--joints ankle knee shoulder] [-o FILE]``

Bones are built from formulae (the phantoms' own shapes), made larger or smaller, mirrored for the right side, turned
by up to 20 degrees, and cut into masks on two kinds of grid: 0.5 mm isotropic, and 0.5 x 0.5 x 3 mm in a sagittal,
coronal or axial plane; the field of view ends where an examination's would. Every third case has outlines that waver
by 0.3 mm (standard deviation), as drawn by hand. Masks become surfaces and measures as in the program.

The truth is of two kinds. "formula": the number the shape was built with. "shape": the same measure on a surface of the
shape itself (its signed distance sampled at 0.7 mm, in the shape's own frame), for measures that have no closed form;
that tells what masks and slices add, not whether the definition is right. "repeatability" says by how much a measure
changes when every mask grows or shrinks by one voxel (half the difference): the error estimate of an unsure outline.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from MultiJointSegLib.anatomy import catalog
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.morphology.measurement import Measurement
from MultiJointSegLib.morphology.measures import measure_surfaces
from MultiJointSegLib.phantom.ankle import build_ankle
from MultiJointSegLib.phantom.field import JointModel, sample_shape
from MultiJointSegLib.phantom.growth import growth_at
from MultiJointSegLib.phantom.knee import build_knee
from MultiJointSegLib.phantom.sdf import Shape
from MultiJointSegLib.phantom.shoulder import build_shoulder
from MultiJointSegLib.surface.extraction import bone_surfaces, surface_from_probability
from MultiJointSegLib.surface.mesh import Surface

BUILDERS = {"ankle": build_ankle, "knee": build_knee, "shoulder": build_shoulder}
GRIDS = {"0.5 mm isotropic": 0.5, "0.5 x 0.5 x 3 mm": 3.0}
ACCEPTED = {"0.5 mm isotropic": {"deg": 1.0, "mm": 0.5}, "0.5 x 0.5 x 3 mm": {"deg": 2.0, "mm": 1.0}}
PIXEL_MM, FINE_MM, WAVER_MM, TURN_DEG = 0.5, 0.7, 0.3, 20.0
GAP_MM, MARGIN_MM = 1.0, 12.0
"""Between bones, so that neither a mask nor a wavering outline makes them touch."""

PLACES = ("centroid", "head_center")
"""Coordinates in the scanner's frame: they have no truth that stays when the patient moves."""


@dataclass(frozen=True)
class Case:
    """One examination: `matrix` (3, 3) turns and mirrors the shape's frame into the patient's, `scale` is its size."""

    joint: str
    seed: int
    scale: float
    side: str
    matrix: np.ndarray
    plane: int
    wavers: bool


def make_case(joint: str, seed: int) -> Case:
    """Size, side, pose and plane from a seed."""
    rng = np.random.default_rng(seed)
    axis = rng.normal(size=3)
    axis /= np.linalg.norm(axis)
    angle = np.radians(rng.uniform(0.0, TURN_DEG))
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    turn = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    side = ("left", "right")[seed % 2]
    return Case(
        joint,
        seed,
        float(rng.uniform(0.75, 1.05)),
        side,
        turn @ np.diag([1.0 if side == "left" else -1.0, 1.0, 1.0]),
        seed % 3,
        seed % 3 == 2,
    )


def bones_of(joint: str, model: JointModel) -> dict[str, Shape]:
    """Shape of each bone of the joint."""
    known = {b.label: b.key for b in catalog.joint(joint).bones}
    return {known[b.label]: b.shape for b in model.bones if b.label in known}


def shape_field(shape: Shape, model: JointModel) -> tuple[np.ndarray, np.ndarray]:
    """Signed distance (k, j, i) in mm of a bone in its own frame, every `FINE_MM`, and the first voxel's position."""
    low, high = np.asarray(model.low_mm) - MARGIN_MM, np.asarray(model.high_mm) + MARGIN_MM
    size = np.ceil((high - low) / FINE_MM).astype(int) + 1
    return sample_shape(shape, Geometry(tuple(size.tolist()), (FINE_MM,) * 3, tuple(low.tolist()))), low


def sampled(shape: Shape, model: JointModel, case: Case, geometry: Geometry) -> np.ndarray:
    """Signed distance (k, j, i) in mm of a bone on any grid in the patient's frame; linear between the finer voxels."""
    field, low = shape_field(shape, model)
    step = case.matrix.T @ (np.asarray(geometry.direction) * geometry.spacing_mm) / (case.scale * FINE_MM)
    start = (case.matrix.T @ np.asarray(geometry.origin_mm) / case.scale - low) / FINE_MM
    moved = ndimage.affine_transform(
        field, step[::-1, ::-1], start[::-1], geometry.array_shape, np.float32, order=1, mode="nearest"
    )
    return moved * np.float32(case.scale)


def examination_grid(model: JointModel, case: Case, thickness_mm: float) -> Geometry:
    """Grid along the scanner's axes whose box holds the shape's field of view, slices across the case's plane."""
    low, high = np.asarray(model.low_mm) * case.scale, np.asarray(model.high_mm) * case.scale
    center = case.matrix @ (0.5 * (low + high))
    # Not larger than the untilted box, so that shafts leave the field of view as in an examination.
    size_mm = high - low
    spacing = np.full(3, PIXEL_MM)
    spacing[case.plane] = thickness_mm
    size = np.ceil(size_mm / spacing).astype(int) + 1
    origin = center - 0.5 * (size - 1) * spacing
    return Geometry(tuple(size.tolist()), tuple(spacing.tolist()), tuple(origin.tolist()))


def fields(model: JointModel, case: Case, geometry: Geometry) -> Iterator[tuple[str, np.ndarray]]:
    """Signed distance (k, j, i) in mm of each bone; where two meet, the later one of the model gives way."""
    taken: np.ndarray | None = None
    for key, shape in bones_of(case.joint, model).items():
        distance = sampled(shape, model, case, geometry)
        if taken is not None:
            distance = np.maximum(distance, GAP_MM - taken)
        taken = distance if taken is None else np.minimum(taken, distance)
        yield key, distance


def masks(model: JointModel, case: Case, geometry: Geometry, grow_mm: float = 0.0) -> Volume:
    """Label map; `grow_mm` moves every outline outward."""
    rng = np.random.default_rng(case.seed + 500)
    array = np.zeros(geometry.array_shape, np.uint8)
    for key, field in fields(model, case, geometry):
        distance = field
        if case.wavers:
            width = 2.0 / np.asarray(geometry.spacing_mm)[::-1]
            noise = ndimage.gaussian_filter(rng.standard_normal(distance.shape, np.float32), width, truncate=2.0)
            distance = field + noise * np.float32(WAVER_MM / noise.std())
        array[distance < grow_mm] = catalog.bone(key).label
    return Volume(array, geometry)


def reference(model: JointModel, case: Case) -> dict[str, Measurement]:
    """Measures on surfaces of the shapes themselves, at the case's size."""
    still = Case(case.joint, case.seed, case.scale, "left", np.eye(3), case.plane, False)
    low, high = (np.asarray(v) * case.scale for v in (model.low_mm, model.high_mm))
    size = tuple((np.ceil((high - low) / FINE_MM).astype(int) + 1).tolist())
    geometry = Geometry(size, (FINE_MM,) * 3, tuple(low.tolist()))
    surfaces: dict[str, Surface] = {}
    for key, distance in fields(model, still, geometry):
        inside = np.clip(0.5 - distance / (4 * FINE_MM), 0, 1).astype(np.float32)
        surfaces[key] = surface_from_probability(Volume(inside, geometry))
    found = measure_surfaces(surfaces, joint=case.joint, labels=Volume(np.zeros(size[::-1], np.uint8), geometry))
    return {m.key: m for m in found}


def formulae(joint: str, truth: Mapping[str, object], scale: float) -> dict[str, float]:
    """The numbers the shapes were built with, by measure."""

    def number(key: str) -> float:
        return float(truth[key])  # type: ignore[arg-type]

    if joint == "knee":
        lateral = number("lateral_distal_femoral_angle_deg")
        return {
            "femur_condylar_axis_angle": lateral,
            "knee_tibiofemoral_angle": 90.0 - lateral,
            "knee_flexion": number("flexion_deg"),
            "tibia_lateral_posterior_slope": number("posterior_tibial_slope_deg"),
            "femur_medial_condyle_radius": scale * number("condyle_radius_mm"),
            "femur_lateral_condyle_radius": scale * number("condyle_radius_mm"),
            "femur_condyle_center_distance": scale * number("condyle_center_distance_mm"),
        }
    if joint == "ankle":
        axis, shaft = (np.asarray(truth[f"{k}_direction"]) for k in ("talar_dome_axis", "tibial_shaft"))
        return {
            "ankle_frontal_tibiotalar_angle": float(np.degrees(np.arccos(axis @ shaft))),
            "talus_dome_radius": scale * number("talar_dome_radius_mm"),
        }
    return {"humerus_head_radius": scale * number("humeral_head_radius_mm")}


def run_case(case: Case) -> list[dict[str, object]]:
    """One row per measure and grid."""
    rng = np.random.default_rng(case.seed)
    model = BUILDERS[case.joint](rng, growth_at(20.0, rng))
    exact = formulae(case.joint, model.truth, case.scale)
    shapes = reference(model, case)
    bones = catalog.joint(case.joint).bones
    rows: list[dict[str, object]] = []
    for grid, thickness_mm in GRIDS.items():
        geometry = examination_grid(model, case, thickness_mm)

        def measured(grow_mm: float, geometry: Geometry = geometry) -> dict[str, Measurement]:
            labels = masks(model, case, geometry, grow_mm)
            return {m.key: m for m in measure_surfaces(bone_surfaces(labels, bones), joint=case.joint, labels=labels)}

        found = measured(0.0)
        # One voxel more or less is half the in-plane pixel on either side of the outline, on average.
        grown = (measured(PIXEL_MM), measured(-PIXEL_MM)) if thickness_mm > PIXEL_MM else None
        for key, m in found.items():
            if any(place in key for place in PLACES):
                continue
            row: dict[str, object] = {
                "joint": case.joint, "seed": case.seed, "side": case.side, "grid": grid, "wavers": case.wavers,
                "key": key, "unit": m.unit, "value": m.value, "error_estimate": m.error_estimate, "reason": m.reason,
                "shape": shapes[key].value if key in shapes else None, "formula": exact.get(key),
            }  # fmt: skip
            if grown is not None:
                pair = [g[key].value for g in grown if key in g]
                row["repeatability"] = abs(pair[0] - pair[1]) / 2 if len(pair) == 2 and None not in pair else None  # type: ignore[operator]
            rows.append(row)
    return rows


def summary(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """Errors by measure, grid and kind of truth."""
    groups: dict[tuple[str, str, str, str], list[dict[str, object]]] = defaultdict(list)
    for row in rows:
        for kind in ("formula", "shape"):
            if row[kind] is not None:
                groups[(str(row["joint"]), str(row["key"]), str(row["grid"]), kind)].append(row)
    table = []
    for (joint, key, grid, kind), members in groups.items():
        given = [r for r in members if r["value"] is not None]
        errors = np.array([abs(float(r["value"]) - float(r[kind])) for r in given])  # type: ignore[arg-type]
        unit = str(members[0]["unit"])
        entry: dict[str, object] = {"joint": joint, "key": key, "grid": grid, "truth": kind, "unit": unit}
        entry |= {"cases": len(members), "given": len(given)}
        if given:
            entry |= {"median_error": float(np.median(errors)), "largest_error": float(errors.max())}
            limit = ACCEPTED[grid].get(unit)
            entry["within"] = None if limit is None else float(np.mean(errors <= limit))
            estimates = [
                (error, float(str(r["error_estimate"])))
                for error, r in zip(errors, given, strict=True)
                if r["error_estimate"]
            ]
            entry["within_two_estimates"] = float(np.mean([e <= 2 * s for e, s in estimates])) if estimates else None
            spread = [float(r["repeatability"]) for r in given if r.get("repeatability") is not None]  # type: ignore[arg-type]
            entry["repeatability"] = float(np.median(spread)) if spread else None
        table.append(entry)
    return table


def as_text(table: list[dict[str, object]]) -> str:
    """The summary as Markdown."""
    lines = [
        "| measure | unit | truth | grid | given | median error | largest | within limit | one voxel |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for e in table:
        if "median_error" not in e:
            lines.append(f"| {e['key']} | {e['unit']} | {e['truth']} | {e['grid']} | 0 of {e['cases']} | | | | |")
            continue
        digits = 3 if e["unit"] == "1" else 2
        within = "" if e["within"] is None else f"{100 * float(e['within']):.0f} %"  # type: ignore[arg-type]
        voxel = "" if e["repeatability"] is None else f"{e['repeatability']:.{digits}f}"
        lines.append(
            f"| {e['key']} | {e['unit']} | {e['truth']} | {e['grid']} | {e['given']} of {e['cases']} | "
            f"{e['median_error']:.{digits}f} | {e['largest_error']:.{digits}f} | {within} | {voxel} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=6, help="examinations per joint (default: 6)")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--joints", nargs="+", choices=sorted(BUILDERS), default=sorted(BUILDERS))
    parser.add_argument("-o", "--output", type=Path, help="JSON with every case; the table goes beside it as .md")
    arguments = parser.parse_args()
    start = time.process_time()
    rows: list[dict[str, object]] = []
    for joint in arguments.joints:
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.cases):
            rows += run_case(make_case(joint, seed))
            print(f"{joint} {seed}: {time.process_time() - start:.0f} s of CPU", flush=True)
    table = summary(rows)
    print(as_text(table))
    if arguments.output:
        result = {
            "cases_per_joint": arguments.cases,
            "first_seed": arguments.first_seed,
            "cpu_s": round(time.process_time() - start, 1),
            "accepted": ACCEPTED,
            "summary": table,
            "rows": rows,
        }
        arguments.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        arguments.output.with_suffix(".md").write_text(as_text(table) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
