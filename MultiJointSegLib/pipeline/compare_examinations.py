"""What changed between two examinations of one joint: measures, and the shape of each bone."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from MultiJointSegLib import anatomy
from MultiJointSegLib.errors import InputError, MultiJointSegError
from MultiJointSegLib.morphology.change import Change, ShapeChange, changes_between
from MultiJointSegLib.pipeline import result as names
from MultiJointSegLib.pipeline.measure_segmentation import joint_of_labels, read_segmentation
from MultiJointSegLib.pipeline.output_folder import staged_folder
from MultiJointSegLib.pipeline.run_record import input_record, rounded
from MultiJointSegLib.pipeline.source import check_source
from MultiJointSegLib.pipeline.stages import StageClock
from MultiJointSegLib.pipeline.versions import package_versions
from MultiJointSegLib.progress import Progress, SilentProgress

if TYPE_CHECKING:
    from MultiJointSegLib.imaging.volume import Volume
    from MultiJointSegLib.morphology.measurement import Measurement
    from MultiJointSegLib.surface.mesh import Surface

STAGES = {
    "Reading both examinations": 10,
    "Making surfaces and measuring": 55,
    "Laying the bones on each other": 15,
    "Writing": 20,
}

CHANGES_CSV_NAME, CHANGES_JSON_NAME, PAGE_NAME, SHAPES_NAME = "changes.csv", "changes.json", "comparison.html", "shapes"
COMPARISON_NAMES = frozenset({CHANGES_CSV_NAME, CHANGES_JSON_NAME, PAGE_NAME, SHAPES_NAME, names.RUN_NAME})
"""All that a folder of a comparison may hold."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Where the files lie, and what changed."""

    output: Path
    joint: anatomy.Joint
    changes: list[Change]
    shapes: list[ShapeChange]
    run: dict[str, object]


@dataclass(frozen=True, slots=True, eq=False)
class _Examination:
    labels: Volume
    surfaces: dict[str, Surface]
    measurements: list[Measurement]
    cuts: dict[str, np.ndarray]


def _labels_file(path: Path) -> Path:
    """The label map of a result folder, or the file itself."""
    if path.is_dir():
        for name in (names.SEGMENTATION_NAME, names.LABELS_NAME):
            if (path / name).is_file():
                return path / name
        raise InputError(
            f"The folder '{path}' holds neither {names.SEGMENTATION_NAME} nor {names.LABELS_NAME}; give the result "
            "folder of 'segment' or 'measure', or a segmentation."
        )
    return path


def _measured(labels: Volume, joint: anatomy.Joint, side: str | None, progress: Progress) -> _Examination:
    from MultiJointSegLib.morphology.field_of_view import field_edge
    from MultiJointSegLib.morphology.from_segmentation import check_bodies
    from MultiJointSegLib.morphology.measures import measure_surfaces
    from MultiJointSegLib.surface.extraction import bone_surfaces

    check_bodies(labels, joint)
    surfaces = bone_surfaces(labels, joint.bones, None, progress=progress)
    measurements = measure_surfaces(surfaces, joint=joint.key, labels=labels, side=side)
    cuts = {key: field_edge(surface, labels.geometry).on_edge for key, surface in surfaces.items()}
    return _Examination(labels, surfaces, measurements, cuts)


