"""The main job: the calls of the rooms in order."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from MultiJointSegLib import anatomy
from MultiJointSegLib.inference.manifest import read_manifest
from MultiJointSegLib.pipeline import result as names
from MultiJointSegLib.pipeline.finish_examination import FINISHING_STAGES, finish_examination
from MultiJointSegLib.pipeline.output_folder import staged_folder
from MultiJointSegLib.pipeline.result import ExaminationResult, ExaminationSegmenter, SceneWriter
from MultiJointSegLib.pipeline.run_record import input_record, run_record
from MultiJointSegLib.pipeline.source import check_source
from MultiJointSegLib.pipeline.stages import StageClock
from MultiJointSegLib.progress import Progress, SilentProgress

if TYPE_CHECKING:
    from MultiJointSegLib.imaging.volume import Volume
    from MultiJointSegLib.inference.segmenter import Segmenter

STAGES = {"Reading the examination": 4, "Loading the model": 6, "Segmenting the bones": 50, **FINISHING_STAGES}
"""Stages and their share of the progress, from timed runs on two cores."""


def read_examination(input_path: str | Path, *, series: str | None = None, joint: str = "auto") -> Volume:
    """Read an examination and check that it can be worked on; see `imaging.reading` and `imaging.checks`.

    Raises
    ------
    InputError
        If there is nothing at the path, it cannot be read, or it is no usable examination of the joint.
    """
    path = check_source(input_path)
    from MultiJointSegLib.imaging.checks import check_examination
    from MultiJointSegLib.imaging.reading import read_volume

    volume = read_volume(path, series=series)
    check_examination(volume, None if joint == "auto" else joint)
    return volume


def _read_mask(path: Path) -> Volume:
    from MultiJointSegLib.imaging.reading import read_label_map

    return read_label_map(path)


def load_segmenter(model: str | Path | None, device: str, *, tta: str | None = None) -> Segmenter:
    """Load a model bundle (the shipped one if None) on a device."""
    from MultiJointSegLib.inference.bundle import load_bundle
    from MultiJointSegLib.inference.segmenter import Segmenter

    return Segmenter(load_bundle(model), device=device, tta=tta)


def segment_examination(
    input_path: str | Path,
    output: str | Path,
    *,
    joint: str = "auto",
    series: str | None = None,
    device: str = "auto",
    model: str | Path | None = None,
    tta: str | None = None,
    overwrite: bool = False,
    record_paths: bool = False,
    surface_format: str = "stl",
    progress: Progress | None = None,
    scene_writer: SceneWriter | None = None,
    segmenter: ExaminationSegmenter | None = None,
    mask: str | Path | None = None,
) -> ExaminationResult:
    """Segment the bones of one examination and write everything about it into a folder.

    Parameters
    ----------
    input_path
        DICOM folder, DICOM file, NIfTI, NRRD or MetaImage.
    output
        Folder to make; it appears whole, at the end, or not at all.
    joint
        "auto" to detect it, or a joint key of the catalog.
    series
        Which series of a DICOM folder; see `imaging.reading.read_volume`.
    device
        "auto", "cpu", "cuda" or "mps".
    model
        Folder of a model bundle; the shipped one if None.
    tta
        Test-time augmentation; the model's own setting if None.
    overwrite
        Replace an earlier result in `output`, after success.
    record_paths
        Also note file paths in run.json. They may name the patient, so they are left out otherwise.
    surface_format
        Of surfaces/: "stl", "ply", "obj", "vtp", or "glb" (all bones in one file).
    progress
        Told of every stage; may cancel.
    scene_writer
        Writes scene.mrb and segmentation.seg.nrrd. Without one the scene is left out, with a warning, and the
        segmentation is written without terminology codes.
    segmenter
        Used instead of loading `model` on `device`.
    mask
        File of the parent organ's outline on the examination's grid, for a model that needs one; models compute all
        other masks themselves.

    Returns
    -------
    ExaminationResult

    Raises
    ------
    InputError
        If input, output, joint, device or model cannot be used.
    RefusalError
        If the examination shows none of the model's joints.
    CancelledError
        If `progress` says so.
    """
    clock = StageClock(progress or SilentProgress(), STAGES)
    if joint != "auto":
        anatomy.joint(joint)
    if model is not None:
        read_manifest(Path(model))
    source = check_source(input_path, output=output)
    with staged_folder(output, overwrite=overwrite, own_names=names.RESULT_NAMES) as folder:
        with clock.stage("Reading the examination"):
            volume = read_examination(source, series=series, joint=joint)
            read = input_record(source, volume, record_paths=record_paths)
        with clock.stage("Loading the model"):
            segmenter = segmenter or load_segmenter(model, device, tta=tta)
        with clock.stage("Segmenting the bones") as span:
            given = {} if mask is None else {"mask": _read_mask(Path(mask))}
            segmentation = segmenter.segment(volume, joint=joint, progress=span, **given)
        run = run_record(volume, segmentation, segmenter, joint_given=joint != "auto")
        run["input"] = read
        if record_paths:
            run["output_path"] = str(Path(output).resolve())
        finished = finish_examination(
            folder,
            volume=volume,
            segmentation=segmentation,
            run=run,
            clock=clock,
            scene_writer=scene_writer,
            surface_format=surface_format,
        )
        # The last moment at which a cancel still leaves nothing behind.
        clock.finish("Done")
    target = Path(output)
    return ExaminationResult(
        output=target,
        files={path.as_posix(): target / path for path in finished.files},
        joint=segmentation.joint,
        detection=segmentation.detection,
        volume=volume,
        labels=segmentation.labels,
        surfaces=finished.surfaces,
        measurements=finished.measurements,
        run=finished.run,
    )
