"""Which joint is segmented: the one that the user named, or the one that was detected."""

from __future__ import annotations

from collections.abc import Sequence

from MultiJointSegLib import anatomy
from MultiJointSegLib.errors import InputError, RefusalError
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.inference.bundle import ModelBundle
from MultiJointSegLib.inference.detection import ADVICE, Detection, article, join_words, modality_of


def named_joint(bundle: ModelBundle, volume: Volume, joint: str, warnings: list[str]) -> str | None:
    """The joint that the user named, checked.

    Parameters
    ----------
    bundle : ModelBundle
        The model, which must know the joint.
    volume : Volume
        The examination; what its intensities look like may become a warning.
    joint : str
        "auto" or a joint key.
    warnings : list of str
        Is appended to.

    Returns
    -------
    str or None
        None for "auto".

    Raises
    ------
    InputError
        If the joint is unknown to the catalog or the model, or does not accept the examination's stated modality.
    """
    if joint == "auto":
        return None
    wanted = anatomy.joint(joint)
    if joint not in bundle.joints:
        raise InputError(
            f"The model '{bundle.manifest.name}' does not know the {joint}; it knows {join_words(bundle.joints)}."
        )
    modality, stated = modality_of(volume)
    if modality and modality not in wanted.modalities:
        accepted = " or ".join(wanted.modalities)
        if stated:
            raise InputError(
                f"The examination's modality is {modality}; for the {joint} the model needs {accepted}. "
                f"Give an {accepted} examination."
            )
        warnings.append(f"The intensities look like {modality}; for the {joint} the model needs {accepted}.")
    return joint


def only_joint(joints: Sequence[str]) -> Detection:
    """What a network that sees no image can say about the joint: nothing but which one it knows."""
    joint, *more = joints
    if more:
        reason = f"The model sees a mask alone, which does not tell {join_words(tuple(joints))}. {ADVICE}"
        return Detection(None, 0.0, {}, reason)
    reason = f"The model sees a mask alone and knows the {joint} only; whether the image shows one was not judged."
    return Detection(joint, 0.0, {}, reason)


def joint_to_segment(detection: Detection, forced: str | None, warnings: list[str]) -> str:
    """The joint that the user named, else the detected one; contradictions are appended to the warnings.

    Raises
    ------
    RefusalError
        If none was named and none was detected.
    """
    if forced is None:
        if detection.joint is None:
            raise RefusalError(detection.reason)
        return detection.joint
    if detection.joint != forced:
        if detection.joint:
            seen = f"the images look like {article(detection.joint)} (score {detection.confidence:.2f})."
        else:
            seen = detection.reason.removesuffix(ADVICE).rstrip()
            seen = seen[0].lower() + seen[1:]
        warnings.append(f"The {forced} was segmented because you named it, but {seen} Check the result.")
    return forced