def compare_examinations(
    first: str | Path,
    second: str | Path,
    output: str | Path,
    *,
    joint: str = "auto",
    mirror: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
    reader: Callable[[Path], Volume] | None = None,
) -> Comparison:
    """Compare two examinations of one joint, and write changes.csv, changes.json, comparison.html and shapes/.

    Both are measured anew in the same way, from their label maps. Each bone of the second is laid on that of the first
    without changing its shape, and its surface is written to shapes/<bone>.vtp with the change in mm at each point.

    Parameters
    ----------
    first, second
        Result folder of ``segment`` or ``measure``, or a segmentation.
    output
        Folder to make; it appears whole, at the end, or not at all.
    joint
        "auto" to tell it from the bones of the first, or a joint key.
    mirror
        The second is of the other side of the body: it is mirrored to lie on the first.
    overwrite
        Replace an earlier comparison, after success.
    progress
        Told of every stage; may cancel.
    reader
        As in `measure_segmentation`.

    Raises
    ------
    InputError
        If an examination cannot be read or measured, or both show different joints.
    """
    clock = StageClock(progress or SilentProgress(), STAGES)
    sources = [_labels_file(check_source(path, output=output)) for path in (first, second)]
    warnings: list[str] = []
    with staged_folder(output, overwrite=overwrite, own_names=COMPARISON_NAMES) as folder:
        with clock.stage("Reading both examinations"):
            read = [read_segmentation(source, reader, warnings) for source in sources]
            chosen = joint_of_labels(read[0][0], joint)
            if (other := joint_of_labels(read[1][0], joint).key) != chosen.key:
                raise InputError(
                    f"The first examination shows the {chosen.key}, the second the {other}; compare alike."
                )
        with clock.stage("Making surfaces and measuring") as span:
            both = [_measured(labels, chosen, side, span) for labels, side in read]
        with clock.stage("Laying the bones on each other"):
            changes = changes_between(both[0].measurements, both[1].measurements)
            shapes, laid, distances = _lay(both[0], both[1], mirror, warnings)
        run: dict[str, object] = {
            "program": "MultiJointSeg",
            "joint": chosen.key,
            "mirrored": mirror,
            "inputs": [input_record(source, labels) for source, (labels, _) in zip(sources, read, strict=True)],
            "versions": package_versions(),
            "warnings": warnings,
        }
        with clock.stage("Writing"):
            _write(folder, chosen, changes, shapes, laid, distances, run)
        run["timings_s"] = rounded(clock.timings_s)
        (folder / names.RUN_NAME).write_text(json.dumps(run, indent=2) + "\n", encoding="utf-8")
        clock.finish("Done")
    return Comparison(Path(output), chosen, changes, shapes, run)


def _lay(
    first: _Examination, second: _Examination, mirror: bool, warnings: list[str]
) -> tuple[list[ShapeChange], dict[str, Surface], dict[str, np.ndarray]]:
    """Each bone of the second on that of the first: summary, surface, and change at each of its points in mm."""
    from MultiJointSegLib.morphology.alignment import align_rigidly, change_mm

    shapes, laid, distances = [], {}, {}
    flip = np.diag([-1.0 if mirror else 1.0, 1.0, 1.0, 1.0])
    for key, fixed in first.surfaces.items():
        if key not in second.surfaces:
            continue
        moving = second.surfaces[key].transformed(flip)
        try:
            found = align_rigidly(moving, fixed, moving_cut=second.cuts[key], fixed_cut=first.cuts[key])
        except MultiJointSegError as error:
            warnings.append(f"The {anatomy.bone(key).name.lower()} was not laid on the other: {error}")
            continue
        surface = moving.transformed(found.matrix)
        change = change_mm(surface, fixed, first.cuts[key])
        # The second one's own cut is no bone surface either.
        change[np.unique(surface.triangles[second.cuts[key]])] = np.nan
        known = change[np.isfinite(change)]
        if not len(known):
            warnings.append(f"The {anatomy.bone(key).name.lower()} shows no part that both examinations share.")
            continue
        low, median, high = (float(v) for v in np.quantile(known, (0.05, 0.5, 0.95)))
        shapes.append(ShapeChange(key, found.residual_mm, median, low, high, len(known) / len(change)))
        laid[key], distances[key] = surface, change
    return shapes, laid, distances


def _write(
    folder: Path,
    joint: anatomy.Joint,
    changes: list[Change],
    shapes: list[ShapeChange],
    laid: Mapping[str, Surface],
    distances: Mapping[str, np.ndarray],
    run: dict[str, object],
) -> None:
    from MultiJointSegLib.report.comparison_page import write_comparison
    from MultiJointSegLib.surface.writing import write_surface

    columns = ("key", "bone", "name", "unit", "first", "second", "change", "error", "certain", "remark")
    with (folder / CHANGES_CSV_NAME).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for c in changes:
            row = [getattr(c, column) for column in columns]
            writer.writerow(["" if v is None else f"{v:.6g}" if isinstance(v, float) else v for v in row])
    document = {
        "schema_name": "multijointseg.comparison",
        "schema_version": "1.0",
        "changes": [asdict(c) for c in changes],
        "shapes": [asdict(s) for s in shapes],
    }
    (folder / CHANGES_JSON_NAME).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    (folder / SHAPES_NAME).mkdir()
    for key, surface in laid.items():
        write_surface(surface, folder / SHAPES_NAME / f"{key}.vtp", {"change_mm": distances[key]})
    left_out = write_comparison(folder / PAGE_NAME, joint, changes, shapes, laid, distances, run)
    warnings = run["warnings"]
    assert isinstance(warnings, list)
    warnings += left_out
