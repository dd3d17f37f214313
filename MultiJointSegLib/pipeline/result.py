"""What the main job hands back, and what it asks of a scene writer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from MultiJointSegLib.anatomy.catalog import Bone, Joint
from MultiJointSegLib.imaging.volume import Volume

if TYPE_CHECKING:
    from MultiJointSegLib.inference.detection import Detection
    from MultiJointSegLib.inference.segmenter import SegmentationResult
    from MultiJointSegLib.morphology.measurement import Measurement
    from MultiJointSegLib.progress import Progress
    from MultiJointSegLib.surface.mesh import Surface

SEGMENTATION_NAME = "segmentation.seg.nrrd"
LABELS_NAME = "labels.nii.gz"
SURFACES_NAME = "surfaces"
MEASUREMENTS_CSV_NAME = "measurements.csv"
MEASUREMENTS_JSON_NAME = "measurements.json"
SCENE_NAME = "scene.mrb"
REPORT_NAME = "report.html"
RUN_NAME = "run.json"
UNCERTAINTY_NAME = "uncertainty.nrrd"
DICOM_NAME = "segmentation.dcm"
DICOM_REPORT_NAME = "measurements.dcm"
MEASURE_PICTURES_NAME = "measures"

RESULT_NAMES = frozenset(
    {
        SEGMENTATION_NAME,
        LABELS_NAME,
        SURFACES_NAME,
        MEASUREMENTS_CSV_NAME,
        MEASUREMENTS_JSON_NAME,
        SCENE_NAME,
        REPORT_NAME,
        RUN_NAME,
        UNCERTAINTY_NAME,
        DICOM_NAME,
        DICOM_REPORT_NAME,
        MEASURE_PICTURES_NAME,
    }
)
"""All that a result folder may hold; ``--overwrite`` replaces a folder only if it holds nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneContent:
    """What a scene holds beside the examination.

    Parameters
    ----------
    labels
        Label map (k, j, i) with global label values, LPS.
    bones
        The bones that become segments, also those without a voxel.
    surfaces
        Closed surface of each bone found, by bone key, LPS mm.
    measurements
        Values with units and the geometry that shows them.
    name
        What the results are called, as the user sees it.
    side
        "left" or "right", None where it is not known.
    uncertainty
        Doubt about every voxel in percent (`uncertainty_map.uncertainty_map`), None where there is none.
    run
        Content of run.json, from which review and report are made again; None where there is none.
    """

    labels: Volume
    bones: Sequence[Bone]
    surfaces: Mapping[str, Surface]
    measurements: Sequence[Measurement]
    name: str
    side: str | None = None
    uncertainty: Volume | None = None
    run: Mapping[str, object] | None = None


class SceneWriter(Protocol):
    """Writes what 3D Slicer opens. Given from outside, since the library knows nothing of Slicer."""

    def __call__(self, folder: Path, volume: Volume, content: SceneContent, /) -> None:
        """Write `SEGMENTATION_NAME` and `SCENE_NAME` into `folder`.

        Raises `ImportError` if the packages that it needs cannot be used here.
        """


class ExaminationSegmenter(Protocol):
    """What the main job asks of a segmenter; `inference.segmenter.Segmenter` is one."""

    def segment(self, volume: Volume, *, joint: str = "auto", progress: Progress | None = None) -> SegmentationResult:
        """Detect the joint unless it is given, and label its bones on the volume's own grid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExaminationResult:
    """The result of one examination, written and in memory.

    Parameters
    ----------
    output
        Folder that holds the files.
    files
        Path of each file that was written, by what it is: "segmentation", "labels", "scene", "report", ...
    joint, detection
        What was segmented and how it was recognized.
    volume, labels
        The examination (k, j, i) and its label map (uint8) on the same grid, LPS.
    surfaces
        Closed surface of each bone found, by bone key, LPS mm.
    measurements
        Values with units and the geometry that shows them.
    run
        Content of run.json: inputs by hash, versions, device, timings in s, peak memory in MiB, warnings.
    """

    output: Path
    files: dict[str, Path]
    joint: Joint
    detection: Detection
    volume: Volume
    labels: Volume
    surfaces: Mapping[str, Surface]
    measurements: Sequence[Measurement]
    run: dict[str, object]
