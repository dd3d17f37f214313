"""Draws surfaces without a display. Run as a program of its own, since a broken graphics driver ends a process."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import vtkmodules.vtkRenderingOpenGL2  # noqa: F401 - registers the classes that draw
from PIL import Image
from vtkmodules.util.numpy_support import vtk_to_numpy
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


def _actor(surface: Surface, color: tuple[int, int, int]) -> vtkActor:
    normals = vtkPolyDataNormals()
    normals.SetInputData(to_polydata(surface))
    normals.SetFeatureAngle(_FEATURE_ANGLE_DEG)
    normals.SplittingOff()
    mapper = vtkPolyDataMapper()
    mapper.SetInputConnection(normals.GetOutputPort())
    mapper.ScalarVisibilityOff()
    actor = vtkActor()
    actor.SetMapper(mapper)
    look = actor.GetProperty()
    look.SetColor([value / 255 for value in color])
    look.SetAmbient(0.12)
    look.SetDiffuse(0.85)
    look.SetSpecular(0.18)
    look.SetSpecularPower(18)
    return actor


def draw_surfaces(
    surfaces: list[Surface],
    colors: list[tuple[int, int, int]],
    view_from_lps: tuple[float, float, float],
    up_lps: tuple[float, float, float],
    size_px: tuple[int, int],
) -> tuple[np.ndarray, float]:
    """Parallel projection of surfaces on white.

    Parameters
    ----------
    surfaces, colors
        LPS mm; RGB 0..255.
    view_from_lps, up_lps
        Unit vectors from the bones to the viewer and up the screen.
    size_px
        Width and height.

    Returns
    -------
    picture : uint8 ndarray of shape (height, width, 3)
    mm_per_px : float
        Length of a pixel in the plane of projection.
    """
    renderer = vtkRenderer()
    renderer.SetBackground(1, 1, 1)
    for surface, color in zip(surfaces, colors, strict=True):
        renderer.AddActor(_actor(surface, color))
    points = np.concatenate([surface.points_mm for surface in surfaces])
    center = (points.min(axis=0) + points.max(axis=0)) / 2
    toward, up = np.asarray(view_from_lps, float), np.asarray(up_lps, float)
    side = np.cross(up, toward)
    half_height = np.abs((points - center) @ up).max()
    half_width = np.abs((points - center) @ side).max()
    width_px, height_px = size_px
    scale = _FRAME * max(half_height, half_width * height_px / width_px, 1e-3)
    camera = renderer.GetActiveCamera()
    camera.ParallelProjectionOn()
    camera.SetFocalPoint(*center)
    camera.SetPosition(*(center + toward * 1000.0))
    camera.SetViewUp(*up)
    camera.SetParallelScale(scale)
    renderer.ResetCameraClippingRange()
    vtkLightKit().AddLightsToRenderer(renderer)

    window = vtkRenderWindow()
    window.SetOffScreenRendering(1)
    window.SetMultiSamples(8)
    window.SetSize(width_px, height_px)
    window.AddRenderer(renderer)
    window.Render()
    grab = vtkWindowToImageFilter()
    grab.SetInput(window)
    grab.ReadFrontBufferOff()
    grab.Update()
    flat = vtk_to_numpy(grab.GetOutput().GetPointData().GetScalars())
    picture = flat.reshape(height_px, width_px, -1)[::-1, :, :3].copy()
    return picture, 2 * scale / height_px


def main(folder: Path) -> None:
    """Read ``job.json`` and ``surfaces.npz`` in `folder`, write one PNG per view and ``done.json``."""
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    with np.load(folder / "surfaces.npz") as arrays:
        surfaces = [Surface(arrays[f"points{n}"], arrays[f"triangles{n}"]) for n in range(len(job["colors"]))]
    done = {}
    for view in job["views"]:
        picture, mm_per_px = draw_surfaces(
            surfaces, job["colors"], view["from_lps"], view["up_lps"], (job["width_px"], job["height_px"])
        )
        Image.fromarray(picture).save(folder / f"{view['key']}.png")
        done[view["key"]] = mm_per_px
    (folder / "done.json").write_text(json.dumps(done), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
