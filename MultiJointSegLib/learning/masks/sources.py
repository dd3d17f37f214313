"""The mask sources by name."""

from __future__ import annotations

from MultiJointSegLib.learning.masks import bone, given, skin
from MultiJointSegLib.learning.masks.bone import BoneMask, FirstPass
from MultiJointSegLib.learning.masks.given import OracleMask, OrganMask
from MultiJointSegLib.learning.masks.settings import MaskSettings
from MultiJointSegLib.learning.masks.skin import SkinMask
from MultiJointSegLib.learning.masks.source import MaskSource, SourceFacts

FACTS: dict[str, SourceFacts] = {facts.name: facts for facts in (skin.FACTS, bone.FACTS, given.ORGAN, given.ORACLE)}
"""What each source needs, costs and fails at."""


def mask_source(settings: MaskSettings, *, first_pass: FirstPass | None = None) -> MaskSource:
    """The source that the settings name.

    Parameters
    ----------
    settings : MaskSettings
    first_pass : callable, optional
        Coarse bones for the source `bone` in MR.
    """
    if settings.source == "skin":
        return SkinMask()
    if settings.source == "bone":
        return BoneMask(first_pass)
    if settings.source == "organ":
        return OrganMask()
    return OracleMask(settings.allow_oracle)
