"""Which of the series of a DICOM folder to take."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.dicom_series import SAME_POSITION_MM, SeriesSummary, slice_positions_mm
from MultiJointSegLib.imaging.limits import MINIMUM_SLICES

_PROTOCOL = ("RepetitionTime", "FlipAngle", "ScanningSequence", "SequenceVariant", "MRAcquisitionType", "InversionTime")
LISTED = 20
"""Series named in one message at most."""


def choose_series(
    stacks: Sequence[SeriesSummary], folder_name: str, selector: str | None = None
) -> tuple[SeriesSummary, list[str]]:
    """Take the one series that is meant.

    Parameters
    ----------
    stacks : sequence of SeriesSummary
        From `list_series`.
    folder_name : str
        For messages.
    selector : str or None
        Key, series number, series UID or description. None: the only usable series, where there is one.

    Returns
    -------
    summary : SeriesSummary
    warnings : list of str
        What was decided without being asked. Of several echoes of one examination (same study, frame of reference,
        slices, protocol and image type; only the echo time differs) the one with the shortest echo time is taken.

    Raises
    ------
    InputError
        If there is none, or several are equally good; the message lists them.
    """
    listing = _listing(stacks)
    if not stacks:
        raise InputError(f"The folder {folder_name} holds no DICOM image; give the folder or file of an examination.")
    if selector is None:
        candidates = [s for s in stacks if s.usable]
        if not candidates:
            raise InputError(
                f"The folder {folder_name} holds no usable volume, only: {listing}; "
                f"a stack of at least {MINIMUM_SLICES} parallel MR or CT slices is needed."
            )
    else:
        matches = _matching(stacks, selector)
        if not matches:
            raise InputError(f"No series '{selector}' in the folder {folder_name}; it holds: {listing}.")
        candidates = [s for s in matches if s.usable] or [s for s in matches if not s.reason]
        if not candidates:
            raise InputError(f"The series '{selector}' cannot be used: {_listing(matches)}.")
    if len(candidates) == 1:
        return candidates[0], []
    if _echoes_of_one_examination(candidates):
        first, *others = sorted(candidates, key=lambda s: s.frames[0].number("EchoTime") or 0)
        text = ", ".join(f"{s.frames[0].number('EchoTime'):g} ms (--series {s.key})" for s in others)
        note = (
            f"The series has {len(candidates)} echoes of the same slices; the shortest echo time, "
            f"{first.frames[0].number('EchoTime'):g} ms, was taken; others: {text}."
        )
        return first, [note]
    raise InputError(
        f"The folder {folder_name} holds {len(candidates)} series that could be meant; choose one with --series "
        f"(its number, description or UID): {_listing(candidates)}."
    )


def _listing(stacks: Sequence[SeriesSummary]) -> str:
    shown = [str(s) for s in stacks[:LISTED]]
    return "; ".join([*shown, f"and {len(stacks) - LISTED} more"] if len(stacks) > LISTED else shown)


def _matching(stacks: Sequence[SeriesSummary], selector: str) -> list[SeriesSummary]:
    text = selector.strip().casefold()
    tests: tuple[Callable[[SeriesSummary], bool], ...] = (
        lambda s: s.key == text,
        lambda s: s.uid == text,
        lambda s: str(s.number) == text,
        lambda s: s.description.casefold() == text,
        lambda s: bool(text) and text in f"{s.description} {s.part}".casefold(),
    )
    for test in tests:
        if found := [s for s in stacks if test(s)]:
            return found
    return []


def _echoes_of_one_examination(stacks: Sequence[SeriesSummary]) -> bool:
    def identity(stack: SeriesSummary) -> tuple:
        first = stack.frames[0]
        names = ("StudyInstanceUID", "FrameOfReferenceUID", "ImageType", "SeriesDescription", *_PROTOCOL)
        return (stack.size, first.pixel_mm, *(first.tags.get(name) for name in names))

    def places(stack: SeriesSummary) -> np.ndarray:
        points = np.array([(*f.position_mm, *f.axes) for f in stack.frames])  # type: ignore[misc]
        return points[np.argsort(slice_positions_mm(stack.frames))]

    echo_times = [s.frames[0].number("EchoTime") for s in stacks]
    if None in echo_times or len(set(echo_times)) < len(stacks) or len({identity(s) for s in stacks}) > 1:
        return False
    if not stacks[0].frames[0].text("FrameOfReferenceUID"):
        return False
    return all(np.allclose(places(stacks[0]), places(s), atol=SAME_POSITION_MM) for s in stacks[1:])
