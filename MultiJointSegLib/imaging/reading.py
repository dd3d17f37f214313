"""From files to volumes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.dicom_headers import find_files, looks_like_dicom, read_frames
from MultiJointSegLib.imaging.dicom_series import SeriesSummary, list_series, summarize
from MultiJointSegLib.imaging.dicom_volume import read_series
from MultiJointSegLib.imaging.file_headers import check_file_header, text_header
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.limits import MINIMUM_SLICES, check_bytes
from MultiJointSegLib.imaging.native_output import silent_native_output
from MultiJointSegLib.imaging.segments import merge_layers, segment_table
from MultiJointSegLib.imaging.series_choice import choose_series
from MultiJointSegLib.imaging.volume import Volume

ACCEPTED = "a DICOM folder or file, NIfTI (.nii, .nii.gz), NRRD (.nrrd, .nhdr) or MetaImage (.mha, .mhd)"
_KINDS = {
    ".nii": "NIfTI", ".nii.gz": "NIfTI", ".nrrd": "NRRD", ".nhdr": "NRRD", ".mha": "MetaImage", ".mhd": "MetaImage"
}  # fmt: skip
_READERS = {"NIfTI": "NiftiImageIO", "NRRD": "NrrdImageIO", "MetaImage": "MetaImageIO"}


def read_volume(path: Path, *, series: str | None = None) -> Volume:
    """Read an examination.

    Parameters
    ----------
    path : Path
        A DICOM folder (searched with its sub-folders), a DICOM file (a slice stands for its whole series in the same
        folder), NIfTI, NRRD or MetaImage.
    series : str or None
        For a DICOM folder with several series: series number, key of the listing, UID or description.

    Returns
    -------
    Volume
        Intensities in the type of the file after its own rescaling; LPS mm. ``metadata["warnings"]`` lists decisions
        that the user should know of.

    Raises
    ------
    InputError
        If there is no such file, it is not an image, is truncated or corrupt, is not a three-dimensional image of
        single real values, lacks a usable geometry, exceeds 2 GB, or if several series are equally good.
    """
    path = _existing(path)
    if path.is_dir():
        return _read_folder(path, series)
    if (kind := _kind(path)) is not None:
        if series is not None:
            raise InputError(f"--series {series} was given, but {path.name} is a single image; leave it out.")
        image, warnings = _read_image(path, kind)
        return _volume(image, warnings)
    if looks_like_dicom(path):
        return _read_dicom_file(path, series)
    raise InputError(f"The file {path.name} is not an image that can be read; accepted are {ACCEPTED}.")


def read_label_map(path: Path) -> Volume:
    """Read a label map or a Slicer segmentation.

    Parameters
    ----------
    path : Path
        NIfTI, NRRD (also .seg.nrrd) or MetaImage.

    Returns
    -------
    Volume
        uint8, or uint16 where a label exceeds 255. ``metadata["segments"]`` lists the segments of a .seg.nrrd: dicts
        with "id", "name" and "label". Segments in several layers (overlapping) are renumbered 1..n in their order,
        later ones on top.

    Raises
    ------
    InputError
        If it is not a label map, or for the reasons of `read_volume`.
    """
    path = _existing(path)
    kind = None if path.is_dir() else _kind(path)
    if kind is None:
        raise InputError(f"{path.name} is not a label map; accepted are NIfTI, NRRD (.seg.nrrd) and MetaImage.")
    image, warnings = _read_image(path, kind, several_layers=True)
    segments = segment_table(text_header(path, kind)) if kind == "NRRD" else []
    if image.GetNumberOfComponentsPerPixel() > 1:
        if not segments:
            raise InputError(f"The image {path.name} has several values per voxel; a label map has one.")
        layers, segments = merge_layers(sitk.GetArrayFromImage(image), segments)
        labels = Volume(layers, _geometry(image), "", {"warnings": warnings} if warnings else {})
    else:
        labels = _volume(image, warnings)
    volume = labels.with_array(_as_labels(labels.array, path))
    if segments:
        volume.metadata["segments"] = segments
    return volume


def _as_labels(array: np.ndarray, path: Path) -> np.ndarray:
    low, high = float(array.min()), float(array.max())
    whole = array.dtype.kind in "iu" or (np.isfinite(high) and all(np.array_equal(p, np.rint(p)) for p in array))
    if not whole or low < 0 or high > np.iinfo(np.uint16).max:
        raise InputError(
            f"{path.name} is not a label map: its values reach from {low:g} to {high:g}; whole numbers from 0 to 65535 "
            "are needed."
        )
    return array.astype(np.uint8 if high <= np.iinfo(np.uint8).max else np.uint16, copy=False)


def _existing(path: Path) -> Path:
    path = Path(path)
    if not path.exists():
        raise InputError(f"The path {path} does not exist; accepted are {ACCEPTED}.")
    try:
        if path.is_file() and path.stat().st_size == 0:
            raise InputError(f"The file {path.name} is empty; copy or export it again.")
        if path.is_file():
            with path.open("rb"):
                pass
        else:
            next(path.iterdir(), None)
    except PermissionError as error:
        raise InputError(f"The path {path} cannot be read: permission denied.") from error
    return path


def _kind(path: Path) -> str | None:
    name = path.name.lower()
    return next((kind for suffix, kind in _KINDS.items() if name.endswith(suffix)), None)


def _read_folder(folder: Path, series: str | None) -> Volume:
    stacks = list_series(folder)
    if not stacks:
        files = find_files(folder)
        if not files:
            raise InputError(f"The folder {folder} is empty; accepted are {ACCEPTED}.")
        images = [file.name for file in files if _kind(file)]
        hint = f"name the image itself, for example {images[0]}" if images else f"accepted are {ACCEPTED}"
        raise InputError(f"None of the {len(files)} files in the folder {folder} is a DICOM image; {hint}.")
    return _read_stack(*choose_series(stacks, folder.name or str(folder), series))


def _read_dicom_file(path: Path, series: str | None) -> Volume:
    frames = read_frames(path)
    if not frames:
        raise InputError(f"The DICOM file {path.name} holds no image, is truncated or corrupt; export it again.")
    if len(frames) > 1:
        return _read_stack(*choose_series(summarize(frames), path.name, series))
    # One slice stands for its series: nobody can mean a single slice of a volume.
    uid = frames[0].text("SeriesInstanceUID")
    siblings = [f for file in sorted(path.parent.iterdir()) if file.is_file() for f in read_frames(file)]
    stacks = [
        s
        for s in summarize([f for f in siblings if uid and f.text("SeriesInstanceUID") == uid] or frames)
        if any(f.path.name == path.name for f in s.frames)
    ]
    if stacks[0].reason:
        raise InputError(
            f"The DICOM file {path.name} cannot be used: {stacks[0].reason}; at least {MINIMUM_SLICES} parallel MR or "
            "CT slices of its series have to lie in the same folder."
        )
    stack, warnings = choose_series(stacks, path.name, stacks[0].key)
    return _read_stack(
        stack, [*warnings, f"{path.name} is one slice; the {stack.size[0]} slices of its series were read."]
    )


def _read_stack(stack: SeriesSummary, warnings: list[str]) -> Volume:
    volume = read_series(stack)
    if warnings:
        volume.metadata["warnings"] = list(warnings)
    return volume


def _read_image(path: Path, kind: str, *, several_layers: bool = False) -> tuple[sitk.Image, list[str]]:
    warnings = check_file_header(path, kind)
    reader = sitk.ImageFileReader()
    reader.SetImageIO(_READERS[kind])
    reader.SetFileName(str(path))
    try:
        with silent_native_output():
            reader.ReadImageInformation()
            _check_layout(reader, path, several_layers=several_layers)
            image = reader.Execute()
    except RuntimeError as error:
        text = str(error)
        if "spacing" in text.lower():
            raise InputError(
                f"The voxel spacing in {path.name} is zero or not a number; correct the header."
            ) from error
        if "orthonormal" in text or "Bad direction" in text:
            raise InputError(
                f"The image axes of {path.name} are not perpendicular; resample the image first."
            ) from error
        raise InputError(
            f"The {kind} file {path.name} cannot be read; it is truncated or corrupt: copy or export it again."
        ) from error
    if image.GetDimension() == 4:
        image = image[:, :, :, 0]
    return image, warnings


def _check_layout(reader: sitk.ImageFileReader, path: Path, *, several_layers: bool) -> None:
    size, components = reader.GetSize(), reader.GetNumberOfComponents()
    shown = " x ".join(str(n) for n in size)
    if "complex" in sitk.GetPixelIDValueAsString(reader.GetPixelID()):
        raise InputError(f"The image {path.name} has complex values; export its magnitude.")
    if components > 1 and not several_layers:
        kind = "a color image" if components in (3, 4) else f"an image with {components} values per voxel"
        raise InputError(f"{path.name} is {kind}; a gray-scale MR or CT volume is needed.")
    if len(size) > 3 and max(size[3:]) > 1:
        raise InputError(
            f"The image {path.name} has {len(size)} dimensions ({shown}); a single volume is needed: export one."
        )
    if len(size) < 3 or min(size[:3]) == 1:
        raise InputError(f"The image {path.name} is two-dimensional ({shown}); a volume of slices is needed.")
    kind_text = sitk.GetPixelIDValueAsString(reader.GetPixelID())
    bits = int("".join(c for c in kind_text.split("-")[0] if c.isdigit()) or 8)
    check_bytes(int(np.prod(size, dtype=np.int64)) * components * bits // 8, f"The image {path.name}")


def _geometry(image: sitk.Image) -> Geometry:
    direction = np.asarray(image.GetDirection()).reshape(3, 3)
    # Headers with few digits: make the axes exactly perpendicular, where they nearly are.
    u, scale, vt = np.linalg.svd(direction)
    if np.abs(scale - 1).max() < 1e-3:
        direction = u @ vt
    return Geometry(image.GetSize(), image.GetSpacing(), image.GetOrigin(), tuple(tuple(row) for row in direction))


def _volume(image: sitk.Image, warnings: list[str]) -> Volume:
    array = sitk.GetArrayFromImage(image)
    if array.dtype == np.float64:
        with np.errstate(over="ignore"):
            array = array.astype(np.float32)
    modality = ""
    if image.HasMetaDataKey("Modality"):
        text = image.GetMetaData("Modality").upper()
        modality = next((m for m in ("MR", "CT") if m in text.replace("MET_MOD_", "")), "")
    return Volume(array, _geometry(image), modality, {"warnings": list(warnings)} if warnings else {})
