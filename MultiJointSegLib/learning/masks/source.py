"""What a mask source is: one interface, and what is wrong with a mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.learning.masks.settings import SourceName

FULL_SHARE = 0.995
"""A mask that fills more of the field of view than this tells no position."""

CUT_SHARE = 0.05
"""A face of the field of view cuts the mask off where the mask fills more of the face than this."""

_CT_AIR_HU = -300
_CT_AIR_SHARE = 0.02
_FACES = (("right", "left"), ("front", "back"), ("feet", "head"))
"""Ends of the LPS axes."""


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What a user has to know about a source.

    Parameters
    ----------
    name : str
    deployable : bool
        False: made from the truth, which nobody has at test time.
    needs, costs, fails : str
        One sentence each.
    """

    name: SourceName
    deployable: bool
    needs: str
    costs: str
    fails: str


@dataclass(frozen=True, slots=True)
class BodyMask:
    """A mask and where it comes from.

    Parameters
    ----------
    volume : Volume
        uint8 of 0 and 1 on the examination's grid.
    source : str
    cut : tuple of str
        Ends of the field of view that cut the mask off: "right", "left", "front", "back", "feet", "head".
    warnings : tuple of str
        Sentences for the user.
    """

    volume: Volume
    source: SourceName
    cut: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class MaskSource(Protocol):
    """Makes the mask of an examination."""

    @property
    def facts(self) -> SourceFacts:
        """What it is."""

    def mask(self, volume: Volume, *, given: Volume | None = None, side: str | None = None) -> BodyMask:
        """Mask of an examination.

        Parameters
        ----------
        volume : Volume
            The examination, any intensities.
        given : Volume, optional
            What `organ` (an outline) and `oracle` (the true labels) need; the others ignore it.
        side : {"left", "right"}, optional
            Side of the body, where known.

        Raises
        ------
        InputError
            With one sentence, if the examination or `given` allows no mask.
        """


def looks_like_ct(volume: Volume) -> bool:
    """Whether an examination is CT: stated, or not stated and with a lot of air in Hounsfield units."""
    if volume.modality:
        return volume.modality == "CT"
    if volume.array.dtype.kind == "u":
        return False
    return bool(np.count_nonzero(volume.array < _CT_AIR_HU) > _CT_AIR_SHARE * volume.array.size)


def finished_mask(mask: np.ndarray, volume: Volume, source: SourceName, warnings: tuple[str, ...] = ()) -> BodyMask:
    """Check a mask and say where it is cut off.

    Parameters
    ----------
    mask : bool ndarray of shape (k, j, i)
    volume : Volume
        The examination.

    Raises
    ------
    InputError
        If the mask is empty or full.
    """
    share = float(np.count_nonzero(mask)) / mask.size
    if share == 0:
        raise InputError(
            f"The mask source '{source}' finds nothing in this examination, so the mask is empty; "
            "check the examination or use another mask source."
        )
    if share > FULL_SHARE:
        raise InputError(
            f"The mask of the source '{source}' fills {100 * share:.1f} % of the field of view, so it tells no "
            "position; use an examination that shows more of the surroundings, or another mask source."
        )
    return BodyMask(Volume(mask.astype(np.uint8), volume.geometry), source, cut_ends(mask, volume), warnings)


def cut_ends(mask: np.ndarray, volume: Volume) -> tuple[str, ...]:
    """Ends of the field of view where the mask goes on, in the order of `BodyMask.cut`."""
    direction = np.asarray(volume.geometry.direction)
    found = set()
    for axis in range(3):
        lps = int(np.abs(direction[:, 2 - axis]).argmax())
        for end in (0, -1):
            if mask.take(end, axis=axis).mean() > CUT_SHARE:
                high = (end == -1) == (direction[lps, 2 - axis] > 0)
                found.add(_FACES[lps][int(high)])
    return tuple(name for pair in _FACES for name in pair if name in found)


def checked_given(given: Volume | None, volume: Volume, source: SourceName, what: str) -> np.ndarray:
    """Voxels (bool, k, j, i) of a mask that was given, on the examination's grid.

    Raises
    ------
    InputError
        If nothing was given, or something on another grid.
    """
    if given is None:
        raise InputError(f"The mask source '{source}' needs {what}, but none was given; give it with the examination.")
    if not given.geometry.same_grid(volume.geometry):
        sizes = [" x ".join(str(n) for n in v.geometry.size) for v in (given, volume)]
        raise InputError(
            f"The mask given for the source '{source}' lies on another grid ({sizes[0]} voxels) than the examination "
            f"({sizes[1]}); resample it to the examination's grid."
        )
    return given.array > 0
