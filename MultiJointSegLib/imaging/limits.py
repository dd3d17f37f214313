"""Limits on what is accepted as an examination."""

from __future__ import annotations

from MultiJointSegLib.errors import InputError

MAXIMUM_BYTES = 2 * 1024**3
MINIMUM_SLICES = 3
SPACING_RANGE_MM = (0.05, 30.0)
EXTENT_RANGE_MM = (10.0, 2500.0)
"""The smallest and largest field of view; the smaller bound holds for the two larger dimensions."""


def check_bytes(count: int, what: str) -> None:
    """Refuse voxels that take more than `MAXIMUM_BYTES`, before they are read.

    Raises
    ------
    InputError
        If they do.
    """
    if count > MAXIMUM_BYTES:
        raise InputError(
            f"{what} holds {count / 1024**3:.1f} GB of voxels; at most {MAXIMUM_BYTES / 1024**3:g} GB are accepted: "
            "crop or resample it."
        )
