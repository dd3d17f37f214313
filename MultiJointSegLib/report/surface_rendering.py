"""Draws surfaces without a display. Run as a program of its own, since a broken graphics driver ends a process."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import vtkmodules.vtkRenderingOpenGL2  # noqa: F401 - registers the classes that draw
from PIL import Image
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkFiltersCore import vtkPolyDataNormals
from vtkmodules.vtkRenderingCore import (
    vtkActor,
    vtkLightKit,
    vtkPolyDataMapper,
    vtkRenderer,
    vtkRenderWindow,
    vtkWindowToImageFilter,
)

from MultiJointSegLib.surface.mesh import Surface, to_polydata

_FEATURE_ANGLE_DEG = 75.0
"""Shading is smooth across edges below this angle."""

_FRAME = 1.08
"""Height of the picture over the height of the bones."""

_DISTANCE_MM = 1000.0
"""From the bones to the viewer; without effect on the picture of a parallel projection."""


def surface_actor(surface: Surface, color: tuple[int, int, int], point_colors: np.ndarray | None = None) -> vtkActor:
    """What draws one bone (LPS mm) in a color (RGB 0..255), or each point in its own (uint8 (n, 3))."""
    polydata = to_polydata(surface)
    if point_colors is not None:
        polydata.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(point_colors, np.uint8), deep=True))
    normals = vtkPolyDataNormals()
    normals.SetInputData(polydata)
    normals.SetFeatureAngle(_FEATURE_ANGLE_DEG)
    normals.SplittingOff()
    normals.ConsistencyOff()  # it would turn parts of a simplified surface inside out
    mapper = vtkPolyDataMapper()
    mapper.SetInputConnection(normals.GetOutputPort())
    mapper.SetScalarVisibility(point_colors is not None)
    actor = vtkActor()
    actor.SetMapper(mapper)
    look = actor.GetProperty()
    look.SetColor([value / 255 for value in color])
    look.SetAmbient(0.12)
    look.SetDiffuse(0.85)
    look.SetSpecular(0.18)
    look.SetSpecularPower(18)
    return actor


@dataclass(frozen=True, slots=True)
class Viewpoint:
    """Unit vectors (LPS) from the bones to the viewer, and up the screen."""

    from_lps: tuple[float, float, float]
    up_lps: tuple[float, float, float]


def draw_surfaces(
    surfaces: list[Surface],
    colors: list[tuple[int, int, int]],
    viewpoints: list[Viewpoint],
    size_px: tuple[int, int],
    point_colors: Mapping[int, np.ndarray] | None = None,
) -> list[tuple[np.ndarray, float]]:
    """Parallel projections of surfaces on white.

    Parameters
    ----------
    surfaces, colors
        LPS mm; RGB 0..255.
    viewpoints
        One picture is drawn from each.
    size_px
        Width and height.
    point_colors
        By number of the surface, a color of its own for each point: uint8 (n, 3).

    Returns
    -------
    list of (picture, mm_per_px)
        uint8 ndarray of shape (height, width, 3), and the length of a pixel in the plane of projection.
    """
    renderer = vtkRenderer()
    renderer.SetBackground(1, 1, 1)
    for number, (surface, color) in enumerate(zip(surfaces, colors, strict=True)):
        renderer.AddActor(surface_actor(surface, color, (point_colors or {}).get(number)))
    vtkLightKit().AddLightsToRenderer(renderer)
    window = vtkRenderWindow()
    window.SetOffScreenRendering(1)
    window.SetMultiSamples(0)  # smoothed edges after drawing cost a software renderer half of several samples
    renderer.UseFXAAOn()
    window.SetSize(*size_px)
    window.AddRenderer(renderer)
    points = np.concatenate([surface.points_mm for surface in surfaces])
    pictures = []
    for viewpoint in viewpoints:
        scale_mm = _aim(renderer, points, viewpoint, size_px)
        window.Render()
        grab = vtkWindowToImageFilter()
        grab.SetInput(window)
        grab.ReadFrontBufferOff()
        grab.Update()
        flat = vtk_to_numpy(grab.GetOutput().GetPointData().GetScalars())
        picture = flat.reshape(size_px[1], size_px[0], -1)[::-1, :, :3].copy()
        pictures.append((picture, 2 * scale_mm / size_px[1]))
    return pictures


def _aim(renderer: vtkRenderer, points_mm: np.ndarray, viewpoint: Viewpoint, size_px: tuple[int, int]) -> float:
    """Point the camera so that all points are seen; returns half the height of the picture in mm."""
    center = (points_mm.min(axis=0) + points_mm.max(axis=0)) / 2
    toward, up = np.asarray(viewpoint.from_lps, float), np.asarray(viewpoint.up_lps, float)
    half_height = np.abs((points_mm - center) @ up).max()
    half_width = np.abs((points_mm - center) @ np.cross(up, toward)).max()
    scale_mm = float(_FRAME * max(half_height, half_width * size_px[1] / size_px[0], 1e-3))
    camera = renderer.GetActiveCamera()
    camera.ParallelProjectionOn()
    camera.SetFocalPoint(*center)
    camera.SetPosition(*(center + toward * _DISTANCE_MM))
    camera.SetViewUp(*up)
    camera.SetParallelScale(scale_mm)
    renderer.ResetCameraClippingRange()
    return scale_mm


def main(folder: Path) -> None:
    """Read ``job.json`` and ``surfaces.npz`` in `folder`, write one PNG per view and ``done.json``."""
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    with np.load(folder / "surfaces.npz") as arrays:
        numbers = range(len(job["colors"]))
        surfaces = [Surface(arrays[f"points{n}"], arrays[f"triangles{n}"]) for n in numbers]
        point_colors = {n: arrays[f"colors{n}"] for n in numbers if f"colors{n}" in arrays}
    viewpoints = [Viewpoint(view["from_lps"], view["up_lps"]) for view in job["views"]]
    pictures = draw_surfaces(surfaces, job["colors"], viewpoints, (job["width_px"], job["height_px"]), point_colors)
    done = {}
    for view, (picture, mm_per_px) in zip(job["views"], pictures, strict=True):
        Image.fromarray(picture).save(folder / f"{view['key']}.png")
        done[view["key"]] = mm_per_px
    (folder / "done.json").write_text(json.dumps(done), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
