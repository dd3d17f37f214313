"""Both hips of one examination: their bones apart, each measured by itself, and the pelvis from both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from MultiJointSegLib.morphology.hip_socket import SOCKET_KEYS, measure_socket, no_socket, pelvis_axes
from MultiJointSegLib.morphology.measurement import Measurement
from MultiJointSegLib.surface.mesh import Surface
from MultiJointSegLib.surface.sides import joined_surfaces

LEAST_SHARE = 0.15
"""A second femur has at least this share of the first one's surface."""
LEAST_APART_MM = 60.0
FUSED = "Both hip bones are labeled as one piece; leave a gap between them at the symphysis."
COMPARED = (
    "femur_head_radius", "femur_neck_shaft_angle", "femur_version", "femur_alpha_angle", *SOCKET_KEYS,
)  # fmt: skip
"""Measures that are compared between the sides; volumes and lengths end where the field of view does."""
NO_HEAD = "It needs the sphere of the femoral head on both sides."


def hip_sides(surfaces: Mapping[str, Surface]) -> dict[str, dict[str, Surface]]:
    """Surfaces of each side, "left" and "right", where there are two femurs; empty otherwise.

    Parameters
    ----------
    surfaces : mapping of bone key to Surface
        "femur" and, if it is there, "hip_bone", each of both sides together; LPS mm.
    """
    femur = surfaces.get("femur")
    if femur is None or not len(femur.triangles):
        return {}
    pieces = _pieces(femur)
    if len(pieces) < 2 or len(pieces[1].triangles) < LEAST_SHARE * len(pieces[0].triangles):
        return {}
    at = [p.points_mm.mean(axis=0) for p in pieces[:2]]
    if abs(at[0][0] - at[1][0]) < LEAST_APART_MM:
        return {}
    middle = 0.5 * (at[0][0] + at[1][0])
    parts: dict[str, dict[str, list[Surface]]] = {"left": {}, "right": {}}
    for key, surface in surfaces.items():
        for piece in pieces if key == "femur" else _pieces(surface):
            x = piece.points_mm[:, 0]
            if key != "femur" and (x > middle + 15).mean() > 0.2 and (x < middle - 15).mean() > 0.2:
                continue  # both hip bones in one piece
            side = "left" if float(x.mean()) > middle else "right"
            parts[side].setdefault(key, []).append(piece)
    return {side: {k: joined_surfaces(v) for k, v in found.items()} for side, found in parts.items() if found}


def measure_both(
    surfaces: Mapping[str, Surface],
    sides: Mapping[str, Mapping[str, Surface]],
    measure: Callable[[Mapping[str, Surface], str], list[Measurement]],
) -> list[Measurement]:
    """Measurements of both hips; keys begin with the side, names end with it. Then by how much the sides differ.

    Parameters
    ----------
    surfaces, sides
        All surfaces, and those of each side from `hip_sides`.
    measure : callable
        Measures the surfaces of one side.
    """
    found = {side: measure(part, side) for side, part in sides.items()}
    heads = {side: _head(measurements) for side, measurements in found.items()}
    result: list[Measurement] = []
    for side, measurements in found.items():
        other = heads["right" if side == "left" else "left"]
        here = heads[side]
        bone = sides[side].get("hip_bone")
        if bone is None:
            socket = no_socket(FUSED) if "hip_bone" in surfaces else []
        elif here is None or other is None:
            socket = no_socket(NO_HEAD)
        else:
            socket = measure_socket(bone, here[0], here[1], pelvis_axes(here[0], other[0]))
        kept = [m for m in measurements if m.key not in SOCKET_KEYS]
        result += [replace(m, key=f"{side}_{m.key}", name=f"{m.name}, {side}") for m in [*kept, *socket]]
    return result + _differences(result)


def _differences(measurements: list[Measurement]) -> list[Measurement]:
    """Left minus right of the measures in `COMPARED`, with the error of both."""
    found = {m.key: m for m in measurements}
    differences = []
    for key in COMPARED:
        pair = [found.get(f"{side}_{key}") for side in ("left", "right")]
        left, right = pair
        if left is None or right is None:
            continue
        missing = [side for side, m in (("left", left), ("right", right)) if m.value is None]
        errors = [m.error_estimate for m in (left, right) if m.error_estimate is not None]
        value = None if left.value is None or right.value is None else left.value - right.value
        differences.append(
            Measurement(
                key=f"side_difference_{key}",
                name=f"{left.name.removesuffix(', left')}, left minus right",
                bone=left.bone,
                value=value,
                unit=left.unit,
                definition="Difference of the values of both sides.",
                reason="" if value is not None else f"It is not measured on the {' and the '.join(missing)} side.",
                error_estimate=None if value is None or len(errors) < 2 else float(np.linalg.norm(errors)),
            )
        )
    return differences


def _head(measurements: list[Measurement]) -> tuple[np.ndarray, float] | None:
    for m in measurements:
        if m.key == "femur_head_radius" and m.value is not None:
            entry = m.geometry["head"]
            center = entry["center_mm"]
            assert isinstance(center, list)
            return np.asarray(center, float), float(m.value)
    return None


def _pieces(surface: Surface) -> list[Surface]:
    """Connected pieces, largest first."""
    triangles = surface.triangles
    count = len(surface.points_mm)
    edges = np.concatenate([triangles[:, :2], triangles[:, 1:]])
    graph = sparse.coo_matrix((np.ones(len(edges), bool), edges.T), (count, count))
    number, label = connected_components(graph, directed=False)
    of_triangle = label[triangles[:, 0]]
    sizes = np.bincount(of_triangle, minlength=number)
    pieces = []
    for n in np.argsort(-sizes):
        if sizes[n] < 4:
            break
        used, corner = np.unique(triangles[of_triangle == n], return_inverse=True)
        pieces.append(Surface(surface.points_mm[used], corner.reshape(-1, 3)))
    return pieces
