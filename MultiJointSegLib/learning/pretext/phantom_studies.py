"""Synthetic studies: one joint imaged in planes that are placed by its anatomy, with a technologist's scatter."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.atomic import atomic_write
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.imaging.writing import write_volume
from MultiJointSegLib.learning.pretext.slice_grid import Plane
from MultiJointSegLib.learning.pretext.study_reading import STUDY_FILE
from MultiJointSegLib.phantom.acquisition import AcquisitionSettings, acquire
from MultiJointSegLib.phantom.mr_signal import draw_sequence
from MultiJointSegLib.phantom.procedural import phantom_rng, procedural_tissue_map
from MultiJointSegLib.phantom.tissue_map import Tissue, TissueMap

STUDY_VIEWS = ("sagittal", "coronal", "axial", "oblique")
OBLIQUE_TURN_DEG = 45.0
"""The oblique stack is the coronal one turned by this about the limb's axis."""
LABEL_FOLDER = "labels"

# Truth of the phantoms that says how a technologist would lay the planes: the joint's middle, the axis of the limb, and
# the axis across the joint.
_LANDMARKS = {
    "knee": (("medial_condyle_center_mm", "lateral_condyle_center_mm"), "tibial_shaft_direction",
             "condylar_axis_direction"),
    "ankle": (("talar_dome_center_mm",), "tibial_shaft_direction", "talar_dome_axis_direction"),
    "shoulder": (("humeral_head_center_mm",), "humeral_shaft_direction", "glenoid_normal_direction"),
    "hip": (("femoral_head_center_mm",), "femoral_shaft_direction", "femoral_neck_direction"),
}  # fmt: skip
_REACH_MM = {"knee": 45.0, "ankle": 40.0, "shoulder": 40.0, "hip": 45.0}


@dataclass(frozen=True, slots=True)
class ScatterSettings:
    """How far planes lie from where the anatomy says, and how finely a study is imaged (our choice of ranges).

    Angles and shifts are standard deviations of normal distributions, one for every axis.
    """

    angle_deg: float = 2.0
    shift_mm: float = 1.5
    in_plane_shift_mm: float = 4.0
    field_mm: tuple[float, float] = (120.0, 150.0)
    pixel_mm: tuple[float, float] = (0.6, 0.9)
    pitch_mm: tuple[float, float] = (3.0, 4.5)
    map_spacing_mm: float = 1.0


@dataclass(frozen=True, slots=True)
class PhantomStudy:
    """One joint in several stacks.

    Parameters
    ----------
    name, joint, side : str
    age_years : float
    growth_plates : str
        "open" or "closed".
    images, labels : dict of str to Volume
        By view; labels are the catalog's.
    anatomical_planes : dict of str to Plane
        Middle plane of every stack as the anatomy alone places it, without scatter.
    """

    name: str
    joint: str
    side: str
    age_years: float
    growth_plates: str
    images: dict[str, Volume]
    labels: dict[str, Volume]
    anatomical_planes: dict[str, Plane]


def make_phantom_study(
    joint: str,
    seed: int,
    *,
    views: Sequence[str] = STUDY_VIEWS,
    scatter: ScatterSettings = ScatterSettings(),
) -> PhantomStudy:
    """Image one procedural joint as a technologist would: stacks along its own axes that cover it.

    Parameters
    ----------
    joint : str
        "knee", "ankle", "shoulder" or "hip".
    seed : int
        The same seed gives the same study; `scatter` apart.
    views : sequence of str
        Of `STUDY_VIEWS`.

    Raises
    ------
    InputError
        Unknown joint or view.
    """
    if unknown := [v for v in views if v not in STUDY_VIEWS]:
        raise InputError(f"There is no view '{unknown[0]}' of phantom studies; there are {', '.join(STUDY_VIEWS)}.")
    tissue_map = procedural_tissue_map(joint, seed=seed, spacing_mm=scatter.map_spacing_mm)
    center, frame = anatomical_frame(tissue_map)
    rng = phantom_rng("study", joint, seed)
    family = draw_sequence(rng)
    images, labels, planes = {}, {}, {}
    for view in views:
        axes = frame @ _view_axes(view)
        plane = "coronal" if view == "oblique" else view
        low, high = _coverage(tissue_map, center, axes[:, ("sagittal", "coronal", "axial").index(plane)], joint)
        settings, middle = _acquisition(plane, axes, center, (low, high), scatter, rng)
        # Half of the series share the study's sequence.
        settings = replace(settings, sequence=family if rng.random() < 0.5 else draw_sequence(rng))
        images[view], labels[view] = acquire(tissue_map, settings, rng)
        planes[view] = middle
    name = f"{joint}_{seed:06d}"
    plates = "open" if (tissue_map.tissue == Tissue.PHYSIS).any() else "closed"
    return PhantomStudy(name, joint, tissue_map.side, tissue_map.age_years, plates, images, labels, planes)


