"""Surfaces and measures of a phantom's bones against trimesh (https://trimesh.org), which shares no code with ours.

What differs, and why: nothing does for volume, area, centroid, principal axes and lengths, which both compute exactly
for the same closed mesh. The axis of the femoral shaft is here the plain least-squares line through the centroids of
its sections, in the library a robust one that leaves out what is cut; on a straight shaft they agree to a fraction of a
degree. The spheres of the condyles are here plain least squares too, on a smaller patch.
"""

from __future__ import annotations

import numpy as np
import pytest

from MultiJointSegLib.anatomy import bone
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.morphology.bone_measures import measure_bone
from MultiJointSegLib.morphology.knee_frame import SHAFT_FROM, SHAFT_TO, femur_frame
from MultiJointSegLib.morphology.mass_properties import mass_properties
from MultiJointSegLib.phantom.field import sample_shape
from MultiJointSegLib.phantom.growth import growth_at
from MultiJointSegLib.phantom.knee import build_knee
from MultiJointSegLib.surface.extraction import surface_from_probability
from MultiJointSegLib.surface.mesh import Surface

SPACING_MM = 1.8
BONES = {1: "femur", 2: "tibia", 4: "patella"}

trimesh = pytest.importorskip("trimesh", reason="trimesh, the other library, is not installed")


@pytest.fixture(scope="module")
def surfaces() -> dict[str, Surface]:
    """Bones of an adult knee whose shafts end inside the grid."""
    rng = np.random.default_rng(3)
    model = build_knee(rng, growth_at(25.0, rng))
    low, high = np.asarray(model.low_mm), np.asarray(model.high_mm)
    geometry = Geometry(
        tuple((np.ceil((high - low) / SPACING_MM).astype(int) + 1).tolist()), (SPACING_MM,) * 3, model.low_mm
    )
    found = {}
    for shape in model.bones:
        if shape.label in BONES:
            inside = np.clip(0.5 - sample_shape(shape.shape, geometry) / (4 * SPACING_MM), 0, 1).astype(np.float32)
            found[BONES[shape.label]] = surface_from_probability(Volume(inside, geometry))
    return found


def of_trimesh(surface: Surface):
    return trimesh.Trimesh(surface.points_mm, surface.triangles, process=False)


@pytest.mark.parametrize("name", BONES.values())
def test_volume_area_and_inertia(surfaces, name):
    surface, other = surfaces[name], of_trimesh(surfaces[name])
    assert other.is_watertight
    assert other.is_winding_consistent
    solid = mass_properties(surface)
    assert solid.volume_mm3 == pytest.approx(other.volume, rel=1e-9)
    assert surface.area_mm2 == pytest.approx(other.area, rel=1e-9)
    assert np.allclose(solid.centroid_mm, other.center_mass, atol=1e-6)
    # trimesh lists the axes by ascending moment, as rows; each axis has two directions.
    cosines = np.abs(np.einsum("ij,ij->i", solid.axes, other.principal_inertia_vectors))
    assert np.degrees(np.arccos(np.minimum(cosines, 1.0))).max() < 1e-3


@pytest.mark.parametrize("name", ["patella", "femur"])
def test_principal_lengths(surfaces, name):
    other = of_trimesh(surfaces[name])
    lengths = np.ptp(other.vertices @ other.principal_inertia_vectors.T, axis=0)
    found = {m.key: m.value for m in measure_bone(surfaces[name], bone(name), None)}
    assert [found[f"{name}_principal_length_{n}"] for n in (1, 2, 3)] == pytest.approx(lengths, abs=1e-6)


def test_the_femoral_axis(surfaces):
    """Centroids of trimesh's planar sections of the shaft, and the least-squares line through them."""
    frame = femur_frame(surfaces, {})
    other, outward, scale = of_trimesh(surfaces["femur"]), frame.shaft.direction, frame.scale_mm
    low = float((other.vertices @ outward).min())
    # Without the last centimeter, where the cut end is rounded.
    top = min(low + SHAFT_TO * scale, float((other.vertices @ outward).max()) - 10.0)
    centroids = []
    for height in np.arange(low + SHAFT_FROM * scale, top, 3.0):
        outline = other.section(plane_origin=outward * height, plane_normal=outward)
        loop = max(outline.discrete, key=len)
        first = np.cross(outward, np.eye(3)[np.argmin(np.abs(outward))])
        first /= np.linalg.norm(first)
        flat = np.column_stack([loop @ first, loop @ np.cross(outward, first)])
        a, b = flat[:-1] - flat[0], flat[1:] - flat[0]
        twice = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
        u, v = flat[0] + (twice @ (a + b)) / (3.0 * twice.sum())
        centroids.append(u * first + v * np.cross(outward, first) + height * outward)
    offset = np.asarray(centroids) - np.mean(centroids, axis=0)
    direction = np.linalg.svd(offset)[2][0]
    turned = np.degrees(np.arccos(min(abs(float(direction @ outward)), 1.0)))
    assert turned < 0.6
    assert turned < 2.0 * frame.shaft.error_deg


def test_condyle_radii(surfaces):
    """trimesh's plain least-squares sphere through the rear of each condyle, without what lies off the round part."""
    frame = femur_frame(surfaces, {})
    other = of_trimesh(surfaces["femur"])
    normals, centers = other.face_normals, other.triangles_center
    for fit in frame.spheres:
        toward = normals @ frame.posterior
        near = np.abs(np.linalg.norm(centers - fit.center_mm, axis=1) - fit.radius_mm) < 0.7
        patch = centers[near & (toward > 0.6)]
        center, radius, _ = trimesh.nsphere.fit_nsphere(patch)
        assert radius == pytest.approx(fit.radius_mm, abs=0.5)
        assert np.linalg.norm(center - fit.center_mm) < 0.6
