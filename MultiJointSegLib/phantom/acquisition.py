"""Imaging of a tissue map: plane, field of view, slice profile, coil sensitivity, noise; labels on the same grid.

Where the labels come from: the map's label image is interpolated linearly, bone by bone, at the voxel centers of the
acquired grid and cut at one half. The map's grid (0.8 mm by default) is finer than half the slice pitch of thick
slices; for finer voxels the outline is as exact as the map's grid (about a quarter of its spacing).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from scipy import ndimage

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.phantom.mr_signal import SequenceSettings, draw_sequence, tissue_hounsfield, tissue_signals
from MultiJointSegLib.phantom.sdf import rotation_deg
from MultiJointSegLib.phantom.slice_sampling import sample_labels, sample_slices
from MultiJointSegLib.phantom.tissue_map import Tissue, TissueMap

PLANES = ("sagittal", "coronal", "axial")
# Columns: directions of the axes i, j, k as scanners store them.
_PLANE_AXES = {
    "sagittal": np.array([[0, 0, -1], [1, 0, 0], [0, -1, 0]], float),
    "coronal": np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]], float),
    "axial": np.eye(3),
}


@dataclass(frozen=True, slots=True)
class AcquisitionSettings:
    """How a phantom is imaged.

    Parameters
    ----------
    plane : str
        "sagittal", "coronal" or "axial": the plane closest to the slices.
    tilt_deg : tuple of 3 float
        Rotations of the slice stack about the axes L, P, S.
    size : tuple of 3 int
        Voxels (i, j, k).
    spacing_mm : tuple of 3 float
        In-plane spacing and distance of slices.
    slice_thickness_mm : float
        Thickness of the excited slice (half the maximum of the profile); smaller than the distance when there is a gap.
    center_mm : tuple of 3 float
        Center of the field of view, LPS.
    sequence : SequenceSettings or None
        None for CT.
    noise : float
        Standard deviation in each channel before the magnitude is taken, as a share of the brightest common tissue.
        For CT: standard deviation in HU.
    bias : float
        Standard deviation of the logarithm of the coil sensitivity; 0 for a uniform coil.
    blur_pixels : float
        Standard deviation of the in-plane point spread in pixels.
    """

    plane: str
    tilt_deg: tuple[float, float, float]
    size: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    slice_thickness_mm: float
    center_mm: tuple[float, float, float]
    sequence: SequenceSettings | None
    noise: float
    bias: float
    blur_pixels: float = 0.4

    def geometry(self) -> Geometry:
        """Grid of the acquired image."""
        axes = _PLANE_AXES[self.plane]
        for axis, angle in zip(np.eye(3), self.tilt_deg, strict=True):
            axes = rotation_deg(axis, angle) @ axes
        half = (np.asarray(self.size) - 1) * np.asarray(self.spacing_mm) / 2
        origin = np.asarray(self.center_mm) - axes @ half
        return Geometry(self.size, self.spacing_mm, tuple(origin.tolist()), tuple(map(tuple, axes.tolist())))

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return asdict(self)


def draw_acquisition(
    tissue_map: TissueMap,
    rng: np.random.Generator,
    *,
    plane: str | None = None,
    sequence: str | None = None,
    spacing_mm: tuple[float, float, float] | None = None,
    noise: float | None = None,
    whole: bool = False,
    modality: str = "MR",
) -> AcquisitionSettings:
    """Draw how a map is imaged; what is given is kept.

    Parameters
    ----------
    tissue_map : TissueMap
        What is imaged; the field of view lies within its grid.
    plane, sequence, spacing_mm, noise
        See `AcquisitionSettings`; `sequence` is a family of `mr_signal.SEQUENCES`.
    whole : bool
        True: the field of view covers the whole map and is not tilted. False: it cuts the limb, as in patients.
    modality : str
        "MR" or "CT".

    Raises
    ------
    InputError
        Unknown plane, sequence or modality, or a spacing out of range.
    """
    if plane is not None and plane not in PLANES:
        raise InputError(f"Unknown plane '{plane}'; known are {', '.join(PLANES)}.")
    if modality not in ("MR", "CT"):
        raise InputError(f"Unknown modality '{modality}'; MR and CT are known.")
    odds = {"ankle": (0.6, 0.2, 0.2), "shoulder": (0.25, 0.35, 0.4), "hip": (0.15, 0.55, 0.3)}
    drawn = str(rng.choice(PLANES, p=odds.get(tissue_map.joint, (0.55, 0.25, 0.2))))
    plane = plane or ("axial" if modality == "CT" else drawn)
    settings = None if modality == "CT" else draw_sequence(rng, sequence)
    spacing, gap = _draw_spacing(rng, settings)
    if spacing_mm is not None:
        spacing = (float(spacing_mm[0]), float(spacing_mm[1]), float(spacing_mm[2]))
    if min(spacing) < 0.2 or max(spacing) > 10:
        raise InputError(f"The spacing of the phantom is {spacing} mm; 0.2 to 10 mm along each axis is accepted.")
    tilt = tuple(np.clip(rng.normal(0, 6, 3), -20, 20).tolist())
    if modality == "CT" or rng.random() < 0.35:
        tilt = (0.0, 0.0, 0.0)
    extent = (np.asarray(tissue_map.geometry.size) - 1) * np.asarray(tissue_map.geometry.spacing_mm)
    middle = np.asarray(tissue_map.geometry.origin_mm) + extent / 2
    along = np.abs(_PLANE_AXES[plane]).T @ extent
    cover = rng.uniform((0.78, 0.78, 0.72), (0.98, 0.98, 0.96))
    shift = rng.normal(0, 0.03, 3) * extent
    if whole:
        tilt, cover, shift = (0.0, 0.0, 0.0), np.ones(3), np.zeros(3)
    field = along * cover
    # Scanners mostly image squares; next to a limb there is air.
    if rng.random() < 0.6 and not whole:
        field[:2] = field[:2].max() * rng.uniform(0.85, 1.0)
    size = np.maximum(np.ceil(field / np.asarray(spacing)).astype(int), 3)
    drawn_noise = (
        float(rng.choice([rng.uniform(0.01, 0.03), rng.uniform(0.03, 0.08)])) if settings else rng.uniform(8, 35)
    )
    return AcquisitionSettings(
        plane,
        (float(tilt[0]), float(tilt[1]), float(tilt[2])),
        (int(size[0]), int(size[1]), int(size[2])),
        spacing,
        spacing[2] / (1 + gap),
        tuple((middle + shift).tolist()),
        settings,
        float(drawn_noise if noise is None else noise),
        float(rng.uniform(0.05, 0.4)) if settings else 0.0,
        float(rng.uniform(0.3, 0.7)),
    )


def _draw_spacing(
    rng: np.random.Generator, settings: SequenceSettings | None
) -> tuple[tuple[float, float, float], float]:
    """In-plane spacing, distance of slices, and gap as a share of the thickness."""
    if settings is None:
        return (float(rng.uniform(0.6, 0.95)),) * 2 + (float(rng.choice([1.0, 1.5, 2.0, 3.0])),), 0.0
    if settings.family == "dess":
        return (float(rng.uniform(0.35, 0.7)),) * 2 + (float(rng.uniform(0.7, 1.5)),), 0.0
    if settings.family == "t1_gradient_echo":
        return (float(rng.uniform(0.4, 1.0)),) * 2 + (float(rng.uniform(0.8, 2.5)),), 0.0
    gap = float(rng.uniform(0.0, 0.25))
    return (float(rng.uniform(0.3, 0.9)),) * 2 + (float(rng.uniform(2.5, 4.2)) * (1 + gap),), gap


def acquire(tissue_map: TissueMap, settings: AcquisitionSettings, rng: np.random.Generator) -> tuple[Volume, Volume]:
    """Image a tissue map.

    Parameters
    ----------
    tissue_map : TissueMap
        The fine grid. Beyond its borders the limb goes on unchanged.
    settings : AcquisitionSettings
        Plane, grid, sequence.
    rng : numpy Generator
        Texture, coil and noise: the same state gives the same image.

    Returns
    -------
    image, labels : Volume
        int16 image (MR: 0 to about 1000; CT: HU), uint8 label values, both (k, j, i).
    """
    signals = tissue_hounsfield(rng) if settings.sequence is None else tissue_signals(settings.sequence, rng)
    source = signals[tissue_map.tissue]
    geometry = settings.geometry()
    array = sample_slices(source, tissue_map.geometry, geometry, settings.slice_thickness_mm)
    if settings.blur_pixels > 0:
        array = ndimage.gaussian_filter(array, (0, settings.blur_pixels, settings.blur_pixels), truncate=3)
    labels = sample_labels(tissue_map, geometry)
    if settings.sequence is None:
        noise = rng.standard_normal(array.shape, np.float32)
        noise = ndimage.gaussian_filter(noise, (0, 0.6, 0.6)) * np.float32(2.1 * settings.noise)
        image = np.clip(array + noise, -1024, 3071)
        modality = "CT"
    else:
        array *= _texture(array.shape, settings.spacing_mm, rng) / reference_signal(signals)
        image = _receive(array, settings, rng)
        modality = "MR"
    metadata: dict[str, object] = {
        "series": "phantom" if settings.sequence is None else f"phantom {settings.sequence.family}"
    }
    volume = Volume(np.round(image).astype(np.int16), geometry, modality, metadata)
    return volume, Volume(labels, geometry)


def reference_signal(signals: np.ndarray) -> np.float32:
    """Signal of the brightest tissue that every limb has plenty of: what noise and gray values are scaled by."""
    common = [Tissue.FAT, Tissue.MUSCLE, Tissue.FATTY_MARROW, Tissue.CARTILAGE]
    return np.float32(max(float(signals[common].max()), 1e-6))


def _texture(shape: tuple[int, ...], spacing_mm: tuple[float, float, float], rng: np.random.Generator) -> np.ndarray:
    """Factor around 1: grain of 4 %, and patches of 5 % that are about 12 mm wide."""
    step_mm = 6.0
    patches = rng.standard_normal(
        [int(n * s / step_mm) + 3 for n, s in zip(shape, spacing_mm[::-1], strict=True)], np.float32
    )
    for axis, spacing in enumerate(spacing_mm[::-1]):
        at = np.arange(shape[axis]) * spacing / step_mm
        low = at.astype(int)
        share = (at - low).astype(np.float32)
        share = share.reshape([-1 if n == axis else 1 for n in range(3)])
        patches = np.take(patches, low, axis) * (1 - share) + np.take(patches, low + 1, axis) * share
    grain = rng.standard_normal(shape, np.float32)
    return 1 + np.float32(0.04) * grain + np.float32(0.09) * patches


def _receive(array: np.ndarray, settings: AcquisitionSettings, rng: np.random.Generator) -> np.ndarray:
    """Coil sensitivity and Rician noise (Gudbjartsson 1995, doi:10.1002/mrm.1910340618), scaled to about 0..1000."""
    image = array
    axes = [np.linspace(-1, 1, n, dtype=np.float32) for n in array.shape]
    z, y, x = axes[0][:, None, None], axes[1][None, :, None], axes[2][None, None, :]
    c = rng.normal(size=9).astype(np.float32)
    field = c[0] * x + c[1] * y + c[2] * z + 0.6 * (c[3] * x * y + c[4] * y * z + c[5] * x * z)
    field = field + 0.5 * (c[6] * (x * x - 0.33) + c[7] * (y * y - 0.33) + c[8] * (z * z - 0.33))
    field = field / max(float(field.std()), 1e-6)
    image = image * np.exp(np.float32(settings.bias) * field)
    noise = rng.standard_normal((2, *array.shape), np.float32) * np.float32(settings.noise)
    # Interpolated reconstructions have noise of neighboring pixels in common.
    if rng.random() < 0.5:
        noise = ndimage.gaussian_filter(noise, (0, 0, 0.6, 0.6)) * np.float32(2.1)
    return np.sqrt((image + noise[0]) ** 2 + noise[1] ** 2) * np.float32(800.0)
