"""Surfaces and measurements of a segmentation that exists already, for example one corrected by hand."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from MultiJointSegLib import anatomy
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.pipeline import result as names
from MultiJointSegLib.pipeline.output_folder import staged_folder
from MultiJointSegLib.pipeline.result_files import write_tables_and_surfaces
from MultiJointSegLib.pipeline.run_record import describe_inputs, package_versions, peak_memory_mib, rounded
from MultiJointSegLib.pipeline.source import check_source
from MultiJointSegLib.pipeline.stages import StageClock
from MultiJointSegLib.progress import Progress, SilentProgress

if TYPE_CHECKING:
    from MultiJointSegLib.imaging.volume import Volume
    from MultiJointSegLib.morphology.measurement import Measurement

STAGES = {"Reading the segmentation": 10, "Making surfaces": 60, "Measuring": 20, "Writing": 10}


@dataclass(frozen=True, slots=True)
class MeasuredSegmentation:
    """Where the files lie, the joint, and the measurements."""

    output: Path
    joint: anatomy.Joint
    measurements: list[Measurement]
    run: dict[str, object]


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
    overwrite: bool = False,
    progress: Progress | None = None,
) -> MeasuredSegmentation:
    """Write labels.nii.gz, surfaces/<bone>.stl, measurements.csv, measurements.json and run.json of a segmentation.

    Parameters
    ----------
    segmentation
        Label map whose values are those of the catalog: .seg.nrrd, NRRD, NIfTI or MetaImage.
    output
        Folder to make; it appears whole, at the end, or not at all.
    joint
        "auto" to tell it from the bones, or a joint key.
    overwrite
        Replace an earlier result in `output`, after success.
    progress
        Told of every stage; may cancel.

    Raises
    ------
    InputError
        If the segmentation, the joint or the output cannot be used.
    """
    clock = StageClock(progress or SilentProgress(), STAGES)
    if joint != "auto":
        anatomy.joint(joint)
    source = check_source(segmentation, output=output)
    with staged_folder(output, overwrite=overwrite, own_names=names.RESULT_NAMES) as folder:
        with clock.stage("Reading the segmentation"):
            from MultiJointSegLib.imaging.reading import read_label_map

            labels = read_label_map(source)
            chosen = joint_of_labels(labels, joint)
        with clock.stage("Making surfaces") as span:
            from MultiJointSegLib.surface.extraction import bone_surfaces

            surfaces = bone_surfaces(labels, chosen.bones, None, progress=span)
        with clock.stage("Measuring"):
            from MultiJointSegLib.morphology.measures import measure_surfaces

            measurements = measure_surfaces(surfaces, joint=chosen.key, labels=labels)
        with clock.stage("Writing"):
            write_tables_and_surfaces(folder, labels, surfaces, measurements)
        run: dict[str, object] = {
            "program": "MultiJointSeg",
            "joint": chosen.key,
            "inputs": describe_inputs([source]) if source.is_file() else [],
            "versions": package_versions(),
            "timings_s": rounded(clock.timings_s),
            "peak_memory_mib": peak_memory_mib(),
            "warnings": [],
        }
        (folder / names.RUN_NAME).write_text(json.dumps(run, indent=2) + "\n", encoding="utf-8")
        clock.finish("Done")
    return MeasuredSegmentation(Path(output), chosen, list(measurements), run)
