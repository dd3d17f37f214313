"""Lines of a real multi-view examination: from the headers against planes projected point by point, with pictures.

``python Testing/Benchmarks/plane_geometry.py STUDY -o FILE --pictures FOLDER``

For every ordered pair of series that meet at an angle: the line by the closed form that training uses, and,
through code that shares nothing with it, the line found by projection. There SimpleITK reads the files again
and gives the place of every pixel of the other image; between neighboring pixels on different sides of the
slice the crossing is interpolated, dropped onto the slice, and a line is fitted to these points. A third check
looks at the pixels: both images along the common line should show the same anatomy, so their intensities should
go together there, and less so along a line moved aside.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy.ndimage import map_coordinates

from MultiJointSegLib.learning.pretext.heart_views import heart_views
from MultiJointSegLib.learning.pretext.lines import PixelLine, intersection_line
from MultiJointSegLib.learning.pretext.pictures import black_figure, draw_line, show_slice
from MultiJointSegLib.learning.pretext.slice_grid import SliceGrid
from MultiJointSegLib.learning.pretext.study import StudySlice
from MultiJointSegLib.learning.pretext.study_images import read_images
from MultiJointSegLib.learning.pretext.study_reading import read_study

_COLORS = ("#ffd23f", "#2ec4ff", "#ff7a9a", "#7be495", "#c792ea", "#ffa657", "#ffffff")
_SHIFTS_MM = (0.0, 6.0, 12.0, 18.0)


def read_by_itk(place: StudySlice) -> sitk.Image:
    """The slice's file as SimpleITK sees it."""
    return sitk.ReadImage(str(place.images[0].path))


def pixel_places(image: sitk.Image) -> np.ndarray:
    """Place of every pixel in mm (rows, columns, 3), as SimpleITK gives it."""
    columns, rows = image.GetWidth(), image.GetHeight()
    return np.array([[image.TransformIndexToPhysicalPoint((c, r, 0)) for c in range(columns)] for r in range(rows)])


def projected_points(own: sitk.Image, places: np.ndarray) -> np.ndarray:
    """Pixels (column, row) of `own` where another plane cuts it, from the places of the other's pixels one by one."""
    inverse = np.linalg.inv(np.array(own.GetDirection()).reshape(3, 3))
    local = (places - np.array(own.GetOrigin())) @ inverse.T  # along rows, along columns, out of the slice; mm
    found = []
    for first, second in ((local[:, :-1], local[:, 1:]), (local[:-1], local[1:])):
        a, b = first[..., 2], second[..., 2]
        crossing = (a <= 0) != (b <= 0)
        share = (a[crossing] / (a[crossing] - b[crossing]))[:, None]
        found.append(first[crossing] + share * (second[crossing] - first[crossing]))
    mm = np.concatenate(found)
    return mm[:, :2] / np.array(own.GetSpacing())[:2]


def line_through(points: np.ndarray) -> tuple[PixelLine, float]:
    """Total least squares line, and the largest distance of a point from it, in pixels."""
    mean = points.mean(axis=0)
    normal = np.linalg.svd(points - mean, full_matrices=False)[2][1]
    line = PixelLine(float(normal[0]), float(normal[1]), float(normal @ mean))
    return line, float(np.abs(line.pixel_distance(points[:, 0], points[:, 1])).max())


def along_line(image: np.ndarray, grid: SliceGrid, points_mm: np.ndarray) -> np.ndarray:
    """Intensities at points on the slice; NaN outside the image."""
    columns, rows = grid.pixels(points_mm)
    return map_coordinates(image, [rows, columns], order=1, mode="constant", cval=np.nan)


def intensity_agreement(
    images: tuple[np.ndarray, np.ndarray], grids: tuple[SliceGrid, SliceGrid], line: PixelLine
) -> list[float] | None:
    """Correlation of both images along the common line, and when the other image's line is moved aside in its plane."""
    ends = line.ends(grids[0].shape)
    if ends is None:
        return None
    length = float(np.linalg.norm(grids[0].points(*ends[1]) - grids[0].points(*ends[0])))
    steps = np.linspace(0, 1, max(8, int(length / 1.5)))[:, None]
    points = grids[0].points(*ends[0]) + steps * (grids[0].points(*ends[1]) - grids[0].points(*ends[0]))
    direction = (points[-1] - points[0]) / length
    aside = np.cross(grids[1].normal, direction)
    own = along_line(images[0], grids[0], points)
    result = []
    for shift in _SHIFTS_MM:
        moved = [along_line(images[1], grids[1], points + sign * shift * aside) for sign in (1.0, -1.0)]
        values = []
        for other in moved:
            known = ~np.isnan(own) & ~np.isnan(other)
            if known.sum() >= 30:
                values.append(float(np.corrcoef(own[known], other[known])[0, 1]))
        if not values:
            return None
        result.append(round(float(np.mean(values)), 3))
    return result


