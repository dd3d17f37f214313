"""What image files say about themselves, read without ITK, which repairs some wrong headers silently.

ITK turns a zero or missing spacing into 1 mm and fills a truncated NIfTI file with zeros; both would end in
measurements that are wrong without anybody noticing.
"""

from __future__ import annotations

import gzip
import math
import re
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import numpy as np

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.limits import check_bytes

_NIFTI_HEADER_BYTES = 348
_CHUNK_BYTES = 1 << 20
_NIFTI_FLOATS = {16: "f4", 64: "f8"}


def check_file_header(path: Path, kind: str) -> list[str]:
    """Check a header before ITK reads the file.

    Parameters
    ----------
    path : Path
        An existing file.
    kind : str
        "NIfTI", "NRRD" or "MetaImage".

    Returns
    -------
    list of str
        Warnings that the user should see.

    Raises
    ------
    InputError
        If the file is truncated, or its spacing is missing, zero, negative or contradictory.
    """
    try:
        if kind == "NIfTI":
            return _check_nifti(path)
        _check_text_header(path, kind)
    except (OSError, EOFError, zlib.error, struct.error, UnicodeDecodeError) as error:
        raise InputError(
            f"The file {path.name} is truncated or corrupt ({type(error).__name__}); copy or export it again."
        ) from error
    return []


def _check_nifti(path: Path) -> list[str]:
    packed = _starts_with(path, b"\x1f\x8b")
    with gzip.open(path) if packed else path.open("rb") as stream:
        header = stream.read(_NIFTI_HEADER_BYTES)
        order = next((o for o in "<>" if len(header) >= 4 and struct.unpack(f"{o}i", header[:4])[0] == 348), None)
        if len(header) < _NIFTI_HEADER_BYTES or order is None:
            raise InputError(f"The file {path.name} is not a NIfTI-1 image or is truncated; export it again.")
        dim = struct.unpack(f"{order}8h", header[40:56])
        datatype, bits = struct.unpack(f"{order}2h", header[70:74])
        pixdim = struct.unpack(f"{order}8f", header[76:108])
        offset = struct.unpack(f"{order}f", header[108:112])[0]
        qform, sform = struct.unpack(f"{order}2h", header[252:256])
        affine = np.array(struct.unpack(f"{order}12f", header[280:328])).reshape(3, 4)
        single_file = header[344:347] == b"n+1"
        if not 1 <= dim[0] <= 7 or min(dim[1 : dim[0] + 1]) < 1:
            raise InputError(f"The NIfTI header of {path.name} has the sizes {dim}; the file is corrupt.")
        if single_file:
            voxel_bytes = math.prod(dim[1 : dim[0] + 1]) * bits // 8
            check_bytes(voxel_bytes, f"The image {path.name}")
            # Reading to the end also checks the checksum of a compressed file.
            number = _NIFTI_FLOATS.get(datatype)
            if packed or number:
                lead = int(offset) - _NIFTI_HEADER_BYTES
                rest, finite = _scan(stream, lead, np.dtype(order + number) if number else None)
            else:
                rest, finite = path.stat().st_size - _NIFTI_HEADER_BYTES, True
            if rest < (needed := int(offset) - _NIFTI_HEADER_BYTES + voxel_bytes):
                raise InputError(
                    f"The file {path.name} is truncated: its header promises {needed} bytes of voxels, {rest} are "
                    "there; copy or export it again."
                )
            if not finite:  # ITK would read zeros in their place
                raise InputError(
                    f"The image {path.name} contains values that are not numbers (NaN or infinite); export it again."
                )
    if dim[0] < 3:
        return []  # two-dimensional: the reader says so
    _check_spacing(pixdim[1:4], path)
    if sform > 0:
        stated = np.linalg.norm(affine[:, :3], axis=0)
        if not np.allclose(stated, pixdim[1:4], rtol=0.01):
            raise InputError(
                f"The NIfTI header of {path.name} contradicts itself: voxel spacing {_text(pixdim[1:4])} mm in pixdim, "
                f"{_text(stated)} mm in its sform matrix; export the image again."
            )
        axes = affine[:, :3] / stated
        if not np.allclose(axes.T @ axes, np.eye(3), atol=2e-3):
            raise InputError(
                f"The image axes of {path.name} are not perpendicular (its sform matrix is sheared); "
                "resample the image to a rectangular grid first."
            )
    if sform <= 0 and qform <= 0:
        message = (
            f"The NIfTI file {path.name} does not state its orientation (qform and sform codes are 0): "
            "planes and the side of the body may be wrong."
        )
        return [message]
    return []


