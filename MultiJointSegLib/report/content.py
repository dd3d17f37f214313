"""What a report is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from MultiJointSegLib.anatomy.catalog import Bone, Joint
from MultiJointSegLib.imaging.volume import Volume

if TYPE_CHECKING:
    from MultiJointSegLib.inference.segmenter import SegmentationResult
    from MultiJointSegLib.morphology.measurement import Measurement
    from MultiJointSegLib.surface.mesh import Surface


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportContent:
    """Everything the report shows, from memory; nothing is read again.

    Parameters
    ----------
    volume
        The examination (k, j, i), LPS.
    segmentation
        Its label map, detection, and certainty per bone and slice.
    joint_given
        Whether the user named the joint.
    surfaces
        By bone key, LPS mm.
    measurements
        In the order of the table.
    warnings
        Sentences.
    run
        Content of run.json: versions, device, timings.
    """

    volume: Volume
    segmentation: SegmentationResult
    joint_given: bool
    surfaces: Mapping[str, Surface]
    measurements: Sequence[Measurement]
    warnings: Sequence[str]
    run: Mapping[str, object] = field(default_factory=dict)

    @property
    def labels(self) -> Volume:
        """Label map on the examination's grid."""
        return self.segmentation.labels

    @property
    def joint(self) -> Joint:
        """The joint that was segmented."""
        return self.segmentation.joint

    @property
    def side(self) -> str | None:
        """Side of the body, see `side_of`."""
        return side_of(self.volume)

    def found(self, bone: Bone) -> bool:
        """Whether the label map holds the bone."""
        return bool((self.labels.array == bone.label).any())


def side_of(volume: Volume) -> str | None:
    """Side of the body, "left" or "right" where the source says so (DICOM Laterality), else None."""
    return {"L": "left", "R": "right"}.get(str(volume.metadata.get("laterality", "")).strip().upper()[:1])
