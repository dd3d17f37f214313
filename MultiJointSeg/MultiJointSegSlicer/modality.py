"""Whether a volume can show what was chosen; the file that the child gets does not say its modality any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from MultiJointSegSlicer.parameters import JointOption, RunSettings
from MultiJointSegSlicer.strings import tr as _

if TYPE_CHECKING:
    from MultiJointSegLib.imaging.volume import Volume


def check_joint(volume: Volume, settings: RunSettings) -> None:
    """Refuse a volume of a modality that the choice is not made for.

    Raises
    ------
    InputError
        With what to choose instead.
    """
    from MultiJointSegLib.errors import InputError
    from MultiJointSegLib.imaging.checks import check_modality, looks_like_ct

    if settings.joint.annotated:
        if volume.modality not in ("", "CT"):
            raise InputError(
                _("The volume is {modality}; hips are annotated from CT. Choose Automatic as joint.").format(
                    modality=volume.modality
                )
            )
        return
    if settings.joint is not JointOption.AUTOMATIC:
        check_modality(volume, settings.joint.value)
        return
    # A model of the user's own may know CT; ours does not.
    if not settings.model.strip() and (volume.modality or ("CT" if looks_like_ct(volume.array) else "")) == "CT":
        raise InputError(
            _(
                "The volume is a CT, or looks like one; the model that comes with the extension reads MRI. For hips, "
                "choose '{choice}' as joint."
            ).format(choice=JointOption.HIP_CT.label())
        )
