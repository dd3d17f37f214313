"""Whole pelvis phantoms from the image to labels, spheres and files."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from MultiJointSegLib.annotation import hip_annotator
from MultiJointSegLib.annotation.body_grid import body_grid
from MultiJointSegLib.annotation.hip_annotator import annotate_hips, find_hips, sphere_at
from MultiJointSegLib.annotation.hip_segmenter import HipSegmenter, weak_border
from MultiJointSegLib.cli.main import main
from MultiJointSegLib.errors import InputError, RefusalError
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.reading import read_label_map, read_volume
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.imaging.writing import write_volume
from MultiJointSegLib.phantom.pelvis_ct import PelvisCtSettings, make_pelvis_ct


def pelvis(**settings):
    return make_pelvis_ct(PelvisCtSettings(seed=11, spacing_mm=(1.8, 1.8, 2.0), map_spacing_mm=1.8, **settings))


@pytest.fixture(scope="module")
def healthy():
    return pelvis()


def feet_first(volume: Volume) -> Volume:
    """The same patient stored from head to feet, on a left-handed grid."""
    g = volume.geometry
    top = g.index_to_point(np.array([0, 0, g.size[2] - 1]))
    geometry = Geometry(g.size, g.spacing_mm, tuple(top), ((1, 0, 0), (0, 1, 0), (0, 0, -1)))
    return Volume(np.ascontiguousarray(volume.array[::-1]), geometry, volume.modality)


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def test_both_hips_of_a_feet_first_pelvis(healthy, tmp_path):
    write_volume(feet_first(healthy.volume), tmp_path / "pelvis.nii.gz")
    assert main(["annotate", "hip", str(tmp_path / "pelvis.nii.gz"), "-o", str(tmp_path / "out"), "--no-scene"]) == 0
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    hips = run["annotation"]["hips"]
    assert set(hips) == {"left", "right"}
    measured = {m["key"]: m for m in json.loads((tmp_path / "out" / "measurements.json").read_text())["measurements"]}
    for side, hip in hips.items():
        center = np.asarray(healthy.truth[f"{side}_femoral_head_center_mm"])
        assert np.linalg.norm(np.asarray(hip["head_center_mm"]) - center) < 1.0
        assert hip["head_radius_mm"] == pytest.approx(healthy.truth[f"{side}_femoral_head_radius_mm"], abs=0.9)
        assert hip["quality"]["score"] > 0.4
        truth = healthy.truth[f"{side}_acetabular_inclination_deg"]
        assert measured[f"{side}_hip_bone_acetabular_inclination"]["value"] == pytest.approx(truth, abs=8)
        assert measured[f"{side}_hip_bone_lateral_center_edge_angle"]["value"] is not None
    labels = read_label_map(tmp_path / "out" / "labels.nii.gz").array
    truth = feet_first(healthy.labels).array
    for label, least in ((1, 0.94), (9, 0.88)):
        assert dice(labels == label, truth == label) > least
    for name in ("report.html", "segmentation.seg.nrrd", "surfaces/femur.stl", "surfaces/hip_bone.stl"):
        assert (tmp_path / "out" / name).exists()


def test_a_hip_that_contradicts_anatomy_is_left_out_by_itself(healthy, monkeypatch):
    def check(labels, grid, sphere, side, femur, hip_bone):
        if side == "left" or refuse_both:
            raise RefusalError(f"The {side} one is no hip.")
        return []

    monkeypatch.setattr(hip_annotator, "check_anatomy", check)
    refuse_both = False
    found = annotate_hips(healthy.volume)
    assert list(found.hips) == ["right"]
    assert found.warnings[-1] == "The left hip was left out. The left one is no hip."
    assert set(np.unique(found.sides)) == {0, 2}
    assert set(np.unique(found.labels.array)) == {0, 1, 9}
    refuse_both = True
    with pytest.raises(RefusalError, match="left one"):
        annotate_hips(healthy.volume)


@pytest.mark.slow
def test_both_hips_of_a_coarse_whole_body_ct_are_found(shared_data):
    """3 mm voxels: the dense core of a head, medial of its center, looks more like a ball than the head does."""
    folder = shared_data / "hip_ct"
    grid = body_grid(read_volume(folder / "totalsegmentator_example_ct.nii.gz"))
    reference = body_grid(read_label_map(folder / "totalsegmentator_example_seg.nii.gz")).array
    balls = find_hips(grid).balls
    assert set(balls) == {"left", "right"}
    for side, value in (("left", 75), ("right", 76)):
        sphere = sphere_at(grid, balls[side])
        assert 24 < sphere.radius < 29.5
        k, j, i = np.indices(reference.shape, sparse=True)
        center = sphere.center / 3.0
        inside = np.sqrt((k - center[0]) ** 2 + (j - center[1]) ** 2 + (i - center[2]) ** 2) * 3 < sphere.radius - 4
        assert (reference[inside] == value).mean() > 0.8


def test_half_a_pelvis(healthy):
    """The scan ends at the middle of the body: the hip in it is annotated, and the other one's absence explained."""
    g = healthy.volume.geometry
    first = g.size[0] // 2
    size = (g.size[0] - first, *g.size[1:])
    part = np.ascontiguousarray(healthy.volume.array[:, :, first:])
    half = Volume(part, replace(g, size=size, origin_mm=tuple(g.index_to_point(np.array([first, 0, 0])))), "CT")
    found = annotate_hips(half)
    assert list(found.hips) == ["left"]
    center = np.asarray(healthy.truth["left_femoral_head_center_mm"])
    assert np.linalg.norm(np.asarray(found.hips["left"].center_mm) - center) < 1.0
    assert found.warnings[-1] == "The right hip is not in the field of view; only the other one was annotated."