def check(study_folder: Path, pictures: Path | None) -> dict[str, object]:
    """Table of all pairs; see the module."""
    study = read_study(study_folder)
    names = heart_views(study) or {s.key: s.view.name for s in study.series}
    middle = {s.key: s.slices[len(s.slices) // 2] for s in study.series}
    images = {s.key: read_images(s)[len(s.slices) // 2, 0] for s in study.series}
    by_itk = {key: read_by_itk(place) for key, place in middle.items()}
    places = {key: pixel_places(image) for key, image in by_itk.items()}
    rows = []
    for own in study.series:
        for other in study.series:
            grid, plane = middle[own.key].grid, middle[other.key].grid.plane
            line = None if own.key == other.key else intersection_line(grid, plane)
            if line is None:
                continue
            points = projected_points(by_itk[own.key], places[other.key])
            projected, residual = line_through(points)
            distance = float(np.abs(line.pixel_distance(points[:, 0], points[:, 1])).max())
            angle = np.degrees(np.arccos(min(1.0, abs(line.direction @ projected.direction))))
            pair = (grid, middle[other.key].grid)
            rows.append(
                {
                    "slice": names[own.key],
                    "plane": names[other.key],
                    "planes_at_deg": round(grid.plane.angle_deg(plane), 1),
                    "points": len(points),
                    "largest_distance_px": _short(distance),
                    "angle_deg": _short(float(angle)),
                    "projected_residual_px": _short(residual),
                    "correlation_by_shift": intensity_agreement((images[own.key], images[other.key]), pair, line),
                }
            )
    if pictures is not None:
        _draw(study, names, images, pictures)
    series = [{"described": s.description, "geometry": str(s.view), "view": names[s.key]} for s in study.series]
    correlations = np.array([r["correlation_by_shift"] for r in rows if r["correlation_by_shift"]])
    return {
        "series": series,
        "pairs": rows,
        "largest_distance_px": max(r["largest_distance_px"] for r in rows),
        "largest_angle_deg": max(r["angle_deg"] for r in rows),
        "shifts_mm": list(_SHIFTS_MM),
        "mean_correlation_by_shift": correlations.mean(axis=0).round(3).tolist(),
    }


def _short(value: float) -> float:
    return float(f"{value:.3g}")


def _draw(study: object, names: dict[str, str], images: dict[str, np.ndarray], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    series = list(study.series)  # type: ignore[attr-defined]
    figure, axes = black_figure(2, (len(series) + 1) // 2, 3.4)
    for index, (one, place) in enumerate(zip(series, axes.flat, strict=False)):
        grid = one.slices[len(one.slices) // 2].grid
        color = _COLORS[index % len(_COLORS)]
        show_slice(place, images[one.key], grid)
        place.set_title(names[one.key], color=color, fontsize=11)
        for number, other in enumerate(series):
            for step, other_slice in enumerate(other.slices):
                line = None if other.key == one.key else intersection_line(grid, other_slice.grid.plane)
                if line is not None:
                    width = 1.8 if step == len(other.slices) // 2 else 0.7
                    draw_line(place, line, grid, _COLORS[number % len(_COLORS)], width=width)
    figure.savefig(folder / "lines.png", facecolor="black")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, help="folder of a DICOM study with several views")
    parser.add_argument("-o", "--output", type=Path, required=True, help="table, JSON")
    parser.add_argument("--pictures", type=Path, help="folder for a picture of all views with their lines")
    arguments = parser.parse_args()
    table = check(arguments.study, arguments.pictures)
    arguments.output.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    print(
        f"{len(table['pairs'])} pairs; largest distance {table['largest_distance_px']:.2e} pixels, largest angle "
        f"{table['largest_angle_deg']:.2e} degrees; mean correlation along the line "
        f"{table['mean_correlation_by_shift']} with the line moved aside by {table['shifts_mm']} mm"
    )


if __name__ == "__main__":
    main()
