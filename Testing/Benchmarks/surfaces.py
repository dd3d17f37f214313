"""Times our surfaces against 3D Slicer's own conversion of the same masks and compares their sizes with the truth.

``python Testing/Benchmarks/surfaces.py [--repeats 9] [--labels MAP=VALUES ...] [-o FILE]``

Slicer's conversion is the class behind its Segmentations module (PyPI ``slicer-core``) with its default settings:
flying edges, smoothing factor 0.5, no decimation, normals computed. Both run on VTK's thread backend in this process
and take turns; ratios are of medians. The masks are ellipsoids of known volume and area (four bones in one label map of
256 x 256 x 128 voxels, and spheres on thin and thick slices). ``--labels`` adds a label map file, for example
``--labels knee.nii.gz=5,6,7``; its truth is not known, so only the time is compared, and Slicer's volume with ours.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import slicer
from vtkmodules.util.numpy_support import numpy_to_vtk
from vtkmodules.vtkCommonMath import vtkMatrix4x4
from vtkmodules.vtkFiltersCore import vtkTriangleFilter

from MultiJointSegLib.anatomy.catalog import all_bones
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.surface.extraction import bone_surfaces
from MultiJointSegLib.surface.mesh import Surface, from_polydata
from MultiJointSegLib.surface.smoothing import use_threads
from MultiJointSegLib.surface.topology import check_topology


@dataclass(frozen=True)
class Case:
    """Label map, the values to convert, and the true volume (mm3) and area (mm2) per value where known."""

    name: str
    labels: Volume
    values: tuple[int, ...]
    truth: dict[int, tuple[float, float]]


def ellipsoid_area(radii: Sequence[float]) -> float:
    """Area of an ellipsoid in mm2 by numerical integration (relative error below 1e-5)."""
    a, b, c = radii
    u = (np.arange(800) + 0.5) * np.pi / 800
    v = (np.arange(1600) + 0.5) * 2 * np.pi / 1600
    sin_u, cos_u = np.sin(u)[:, None], np.cos(u)[:, None]
    element = sin_u * np.sqrt(
        (b * c * sin_u * np.cos(v)) ** 2 + (a * c * sin_u * np.sin(v)) ** 2 + (a * b * cos_u) ** 2
    )
    return float(element.sum() * (np.pi / 800) * (2 * np.pi / 1600))


def ellipsoid_case(
    name: str,
    size: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
    placed: Sequence[tuple[Sequence[float], Sequence[float]]],
) -> Case:
    """Label map with ellipsoids (center, radii in mm) of values 1, 2, ... around the middle of the grid."""
    origin = tuple(-(n - 1) / 2 * s for n, s in zip(size, spacing_mm, strict=True))
    geometry = Geometry(size, spacing_mm, origin)
    labels = np.zeros(geometry.array_shape, np.uint8)
    x, y, z = (origin[n] + np.arange(size[n]) * spacing_mm[n] for n in range(3))
    truth = {}
    for value, (center, radii) in enumerate(placed, start=1):
        level = (
            ((x[None, None, :] - center[0]) / radii[0]) ** 2
            + ((y[None, :, None] - center[1]) / radii[1]) ** 2
            + ((z[:, None, None] - center[2]) / radii[2]) ** 2
        )
        labels[level < 1] = value
        truth[value] = (4 / 3 * np.pi * float(np.prod(radii)), ellipsoid_area(radii))
    return Case(name, Volume(labels, geometry), tuple(truth), truth)


def built_cases() -> list[Case]:
    """The masks of known truth."""
    rng = np.random.default_rng(0)
    cases = [
        ellipsoid_case(
            "four bones",
            (256, 256, 128),
            (0.6, 0.6, 1.2),
            [
                ((0.2, 3.1, 34.0), (33.0, 28.0, 36.0)),
                ((1.3, 2.2, -36.0), (34.0, 26.0, 33.0)),
                ((-5.2, -50.1, 12.3), (21.0, 11.0, 20.0)),
                ((48.3, 12.2, -40.1), (9.0, 8.0, 30.0)),
            ],
        )
    ]
    for radius, spacing in (
        (5.0, (0.6, 0.6, 0.6)), (15.0, (0.6, 0.6, 0.6)), (30.0, (0.6, 0.6, 0.6)),
        (5.0, (0.6, 0.6, 1.2)), (15.0, (0.6, 0.6, 1.2)), (30.0, (0.6, 0.6, 1.2)),
        (10.0, (0.5, 0.5, 3.0)), (15.0, (0.5, 0.5, 3.0)), (30.0, (0.5, 0.5, 3.0)), (25.0, (0.5, 0.5, 5.0)),
    ):  # fmt: skip
        size = tuple(int(np.ceil(2.2 * radius / s)) + 6 for s in spacing)
        for n in range(5):
            center = rng.uniform(-0.5, 0.5, 3) * spacing
            name = f"sphere {radius:g} mm, {spacing[0]:g}x{spacing[1]:g}x{spacing[2]:g} mm"
            cases.append(ellipsoid_case(f"{name} #{n}", size, spacing, [(center, (radius,) * 3)]))
    return cases


def file_case(argument: str) -> Case:
    """Case of a label map file given as ``PATH=VALUE,VALUE``."""
    path, _, values = argument.rpartition("=")
    image = sitk.ReadImage(path)
    direction = np.reshape(image.GetDirection(), (3, 3))
    geometry = Geometry(image.GetSize(), image.GetSpacing(), image.GetOrigin(), tuple(map(tuple, direction)))
    labels = Volume(sitk.GetArrayFromImage(image).astype(np.uint8), geometry)
    return Case(Path(path).name.split(".")[0], labels, tuple(int(v) for v in values.split(",")), {})


def ours(case: Case) -> dict[int, Surface]:
    """Surfaces of a case by this project."""
    bones = [replace(all_bones()[0], key=str(v), label=v) for v in case.values]
    return {int(k): s for k, s in bone_surfaces(case.labels, bones).items()}


def slicers(case: Case) -> dict[int, Surface]:
    """Surfaces of a case by Slicer's segmentation with its default conversion settings."""
    geometry = case.labels.geometry
    image = slicer.vtkOrientedImageData()
    image.SetDimensions(*geometry.size)
    matrix = vtkMatrix4x4()
    to_ras = np.diag([-1.0, -1.0, 1.0, 1.0]) @ geometry.index_to_lps
    matrix.DeepCopy(to_ras.ravel())
    image.SetGeometryFromImageToWorldMatrix(matrix)
    image.GetPointData().SetScalars(numpy_to_vtk(case.labels.array.ravel(), deep=False))
    segmentation = slicer.vtkSegmentation()
    segmentation.SetSourceRepresentationName("Binary labelmap")
    for value in case.values:
        segment = slicer.vtkSegment()
        segment.SetName(str(value))
        segment.SetLabelValue(value)
        segment.AddRepresentation("Binary labelmap", image)
        segmentation.AddSegment(segment, str(value))
    if not segmentation.CreateRepresentation("Closed surface", True):
        raise RuntimeError("Slicer's conversion to closed surfaces failed.")
    to_lps = np.diag([-1.0, -1.0, 1.0, 1.0])
    result = {}
    for value in case.values:
        triangles = vtkTriangleFilter()
        triangles.SetInputData(segmentation.GetSegment(str(value)).GetRepresentation("Closed surface"))
        triangles.Update()
        result[value] = from_polydata(triangles.GetOutput()).transformed(to_lps)
    return result


