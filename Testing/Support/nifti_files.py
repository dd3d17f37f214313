"""Makes NIfTI files byte by byte, so that their headers can be wrong."""

from __future__ import annotations

import struct

import numpy as np


def nifti_bytes(
    array: np.ndarray,
    *,
    pixdim: tuple[float, ...] = (1.0, 1.0, 1.0),
    sform: np.ndarray | None = None,
    codes: tuple[int, int] = (1, 0),
    datatype: int | None = None,
    units: int = 2,
) -> bytes:
    """A NIfTI-1 file written byte by byte, so that its header can be wrong. The array has axes (..., k, j, i)."""
    types = {"uint8": 2, "int16": 4, "int32": 8, "float32": 16, "complex64": 32, "float64": 64}
    size = array.shape[::-1] if datatype != 128 else array.shape[-2::-1]
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, len(size), *size, *([1] * (7 - len(size))))
    bits = array.dtype.itemsize * 8 * (3 if datatype == 128 else 1)
    struct.pack_into("<2h", header, 70, datatype or types[array.dtype.name], bits)
    struct.pack_into("<8f", header, 76, 1, *pixdim, *([0.0] * (7 - len(pixdim))))
    struct.pack_into("<3f", header, 108, 352, 0, 0)
    header[123] = units
    struct.pack_into("<2h", header, 252, *codes)
    if sform is not None:
        struct.pack_into("<12f", header, 280, *np.ravel(sform))
    header[344:348] = b"n+1\0"
    return bytes(header) + array.tobytes()
