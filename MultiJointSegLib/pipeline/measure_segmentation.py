"""Surfaces and measurements of a segmentation that exists already, for example one corrected by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from MultiJointSegLib import anatomy
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.pipeline import result as names
from MultiJointSegLib.pipeline.output_folder import staged_folder
from MultiJointSegLib.pipeline.result_files import write_tables_and_surfaces
from MultiJointSegLib.pipeline.run_record import input_record, peak_memory_mib, rounded
from MultiJointSegLib.pipeline.source import check_source
from MultiJointSegLib.pipeline.stages import StageClock
from MultiJointSegLib.pipeline.versions import package_versions
from MultiJointSegLib.progress import Progress, SilentProgress

if TYPE_CHECKING:
    from MultiJointSegLib.imaging.volume import Volume
    from MultiJointSegLib.morphology.measurement import Measurement
    from MultiJointSegLib.surface.mesh import Surface

STAGES = {"Reading the segmentation": 10, "Making surfaces": 50, "Measuring": 15, "Writing": 10, "Drawing": 15}

_LARGEST_SHARE_BEYOND = 0.05

SURFACE_FORMATS = ("stl", "ply", "obj", "vtp", "glb")
"""As in `surface.writing`, which is too heavy to import for a command line."""


@dataclass(frozen=True, slots=True)
class MeasuredSegmentation:
    """Where the files lie, the joint, and the measurements."""

    output: Path
    joint: anatomy.Joint
    measurements: list[Measurement]
    run: dict[str, object]


def with_catalog_labels(labels: Volume) -> Volume:
    """Label map whose values are the catalog's, also where an editor renumbered the segments.

    Parameters
    ----------
    labels
        Where ``metadata["segments"]`` lists segments ("id", "name", "label"), these tell which bone a value means:
        the ID is a bone's key or the name a bone's name. Otherwise the values are taken as they are.

    Returns
    -------
    Volume
        uint8.

    Raises
    ------
    InputError
        If a segment that has voxels is no bone of the catalog.
    """
    segments = labels.metadata.get("segments")
    if not isinstance(segments, list):
        return labels
    present = set(np.unique(labels.array).tolist())
    known = {text.casefold(): bone for bone in anatomy.all_bones() for text in (bone.key, bone.name)}
    array = np.zeros(labels.array.shape, np.uint8)
    for segment in segments:
        bone = known.get(str(segment["id"]).casefold()) or known.get(str(segment["name"]).casefold())
        if bone is not None:
            array[labels.array == segment["label"]] = bone.label
        elif segment["label"] in present:
            names_known = ", ".join(bone.name for bone in anatomy.all_bones())
            raise InputError(
                f"The segment '{segment['name']}' is no bone that is known; rename or delete it (known: {names_known})."
            )
    return labels.with_array(array)


def joint_of_labels(labels: Volume, joint: str = "auto") -> anatomy.Joint:
    """The joint whose bones a label map holds.

    Parameters
    ----------
    labels
        Label map with the catalog's values.
    joint
        A joint key, or "auto" to find the joint that has all bones present and the fewest others.

    Raises
    ------
    InputError
        If the label map is empty, holds values of no bone or of no single joint, or the bones fit several joints.
    """
    present = {int(value) for value in np.unique(labels.array)} - {0}
    known = {bone.label: bone for bone in anatomy.all_bones()}
    listing = ", ".join(f"{label} {bone.name.lower()}" for label, bone in known.items())
    if not present:
        raise InputError("The segmentation is empty: all voxels are 0; give one with at least one labeled bone.")
    if unknown := sorted(present - set(known)):
        raise InputError(f"The segmentation holds the label value {unknown[0]}; known are {listing}.")
    if joint != "auto":
        chosen = anatomy.joint(joint)
        if foreign := sorted(present - set(chosen.labels)):
            raise InputError(
                f"The segmentation holds the {known[foreign[0]].name.lower()} (label value {foreign[0]}), "
                f"which is no bone of the {chosen.key}; give the right --joint."
            )
        return chosen
    fitting = [j for j in map(anatomy.joint, anatomy.joint_names()) if present <= set(j.labels)]
    if not fitting:
        bones = ", ".join(known[label].name.lower() for label in sorted(present))
        raise InputError(f"The segmentation holds {bones}, which no single joint has; known values are {listing}.")
    fewest = min(len(j.bones) for j in fitting)
    best = [j for j in fitting if len(j.bones) == fewest]
    # Fewer missing bones decide only if the bones present distinguish the joints at all.
    if len(fitting) > 1 and (len(best) > 1 or len(present) == 1):
        raise InputError(
            f"The bones of the segmentation fit several joints ({', '.join(j.key for j in fitting)}); "
            "name one with --joint."
        )
    return best[0]


def measure_segmentation(
    segmentation: str | Path,
    output: str | Path,
    *,
    joint: str = "auto",
    side: str | None = None,
    surface_format: str = "stl",
    maximum_deviation_mm: float | None = None,
    pictures: bool = True,
    pixel_error: bool = False,
    image: str | Path | None = None,
    dicom_source: str | Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    reader: Callable[[Path], Volume] | None = None,
) -> MeasuredSegmentation:
    """Surfaces and measurements of a segmentation: labels.nii.gz, surfaces/, measurements.*, measures/*.png, run.json.

    Parameters
    ----------
    segmentation
        Label map with the values of the catalog, or .seg.nrrd whose segments are named as bones: NRRD, NIfTI or
        MetaImage.
    output
        Folder to make; it appears whole, at the end, or not at all.
    joint
        "auto" to tell it from the bones, or a joint key.
    side
        "left" or "right"; taken from the segments' names if they say it.
    surface_format
        One of `SURFACE_FORMATS`.
    maximum_deviation_mm
        Write lighter surfaces, at most this far from the ones measured; all triangles if None.
    pictures
        Draw each measurement's landmarks on the bones.
    pixel_error
        Measure twice more, with outlines one pixel wider and narrower, so that the errors contain an unsure outline.
    image
        The examination that was segmented (file or DICOM folder): its growth plates are measured too.
    dicom_source
        Folder of the DICOM series that the segmentation was made on: the measurements are also written as a DICOM
        structured report that belongs to it (measurements.dcm).
    overwrite
        Replace an earlier result in `output`, after success.
    progress
        Told of every stage; may cancel.
    reader
        Reads a .seg.nrrd in place of the library's own reader; raises ImportError where it cannot be used. One that
        knows Slicer's files also knows segments by other names and their terminology.

    Raises
    ------
    InputError
        If the segmentation, the joint or the output cannot be used, a label holds two bones, or a bone is too small.
    """
    clock = StageClock(progress or SilentProgress(), STAGES)
    if joint != "auto":
        anatomy.joint(joint)
    if side is not None:
        anatomy.laterality(side)
    if surface_format not in SURFACE_FORMATS:
        raise InputError(f"Surfaces are written as {', '.join(SURFACE_FORMATS)}, not '{surface_format}'.")
    source = check_source(segmentation, output=output)
    warnings: list[str] = []
    with staged_folder(output, overwrite=overwrite, own_names=names.RESULT_NAMES) as folder:
        with clock.stage("Reading the segmentation"):
            from MultiJointSegLib.morphology.from_segmentation import check_bodies, present_labels

            labels, said = read_segmentation(source, reader, warnings)
            present_labels(labels)
            chosen = joint_of_labels(labels, joint)
            check_bodies(labels, chosen)
            side = side or said
        with clock.stage("Making surfaces") as span:
            from MultiJointSegLib.surface.extraction import bone_surfaces

            surfaces = bone_surfaces(labels, chosen.bones, None, progress=span)
        with clock.stage("Measuring") as span:
            from MultiJointSegLib.morphology.label_check import side_conflict, side_from_bones, swapped_labels
            from MultiJointSegLib.morphology.measures import measure_surfaces

            measurements = measure_surfaces(
                surfaces, joint=chosen.key, labels=labels, side=side, image=examination_of(image, labels)
            )
            if pixel_error:
                from MultiJointSegLib.morphology.repeatability import with_pixel_error

                measurements = with_pixel_error(measurements, labels, chosen.key, side=side, progress=span)
            found = (swapped_labels(surfaces, chosen.key), side_conflict(surfaces, chosen.key, side))
            warnings += [sentence for sentence in found if sentence]
            side = side or side_from_bones(surfaces, chosen.key)
        with clock.stage("Writing"):
            written = surfaces if maximum_deviation_mm is None else _lighter(surfaces, maximum_deviation_mm)
            write_tables_and_surfaces(folder, labels, written, measurements, surface_format)
            if dicom_source is not None:
                from MultiJointSegLib.report.structured_report import write_structured_report

                report = folder / names.DICOM_REPORT_NAME
                write_structured_report(report, measurements, chosen, Path(dicom_source), side=side)
        with clock.stage("Drawing"):
            if pictures:
                from MultiJointSegLib.report.measure_picture import write_measure_pictures

                _, not_drawn = write_measure_pictures(folder / names.MEASURE_PICTURES_NAME, surfaces, measurements)
                warnings += [not_drawn] if not_drawn else []
        run: dict[str, object] = {
            "program": "MultiJointSeg",
            "joint": chosen.key,
            "side": side or "",
            "input": input_record(source, labels),
            "versions": package_versions(),
            "timings_s": rounded(clock.timings_s),
            "peak_memory_mib": peak_memory_mib(),
            "warnings": warnings,
        }
        (folder / names.RUN_NAME).write_text(json.dumps(run, indent=2) + "\n", encoding="utf-8")
        clock.finish("Done")
    return MeasuredSegmentation(Path(output), chosen, list(measurements), run)


def examination_of(image: str | Path | None, labels: Volume) -> Volume | None:
    """The examination of a segmentation, if it is given and lies where the segmentation lies."""
    if image is None:
        return None
    from MultiJointSegLib.imaging.reading import read_volume

    volume = read_volume(Path(image))
    inside = labels.geometry.index_to_point(np.argwhere(labels.array)[:, ::-1].astype(float))
    index = volume.geometry.point_to_index(inside)
    beyond = ((index < -1) | (index > np.asarray(volume.geometry.size))).any(axis=1)
    if beyond.mean() > _LARGEST_SHARE_BEYOND:
        raise InputError(
            f"The segmentation was not made on {Path(image).name}: {100 * beyond.mean():.0f} % of it lie outside "
            "of that image. Give the examination that was segmented."
        )
    return volume


def _lighter(surfaces: Mapping[str, Surface], maximum_deviation_mm: float) -> dict[str, Surface]:
    from MultiJointSegLib.surface.decimation import decimated

    return {key: decimated(surface, maximum_deviation_mm).surface for key, surface in surfaces.items()}


def read_segmentation(
    source: Path, reader: Callable[[Path], Volume] | None, warnings: list[str]
) -> tuple[Volume, str | None]:
    """The label map with the catalog's values, and the side that the segments' names say.

    Parameters
    ----------
    source
        Label map, or .seg.nrrd whose segments are named as bones.
    reader
        See `measure_segmentation`.
    warnings
        Sentences about what was left out are added.

    Raises
    ------
    InputError
        If the file cannot be read, or holds no bone or unknown ones.
    """
    from MultiJointSegLib.imaging.reading import read_label_map

    if reader is not None and source.name.lower().endswith((".seg.nrrd", ".seg.nhdr")):
        try:
            labels = reader(source)
        except ImportError:
            pass
        else:
            left_out = labels.metadata.get("left_out")
            if isinstance(left_out, list) and left_out:
                warnings.append(f"Segments that are no bone were left out: {', '.join(map(str, left_out))}.")
            overlapping = labels.metadata.get("overlapping_voxels")
            if overlapping:
                warnings.append(
                    f"Segments overlap in {overlapping} voxels; there the one later in the list was measured."
                )
            return labels, str(labels.metadata.get("side") or "") or None
    return with_catalog_labels(read_label_map(source)), None