def anatomical_frame(tissue_map: TissueMap) -> tuple[np.ndarray, np.ndarray]:
    """Middle of the joint (3,) in LPS mm, and its axes as the columns of a rotation: left, back, head of the limb.

    Raises
    ------
    InputError
        If the map has no truth of a known joint.
    """
    if tissue_map.joint not in _LANDMARKS or not tissue_map.truth:
        raise InputError(f"Planes cannot be placed on a map of '{tissue_map.joint}'; a procedural joint is needed.")
    points, along, across = _LANDMARKS[tissue_map.joint]
    center = np.mean([np.asarray(tissue_map.truth[p], float) for p in points], axis=0)
    z = np.asarray(tissue_map.truth[along], float)
    z = z / np.linalg.norm(z) * np.sign(z[2])
    x = np.asarray(tissue_map.truth[across], float)
    x = x - (x @ z) * z
    x = x / np.linalg.norm(x) * np.sign(x[0])
    return center, np.stack([x, np.cross(z, x), z], axis=1)


def _view_axes(view: str) -> np.ndarray:
    if view != "oblique":
        return np.eye(3)
    return Rotation.from_euler("z", OBLIQUE_TURN_DEG, degrees=True).as_matrix()


def _coverage(tissue_map: TissueMap, center: np.ndarray, normal: np.ndarray, joint: str) -> tuple[float, float]:
    """Range in mm along a normal, from the joint's middle, that the bones near the joint take up."""
    geometry = tissue_map.geometry
    k, j, i = np.nonzero(tissue_map.labels[::2, ::2, ::2])
    points = geometry.index_to_point(2 * np.stack([i, j, k], axis=1)) - center
    near = points[np.linalg.norm(points, axis=1) < _REACH_MM[joint]]
    if not len(near):
        raise InputError(f"No bone lies near the middle of the {joint}; another seed is needed.")
    low, high = np.percentile(near @ normal, (2, 98))
    return float(low), float(high)


def _acquisition(
    plane: str,
    axes: np.ndarray,
    center: np.ndarray,
    coverage: tuple[float, float],
    scatter: ScatterSettings,
    rng: np.random.Generator,
) -> tuple[AcquisitionSettings, Plane]:
    normal = axes[:, ("sagittal", "coronal", "axial").index(plane)]
    middle = center + normal * sum(coverage) / 2
    turned = Rotation.from_rotvec(rng.normal(0, scatter.angle_deg, 3), degrees=True).as_matrix() @ axes
    tilt = Rotation.from_matrix(turned).as_euler("xyz", degrees=True)
    shift = rng.normal(0, scatter.in_plane_shift_mm, 3)
    shift += (rng.normal(0, scatter.shift_mm) - shift @ normal) * normal
    pitch = float(rng.uniform(*scatter.pitch_mm))
    extent = coverage[1] - coverage[0] + float(rng.normal(8.0, 2.0))
    pixel = float(rng.uniform(*scatter.pixel_mm))
    side = round(float(rng.uniform(*scatter.field_mm)) / pixel)
    settings = AcquisitionSettings(
        plane=plane,
        tilt_deg=(float(tilt[0]), float(tilt[1]), float(tilt[2])),
        size=(side, side, max(3, round(extent / pitch) + 1)),
        spacing_mm=(pixel, pixel, pitch),
        slice_thickness_mm=pitch / float(rng.uniform(1.0, 1.2)),
        center_mm=tuple((middle + shift).tolist()),
        sequence=draw_sequence(rng),
        noise=float(rng.uniform(0.01, 0.05)),
        bias=float(rng.uniform(0.05, 0.35)),
    )
    return settings, Plane(tuple(middle.tolist()), tuple(normal.tolist()))


def write_phantom_study(study: PhantomStudy, folder: Path) -> None:
    """Write a study as a folder of volumes; labels go to a folder of their own, which is no part of the study.

    Parameters
    ----------
    study : PhantomStudy
    folder : Path
        Made where it does not exist: VIEW.nii.gz, labels/VIEW.nii.gz, study.json.
    """
    (folder / LABEL_FOLDER).mkdir(parents=True, exist_ok=True)
    for view, image in study.images.items():
        write_volume(image, folder / f"{view}.nii.gz")
        write_volume(study.labels[view], folder / LABEL_FOLDER / f"{view}.nii.gz")
    content = {
        "joint": study.joint,
        "side": study.side,
        "age_years": study.age_years,
        "growth_plates": study.growth_plates,
        "anatomical_planes": {view: asdict(plane) for view, plane in study.anatomical_planes.items()},
    }
    with atomic_write(folder / STUDY_FILE) as temporary:
        temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")