def timed(function: object, case: Case) -> tuple[float, dict[int, Surface]]:
    """Milliseconds and result of one call."""
    start = time.perf_counter()
    result = function(case)  # type: ignore[operator]
    return 1000 * (time.perf_counter() - start), result


def compare(case: Case, repeats: int) -> dict[str, object]:
    """Times and sizes of both ways on one case."""
    ways = {"ours": ours, "slicer": slicers}
    times: dict[str, list[float]] = {name: [] for name in ways}
    surfaces: dict[str, dict[int, Surface]] = {}
    for n in range(repeats + 1):
        for name, way in ways.items():
            elapsed, surfaces[name] = timed(way, case)
            if n:
                times[name].append(elapsed)
    row: dict[str, object] = {"name": case.name, "spacing_mm": case.labels.spacing_mm}
    for name in ways:
        result = surfaces[name]
        entry: dict[str, object] = {
            "median_ms": round(statistics.median(times[name]), 2),
            "minimum_ms": round(min(times[name]), 2),
            "triangles": sum(len(s.triangles) for s in result.values()),
            "closed_manifold": all(check_topology(s).is_closed_manifold for s in result.values()),
            "volume_mm3": [round(abs(s.volume_mm3), 3) for s in result.values()],
        }
        if case.truth:
            entry["volume_error_percent"] = [
                round(100 * (abs(result[v].volume_mm3) / case.truth[v][0] - 1), 4) for v in case.values
            ]
            entry["area_error_percent"] = [
                round(100 * (result[v].area_mm2 / case.truth[v][1] - 1), 4) for v in case.values
            ]
        row[name] = entry
    row["speed_up"] = round(row["slicer"]["median_ms"] / row["ours"]["median_ms"], 2)  # type: ignore[index]
    return row


def print_table(rows: list[dict]) -> None:
    """One line per case; the shifted spheres of one kind are averaged."""
    groups: dict[str, list[dict]] = {}
    for row in rows:
        groups.setdefault(row["name"].partition(" #")[0], []).append(row)
    print(f"{'case':32}{'ours ms':>9}{'Slicer ms':>11}{'speed-up':>10}{'volume % ours / Slicer':>25}{'area %':>18}")
    for name, members in groups.items():

        def mean(way: str, what: str, members: list[dict] = members) -> float:
            return float(np.mean([np.mean(m[way][what]) for m in members]))

        line = f"{name:32}{mean('ours', 'median_ms'):>9.1f}{mean('slicer', 'median_ms'):>11.1f}"
        line += f"{mean('slicer', 'median_ms') / mean('ours', 'median_ms'):>10.2f}"
        if "area_error_percent" in members[0]["ours"]:
            errors = [mean(w, f"{q}_error_percent") for q in ("volume", "area") for w in ("ours", "slicer")]
            line += f"{errors[0]:>+15.2f} / {errors[1]:>+6.2f}{errors[2]:>+11.2f} / {errors[3]:>+6.2f}"
        print(line)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--labels", nargs="*", default=[], metavar="MAP=VALUES")
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    use_threads()
    slicer.vtkSegmentationConverterFactory.GetInstance().RegisterConverterRule(
        slicer.vtkBinaryLabelmapToClosedSurfaceConversionRule()
    )
    cases = built_cases() + [file_case(argument) for argument in arguments.labels]
    rows = [compare(case, arguments.repeats) for case in cases]
    print_table(rows)
    result = {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "versions": {p: version(p) for p in ("vtk", "slicer-core", "numpy", "scipy")},
        "repeats": arguments.repeats,
        "cases": rows,
    }
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