def test_a_mirrored_storage_order_changes_no_side(healthy):
    """Rows stored from left to right and columns from back to front; the header says so."""
    g = healthy.volume.geometry
    origin = tuple(g.index_to_point(np.array([g.size[0] - 1, g.size[1] - 1, 0])))
    turned = replace(g, origin_mm=origin, direction=((-1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, 1.0)))
    volume = Volume(np.ascontiguousarray(healthy.volume.array[:, ::-1, ::-1]), turned, "CT")
    grid = body_grid(volume)
    balls = find_hips(grid).balls
    for side, ball in balls.items():
        at = grid.geometry.index_to_point(ball.index[::-1])
        assert np.linalg.norm(at - healthy.truth[f"{side}_femoral_head_center_mm"]) < 1.5
    assert set(balls) == {"left", "right"}


def test_a_prosthesis_is_left_out_and_the_other_hip_found():
    phantom = pelvis(right_hip="prosthesis")
    found = find_hips(body_grid(phantom.volume))
    assert list(found.balls) == ["left"]


def test_other_images_and_joints_are_refused(healthy):
    mr = Volume(healthy.volume.array, healthy.volume.geometry, "MR")
    with pytest.raises(InputError, match="MR"):
        annotate_hips(mr)
    with pytest.raises(InputError, match="knee"):
        HipSegmenter().segment(healthy.volume, joint="knee")
    upper = slice(int(0.75 * healthy.volume.array.shape[0]), None)
    part = healthy.volume.array[upper]
    with pytest.raises(RefusalError, match="No hip joint"):
        annotate_hips(Volume(part, Geometry(part.shape[::-1], (1.8, 1.8, 2.0)), "CT"))


def test_weak_borders_stand_out():
    image = np.full((3, 20, 20), 40.0)
    mask = np.zeros(image.shape, bool)
    mask[:, 5:15, 5:15] = True
    image[mask] = 900.0
    image[1][mask[1]] = 60.0
    found = weak_border(image, mask, 0)
    assert found[0] < 0.01
    assert found[1] > 0.7
