"""Masks that come with the examination: the outline of the parent organ, and the union of the true labels."""

from __future__ import annotations

from dataclasses import dataclass

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.learning.masks.source import BodyMask, SourceFacts, checked_given, finished_mask

ORGAN = SourceFacts(
    "organ",
    True,
    "The outline of the parent organ as a mask on the examination's grid, from a reader or another program.",
    "Nothing to compute; somebody has to draw it.",
    "Where the outline is drawn otherwise than in training.",
)
ORACLE = SourceFacts(
    "oracle",
    False,
    "The true labels of the examination, whose union it is.",
    "Nothing to compute.",
    "It leaks the truth: an upper bound for experiments, never for patients.",
)


@dataclass(frozen=True, slots=True)
class OrganMask:
    """The outline that was given."""

    facts: SourceFacts = ORGAN

    def mask(self, volume: Volume, *, given: Volume | None = None, side: str | None = None) -> BodyMask:  # noqa: ARG002
        """See `source.MaskSource.mask`; every voxel of `given` above 0 counts."""
        voxels = checked_given(given, volume, "organ", "the outline of the parent organ as a mask")
        return finished_mask(voxels, volume, "organ")


@dataclass(frozen=True, slots=True)
class OracleMask:
    """The union of the true labels.

    Parameters
    ----------
    allowed : bool
        Without it, making a mask is refused.
    """

    allowed: bool = False
    facts: SourceFacts = ORACLE

    def mask(self, volume: Volume, *, given: Volume | None = None, side: str | None = None) -> BodyMask:  # noqa: ARG002
        """See `source.MaskSource.mask`; every voxel of `given` above 0 counts."""
        refuse_oracle(self.allowed)
        voxels = checked_given(given, volume, "oracle", "the true labels")
        return finished_mask(voxels, volume, "oracle")


def refuse_oracle(allowed: bool) -> None:
    """Refuse the source `oracle` unless it was asked for by name.

    Raises
    ------
    InputError
    """
    if not allowed:
        raise InputError(
            "The mask source 'oracle' is the union of the true labels, which no new examination has; use skin, bone "
            "or organ, or set mask.allow_oracle for an experiment that is never shipped."
        )
