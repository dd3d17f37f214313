"""The mask that a network saw, as part of run.json, so that a report made again later still shows it."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping
from typing import Any, get_args

import numpy as np

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.learning.masks.settings import SourceName
from MultiJointSegLib.learning.masks.source import BodyMask


def mask_record(mask: BodyMask | None) -> dict[str, Any] | None:
    """Plain JSON values of a mask: source, ends that are cut off, share of the field of view, grid and voxels.

    The voxels (k, j, i) are packed eight to a byte, compressed (zlib) and written in base 64: about ten kilobytes.
    """
    if mask is None:
        return None
    inside = mask.volume.array > 0
    geometry = mask.volume.geometry
    return {
        "source": mask.source,
        "cut": list(mask.cut),
        "share": round(float(np.count_nonzero(inside)) / inside.size, 4),
        "size": list(geometry.size),
        "spacing_mm": list(geometry.spacing_mm),
        "origin_mm": list(geometry.origin_mm),
        "direction_lps": [list(row) for row in geometry.direction],
        "voxels": base64.b64encode(zlib.compress(np.packbits(inside).tobytes(), 9)).decode("ascii"),
    }


def recorded_mask(record: Mapping[str, Any] | None, geometry: Geometry) -> BodyMask | None:
    """The mask of a `mask_record` that lies on an examination's grid.

    Returns
    -------
    BodyMask or None
        None where no mask was seen, where the record is of an earlier version without voxels, cannot be read, or
        lies on another grid.
    """
    if not record or "voxels" not in record or record.get("source") not in get_args(SourceName):
        return None
    try:
        own = Geometry(
            tuple(record["size"]),
            tuple(record["spacing_mm"]),
            tuple(record["origin_mm"]),
            tuple(tuple(row) for row in record["direction_lps"]),
        )
        if not own.same_grid(geometry):
            return None
        count = int(np.prod(own.size))
        unpacking = zlib.decompressobj()  # no more than fits the grid, whatever the record holds
        packed = unpacking.decompress(base64.b64decode(record["voxels"], validate=True), (count + 7) // 8)
        voxels = np.unpackbits(np.frombuffer(packed, np.uint8), count=count)
        cut = tuple(str(end) for end in record.get("cut", ()))
    except (InputError, KeyError, TypeError, ValueError, binascii.Error, zlib.error):
        return None
    if len(packed) != (count + 7) // 8:
        return None
    return BodyMask(Volume(voxels.reshape(own.array_shape), geometry), record["source"], cut)
