"""All bones as one mask: a threshold in CT, a coarse first pass of a network in MR."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.learning.masks.regions import filled, without_specks
from MultiJointSegLib.learning.masks.source import BodyMask, SourceFacts, checked_given, finished_mask, looks_like_ct

FACTS = SourceFacts(
    "bone",
    True,
    "CT, or a model that gives coarse bones in MR (from the image, best with the skin) and did not train on the case.",
    "About a second in CT; a whole segmentation more in MR.",
    "In CT with contrast agent, metal and cartilage (which is missing); in MR where the first pass errs.",
)

CT_BONE_HU = 200.0
LEAST_ML = 0.5
"""Pieces of less than this are no bones: calcified vessels, specks of noise."""

FirstPass = Callable[[Volume], Volume]
"""Coarse label map (any value above 0 is bone) of an examination, on its grid."""


@dataclass(frozen=True, slots=True)
class BoneMask:
    """Bones of an examination.

    Parameters
    ----------
    first_pass : callable, optional
        For MR.
    """

    first_pass: FirstPass | None = None
    facts: SourceFacts = FACTS

    def mask(self, volume: Volume, *, given: Volume | None = None, side: str | None = None) -> BodyMask:  # noqa: ARG002
        """See `source.MaskSource.mask`."""
        least = LEAST_ML * 1000 / volume.geometry.voxel_volume_mm3
        if looks_like_ct(volume):
            bones = without_specks(filled(volume.array > CT_BONE_HU, volume.geometry), least)
            return finished_mask(bones, volume, "bone")
        if self.first_pass is None:
            what = volume.modality or "not stated to be CT"
            raise InputError(
                f"The mask source 'bone' thresholds CT, but this examination is {what}; "
                "give a CT, a model with a first pass, or use the mask source 'skin'."
            )
        coarse = checked_given(self.first_pass(volume), volume, "bone", "the bones of a first pass")
        return finished_mask(without_specks(coarse, least), volume, "bone")
