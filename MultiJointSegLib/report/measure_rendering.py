"""Draws each measurement's landmarks on the bones, without a display. Run as a program of its own, as surfaces are."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import vtkmodules.vtkRenderingOpenGL2  # noqa: F401 - registers the classes that draw
from PIL import Image
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonDataModel import vtkPlane
from vtkmodules.vtkFiltersCore import vtkTubeFilter
from vtkmodules.vtkFiltersSources import vtkLineSource, vtkSphereSource
from vtkmodules.vtkRenderingCore import (
    vtkActor,
    vtkLightKit,
    vtkPolyDataMapper,
    vtkProperty,
    vtkRenderer,
    vtkRenderWindow,
    vtkWindowToImageFilter,
)

from MultiJointSegLib.report.surface_rendering import surface_actor
from MultiJointSegLib.surface.mesh import Surface

_FLAT_MM = 2.5
"""Landmarks that lie in one plane to within this are shown with the bone cut open at that plane."""
_MARGIN = 1.25
_SMALLEST_HALF_MM = 30.0
_DISTANCE_MM = 1000.0
_CUT_FACE = (0.80, 0.76, 0.70)

Geometry = Mapping[str, Mapping[str, object]]


@dataclass(frozen=True, slots=True, eq=False)
class MeasureView:
    """From where a measurement is seen.

    Parameters
    ----------
    toward, up : float ndarray of shape (3,)
        Unit vectors (LPS) from the landmarks to the viewer, and up the screen.
    center_mm : float ndarray of shape (3,)
        Middle of the picture.
    half_mm : float
        Half of the picture's height.
    cut_mm : float ndarray of shape (3,) or None
        The bone is cut open here, across the line of sight: a plane named "section", or the one all landmarks lie in.
    """

    toward: np.ndarray
    up: np.ndarray
    center_mm: np.ndarray
    half_mm: float
    cut_mm: np.ndarray | None


def landmark_points(geometry: Geometry) -> np.ndarray:
    """All landmark positions (n, 3) of a measurement: points, ends of lines, extremes of spheres; LPS mm."""
    found: list[np.ndarray] = []
    for entry in geometry.values():
        if entry["type"] == "point":
            found.append(np.asarray(entry["position_mm"], float))
        elif entry["type"] == "line":
            found += [np.asarray(entry["start_mm"], float), np.asarray(entry["end_mm"], float)]
        elif entry["type"] == "sphere":
            center, radius = np.asarray(entry["center_mm"], float), float(entry["radius_mm"])  # type: ignore[arg-type]
            found += [center + radius * step for step in (*np.eye(3), *-np.eye(3))]
    return np.asarray(found, float).reshape(-1, 3)


def measure_view(geometry: Geometry) -> MeasureView | None:
    """Where to look from: across the plane that the landmarks lie in, or along a plane's normal where one is given.

    Views from the front, the patient's left or below are preferred to the opposite ones. None without landmarks.
    """
    points = landmark_points(geometry)
    if not len(points):
        return None
    center = 0.5 * (points.min(axis=0) + points.max(axis=0))
    named = sorted(geometry, key=lambda name: name not in ("view", "section"))
    planes = [np.asarray(geometry[n]["normal"], float) for n in named if geometry[n]["type"] == "plane"]
    only_spheres = all(e["type"] in ("sphere", "plane") for e in geometry.values())
    spread = np.linalg.svd(points - points.mean(axis=0))
    widths = np.zeros(3)
    widths[: len(spread[1])] = spread[1] / np.sqrt(len(points))
    if planes:
        toward = planes[0]
    elif only_spheres or widths[0] < 1e-6:
        toward = np.array([0.0, -1.0, 0.0])
    elif widths[1] < 0.02 * widths[0]:
        # A single straight line: from the front if possible, else from the side, across the line.
        along = spread[2][0]
        start = np.array([0.0, -1.0, 0.0]) if abs(along[1]) < 0.7 else np.array([1.0, 0.0, 0.0])
        toward = start - (start @ along) * along
    else:
        toward = spread[2][2]
    toward = toward / np.linalg.norm(toward)
    main = int(np.argmax(np.abs(toward)))
    toward = toward * np.sign(toward[main]) * (1.0 if main == 0 else -1.0)
    up = np.array([0.0, -1.0, 0.0]) if main == 2 else np.array([0.0, 0.0, 1.0])
    up = up - (up @ toward) * toward
    up = up / np.linalg.norm(up)
    offset = points - center
    half = max(float(np.abs(offset @ up).max()), float(np.abs(offset @ np.cross(up, toward)).max()))
    depth = offset @ toward
    several = len(np.unique(np.round(points, 3), axis=0)) >= 3 and not only_spheres
    flat = several and not planes and float(np.ptp(depth)) < _FLAT_MM
    cut = np.asarray(geometry["section"]["point_mm"], float) if "section" in geometry else center if flat else None
    return MeasureView(toward, up, center, max(_MARGIN * half, _SMALLEST_HALF_MM), cut)


def _marker_actors(geometry: Geometry, half_mm: float, palette: Sequence[Sequence[int]]) -> list[vtkActor]:
    actors = []
    thickness = 0.011 * half_mm
    number = 0
    for entry in geometry.values():
        if entry["type"] == "plane":
            continue
        color = [value / 255 for value in palette[number % len(palette)]]
        number += 1
        shapes: list[tuple[object, float]] = []
        if entry["type"] == "line":
            line = vtkLineSource()
            line.SetPoint1(*entry["start_mm"])  # type: ignore[misc]
            line.SetPoint2(*entry["end_mm"])  # type: ignore[misc]
            tube = vtkTubeFilter()
            tube.SetInputConnection(line.GetOutputPort())
            tube.SetRadius(thickness)
            tube.SetNumberOfSides(16)
            tube.CappingOn()
            shapes.append((tube, 1.0))
            shapes += [(_ball(entry[end], 2.0 * thickness), 1.0) for end in ("start_mm", "end_mm")]
        elif entry["type"] == "point":
            shapes.append((_ball(entry["position_mm"], 2.8 * thickness), 1.0))
        else:
            shapes.append((_ball(entry["center_mm"], float(entry["radius_mm"])), 0.35))  # type: ignore[arg-type]
            shapes.append((_ball(entry["center_mm"], 2.0 * thickness), 1.0))
        for shape, opacity in shapes:
            mapper = vtkPolyDataMapper()
            mapper.SetInputConnection(shape.GetOutputPort())  # type: ignore[attr-defined]
            actor = vtkActor()
            actor.SetMapper(mapper)
            actor.GetProperty().SetColor(color)
            actor.GetProperty().SetAmbient(0.35)
            actor.GetProperty().SetOpacity(opacity)
            if opacity < 1.0:
                actor.GetProperty().BackfaceCullingOn()
            actors.append(actor)
    return actors


def _ball(center: object, radius_mm: float) -> vtkSphereSource:
    ball = vtkSphereSource()
    ball.SetCenter(*center)  # type: ignore[misc]
    ball.SetRadius(radius_mm)
    ball.SetThetaResolution(32)
    ball.SetPhiResolution(32)
    return ball


class MeasureDrawing:
    """One window in which measurement after measurement is drawn.

    Parameters
    ----------
    surfaces : mapping of bone key to Surface
        LPS mm.
    colors : mapping of bone key to (int, int, int)
        RGB 0..255.
    palette : sequence of (int, int, int)
        Colors of a measurement's first, second, ... landmark.
    size_px : (int, int)
        Width and height of the pictures.
    """

    def __init__(
        self,
        surfaces: Mapping[str, Surface],
        colors: Mapping[str, Sequence[int]],
        palette: Sequence[Sequence[int]],
        size_px: tuple[int, int] = (420, 420),
    ) -> None:
        self._size_px, self._palette = size_px, palette
        self._bones, self._marks = vtkRenderer(), vtkRenderer()
        self._bones.SetBackground(1, 1, 1)
        self._actors: dict[str, vtkActor] = {}
        for key, surface in surfaces.items():
            red, green, blue = colors[key]
            actor = surface_actor(surface, (red, green, blue))
            inside = vtkProperty()
            inside.SetColor(*_CUT_FACE)
            inside.SetAmbient(0.5)
            inside.SetDiffuse(0.5)
            actor.SetBackfaceProperty(inside)
            self._actors[key] = actor
            self._bones.AddActor(actor)
        self._window = vtkRenderWindow()
        self._window.SetOffScreenRendering(1)
        self._window.SetMultiSamples(0)
        self._window.SetSize(*size_px)
        self._window.SetNumberOfLayers(2)
        for layer, renderer in enumerate((self._bones, self._marks)):
            vtkLightKit().AddLightsToRenderer(renderer)
            renderer.SetLayer(layer)
            renderer.UseFXAAOn()
            self._window.AddRenderer(renderer)
        # Landmarks lie over the bones, whatever is in front of them.
        self._marks.SetActiveCamera(self._bones.GetActiveCamera())

    def draw(self, bone: str, geometry: Geometry) -> tuple[np.ndarray, float] | None:
        """Draw the landmarks of one measurement.

        Parameters
        ----------
        bone : str
            The bone that it belongs to, which is drawn solid; "" for all bones.
        geometry : mapping
            Of the measurement.

        Returns
        -------
        tuple of (uint8 ndarray of shape (height, width, 3), float) or None
            The picture and the length of one pixel in mm; None when there is nothing to show.
        """
        view = measure_view(geometry)
        if view is None:
            return None
        for key, actor in self._actors.items():
            look = actor.GetProperty()
            own = bone in (key, "") or bone not in self._actors
            look.SetOpacity(1.0 if own and (view.cut_mm is not None or bone) else 0.62 if own else 0.14)
            look.SetBackfaceCulling(look.GetOpacity() < 1.0)
            mapper = actor.GetMapper()
            mapper.RemoveAllClippingPlanes()
            if view.cut_mm is not None and own:
                cut = vtkPlane()
                cut.SetOrigin(*(view.cut_mm + 0.3 * view.toward))
                cut.SetNormal(*-view.toward)
                mapper.AddClippingPlane(cut)
        for actor in _marker_actors(geometry, view.half_mm, self._palette):
            self._marks.AddActor(actor)
        camera = self._bones.GetActiveCamera()
        camera.ParallelProjectionOn()
        camera.SetFocalPoint(*view.center_mm)
        camera.SetPosition(*(view.center_mm + view.toward * _DISTANCE_MM))
        camera.SetViewUp(*view.up)
        camera.SetParallelScale(view.half_mm)
        camera.SetClippingRange(1.0, 2 * _DISTANCE_MM)
        self._window.Render()
        grab = vtkWindowToImageFilter()
        grab.SetInput(self._window)
        grab.ReadFrontBufferOff()
        grab.Update()
        flat = vtk_to_numpy(grab.GetOutput().GetPointData().GetScalars())
        self._marks.RemoveAllViewProps()
        width, height = self._size_px
        picture = flat.reshape(height, width, -1)[::-1, :, :3].copy()
        return picture, 2 * view.half_mm / height


def main(folder: Path) -> None:
    """Read ``job.json`` and ``surfaces.npz`` in `folder`, write one PNG per measurement and ``done.json``."""
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    with np.load(folder / "surfaces.npz") as arrays:
        surfaces = {key: Surface(arrays[f"points{n}"], arrays[f"triangles{n}"]) for n, key in enumerate(job["colors"])}
    drawing = MeasureDrawing(surfaces, job["colors"], job["palette"], (job["width_px"], job["height_px"]))
    done = {}
    for entry in job["measurements"]:
        drawn = drawing.draw(entry["bone"], entry["geometry"])
        if drawn is not None:
            Image.fromarray(drawn[0]).save(folder / f"{entry['key']}.png", compress_level=1)
            done[entry["key"]] = drawn[1]
    (folder / "done.json").write_text(json.dumps(done), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