def _scan(stream: IO[bytes] | gzip.GzipFile, lead: int, number: np.dtype | None) -> tuple[int, bool]:
    """Bytes up to the end, and whether all numbers after the first `lead` bytes are finite."""
    length, finite = len(stream.read(lead)), True
    while block := stream.read(_CHUNK_BYTES):
        length += len(block)
        if number is not None:
            finite &= bool(
                np.isfinite(np.frombuffer(block[: len(block) // number.itemsize * number.itemsize], number)).all()
            )
    return length, finite


def _check_text_header(path: Path, kind: str) -> None:
    fields = text_header(path, kind)
    if kind == "NRRD":
        if "space directions" in fields:
            vectors = [
                [float(v) for v in part.split(",")] for part in re.findall(r"\(([^)]*)\)", fields["space directions"])
            ]
            spacing = [math.sqrt(sum(v * v for v in vector)) for vector in vectors]
            stated = 3 if len(spacing) >= 3 else 0
        else:
            spacing = [float(v) for v in fields.get("spacings", "").split()]
            spacing = [v for v in spacing if not math.isnan(v)] if len(spacing) > 3 else spacing
            stated = len(spacing)
        dimension = int(fields.get("dimension", "3"))
    else:
        spacing = [float(v) for v in fields.get("elementspacing", fields.get("elementsize", "")).split()]
        stated = len(spacing)
        dimension = int(fields.get("ndims", "3"))
    if dimension < 3:
        return  # two-dimensional: the reader says so
    if stated < 3:
        raise InputError(
            f"The {kind} file {path.name} does not state its voxel spacing; measurements would be meaningless: "
            "export it again with its geometry."
        )
    _check_spacing(tuple(spacing[:3]), path, negative_allowed=kind == "MetaImage")


def text_header(path: Path, kind: str) -> dict[str, str]:
    """Fields of a NRRD or MetaImage header; the names in lower case for MetaImage and NRRD's own fields.

    Raises
    ------
    InputError
        If the file does not start as that format does.
    """
    fields: dict[str, str] = {}
    with path.open("rb") as stream:
        if kind == "NRRD" and not stream.readline(64).startswith(b"NRRD"):
            raise InputError(f"The file {path.name} is not a NRRD image; check the file.")
        for _ in range(100_000):
            line = stream.readline(1 << 16).decode("utf-8", "replace").strip()
            if not line:
                break
            if kind == "NRRD" and ":=" in line:
                key, _, value = line.partition(":=")
                fields[key.strip()] = value.strip()
            elif not line.startswith("#"):
                key, _, value = line.partition(":" if kind == "NRRD" else "=")
                fields[key.strip().lower()] = value.strip()
            if kind == "MetaImage" and "elementdatafile" in fields:
                break
    if kind == "MetaImage" and "elementdatafile" not in fields:
        raise InputError(f"The file {path.name} is not a MetaImage or its header is truncated; export it again.")
    return fields


def _check_spacing(spacing_mm: tuple[float, ...], path: Path, *, negative_allowed: bool = False) -> None:
    values = [abs(v) for v in spacing_mm] if negative_allowed else list(spacing_mm)
    if not all(math.isfinite(v) and v > 0 for v in values):
        raise InputError(
            f"The voxel spacing in {path.name} is {_text(spacing_mm)} mm; three positive numbers are needed: "
            "correct the header or export the image again."
        )


def _text(values: Iterable[float]) -> str:
    return " x ".join(f"{v:g}" for v in values)


def _starts_with(path: Path, magic: bytes) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(magic)) == magic
