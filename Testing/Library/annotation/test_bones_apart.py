"""Sheetness, separation of touching bones, the joint split, and the order of axes."""

from __future__ import annotations

import numpy as np
import pytest

from MultiJointSegLib.annotation.body_grid import body_grid, coarse_grid
from MultiJointSegLib.annotation.bone_cut import cut_bone
from MultiJointSegLib.annotation.bone_split import separate_touching, split_bones
from MultiJointSegLib.annotation.hip_parts import JointSphere, seams
from MultiJointSegLib.annotation.joint_split import joint_space, split_joint
from MultiJointSegLib.annotation.native_cut import refine_in_band
from MultiJointSegLib.annotation.sheetness import eigenvalues, sheetness
from MultiJointSegLib.errors import MultiJointSegError
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume


def at_center(image, spacing=(1.0, 1.0, 1.0)):
    everywhere = np.ones(image.shape, bool)
    values = sheetness(image.astype(np.float32), spacing, mask=everywhere)
    return float(values[tuple(n // 2 for n in image.shape)])


def grids(shape=(21, 21, 21), spacing=(1.0, 1.0, 1.0)):
    return [
        ((np.arange(n) - n // 2) * s).reshape([-1 if a == b else 1 for b in range(3)])
        for a, (n, s) in enumerate(zip(shape, spacing, strict=True))
    ]


def test_sheetness_tells_plates_from_tubes_and_blobs():
    k, j, i = grids()
    zero = np.zeros((21, 21, 21))
    plate, tube = zero + np.exp(-(k**2) / 3), zero + np.exp(-(k**2 + j**2) / 3)
    blob = np.exp(-(k**2 + j**2 + i**2) / 3)
    assert at_center(plate) > 0.5
    assert at_center(-plate) < -0.5
    assert at_center(plate) > at_center(tube) + 0.3
    assert at_center(tube) >= at_center(blob)
    for order in ((1, 0, 2), (2, 1, 0)):
        assert at_center(np.transpose(plate, order)) == pytest.approx(at_center(plate), abs=1e-5)
    assert at_center(1000 * plate) == pytest.approx(at_center(plate), abs=1e-4)


def test_sheetness_is_measured_in_mm():
    fine, coarse = grids((41, 21, 21), (0.5, 1.0, 1.0)), grids()
    one = at_center(np.exp(-(fine[0] ** 2) / 6) + np.zeros((41, 21, 21)), (0.5, 1.0, 1.0))
    other = at_center(np.exp(-(coarse[0] ** 2) / 6) + np.zeros((21, 21, 21)))
    assert one == pytest.approx(other, abs=0.05)


def test_eigenvalues_are_those_of_the_matrices():
    rng = np.random.default_rng(0)
    parts = rng.normal(size=(50, 6))
    a, b, c, d, e, f = parts.T
    matrices = np.stack([np.stack([a, b, c], 1), np.stack([b, d, e], 1), np.stack([c, e, f], 1)], 1)
    assert np.allclose(eigenvalues(parts), np.linalg.eigvalsh(matrices), atol=1e-5)


def test_touching_balls_split_at_the_neck_and_one_ball_stays_whole():
    k, j, i = grids((21, 21, 41))
    one = k**2 + j**2 + (i + 8.5) ** 2 < 81
    two = one | (k**2 + j**2 + (i - 8.5) ** 2 < 81)
    assert separate_touching(one).max() == 1
    parts = separate_touching(two)
    assert parts.max() == 2
    assert (parts[:, :, :20][two[:, :, :20]] == parts[10, 10, 12]).mean() > 0.97
    assert ((parts > 0) == two).all()


def test_a_dark_seam_is_where_bones_are_cut():
    mask = np.ones((5, 5, 20), bool)
    image = np.full(mask.shape, 500.0, np.float32)
    image[:, :, 13] = 120.0
    image[:, :, 3:12] = 20.0  # marrow is dark as well, but wide
    solid = seams(image, np.full(3, 2.0))
    seeds = [np.zeros_like(mask), np.zeros_like(mask)]
    seeds[0][:, :, 0] = seeds[1][:, :, 19] = True
    parts = split_bones(mask, seeds, solid)
    assert (parts[:, :, :13] == 1).all()
    assert (parts[:, :, 14:] == 2).all()
    with pytest.raises(MultiJointSegError, match="overlap"):
        split_bones(mask, [mask, mask], image)


def test_head_and_socket_come_apart_where_no_joint_space_is_seen():
    k, j, i = grids((45, 45, 55))
    distance = np.sqrt(k**2 + j**2 + i**2)
    head = (distance < 15) | ((np.sqrt(k**2 + j**2) < 8) & (i > 0))
    cup = (distance >= 15) & (distance < 21) & (i < -2)
    bone = head | cup
    image = np.where(bone, 800.0, 50.0).astype(np.float32)
    joint = JointSphere(np.array([22.0, 22.0, 27.0]), 15.0, np.array([0.0, 0.0, -1.0]))
    wrong = bone & ((distance < 18) | (i > 0))
    femur, socket = split_joint(wrong, bone & ~wrong, image, np.ones(3), joint)
    assert not (femur & socket).any()
    assert ((femur | socket) == bone).all()
    assert (femur & head).sum() / head.sum() > 0.98
    assert (socket & cup).sum() / cup.sum() > 0.97


def test_a_dark_joint_space_is_opened_and_marrow_is_not():
    k, j, i = grids((45, 45, 55))
    distance = np.sqrt(k**2 + j**2 + i**2)
    image = np.where(distance < 15, 500.0, 50.0)
    facing = i < -0.2 * distance
    image[facing & (distance > 18) & (distance < 20)] = 800.0
    image[facing & (distance >= 20) & (distance < 24)] = 100.0  # marrow of the socket
    image[facing & (distance >= 24) & (distance < 26)] = 800.0
    bone = (distance < 15) | (facing & (distance < 26))
    joint = JointSphere(np.array([22.0, 22.0, 27.0]), 15.0, np.array([0.0, 0.0, -1.0]))
    space = joint_space(bone, image.astype(np.float32), np.ones(3), joint)
    truth = facing & (distance >= 15) & (distance <= 18)
    assert (space & truth).sum() / truth.sum() > 0.8
    assert not space[(distance < 14.2) | (distance > 18.5)].any()
    image[facing & (distance >= 15) & (distance <= 18)] = 700.0
    assert joint_space(bone, image.astype(np.float32), np.ones(3), joint).sum() < 0.04 * truth.sum()


def test_bone_without_table_vessel_or_fat():
    k, j, i = grids((30, 50, 60), (2.0, 2.0, 2.0))
    image = np.where((j / 38) ** 2 + (i / 52) ** 2 + 0 * k < 1, 50.0, -1000.0)
    tube = np.sqrt(j**2 + (i - 20) ** 2) + 0 * k
    image[tube < 12] = 900.0
    image[tube < 7] = -60.0  # fatty marrow
    image[np.sqrt(j**2 + (i + 25) ** 2) + 0 * k < 3] = 140.0  # contrast in a vessel
    image[np.broadcast_to((j > 42) & (j < 46), image.shape)] = 900.0  # table
    rng = np.random.default_rng(0)
    found = cut_bone((image + rng.normal(0, 15, image.shape)).astype(np.float32), np.full(3, 2.0))
    assert found.solver == "exact"
    truth = tube < 12
    dice = 2 * (found.bone & truth).sum() / (found.bone.sum() + truth.sum())
    assert dice > 0.93
    assert not found.bone[:, 45:].any()
    assert found.bone[15, 25, 40]


def test_the_band_finds_the_exact_surface_of_a_coarse_ball():
    fine = Geometry((60, 60, 40), (0.8, 0.8, 1.2), (0.0, 0.0, 0.0))
    coarse = Geometry((24, 24, 24), (2.0, 2.0, 2.0), (0.6, 0.6, 0.4))
    centers = [24.1, 23.7, 24.0]

    def distance(geometry):
        axes = [
            geometry.origin_mm[a] + geometry.spacing_mm[a] * np.arange(geometry.size[a]) - centers[a] for a in range(3)
        ]
        return np.sqrt(axes[2][:, None, None] ** 2 + axes[1][None, :, None] ** 2 + axes[0][None, None, :] ** 2)

    far = distance(fine)
    image = np.where(far < 15, 900.0, 50.0) + np.random.default_rng(0).normal(0, 30, far.shape)
    for solver in ("exact", "continuous"):
        bone = refine_in_band(image.astype(np.float32), fine, distance(coarse) < 15.8, coarse, solver=solver)
        assert 2 * (bone & (far < 15)).sum() / (bone.sum() + (far < 15).sum()) > 0.985


@pytest.mark.parametrize(
    "direction",
    [
        ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
        ((-1, 0, 0), (0, -1, 0), (0, 0, 1)),
        ((1, 0, 0), (0, 1, 0), (0, 0, -1)),  # feet first, as stored by some converters: a left-handed grid
        ((0, 0, -1), (1, 0, 0), (0, -1, 0)),  # sagittal slices
    ],
)
def test_any_order_of_axes_comes_out_up_back_left(direction):
    geometry = Geometry((5, 6, 7), (0.7, 0.8, 2.0), (10.0, -20.0, 30.0), direction)
    array = np.arange(210, dtype=np.int16).reshape(7, 6, 5)
    grid = body_grid(Volume(array, geometry, "CT"))
    assert np.allclose(np.abs(np.asarray(grid.geometry.direction)), np.eye(3))
    assert np.allclose(np.asarray(grid.geometry.direction), np.eye(3))
    assert np.array_equal(grid.to_native(grid.array), array)
    for index in ((0, 0, 0), (4, 2, 1)):
        value = grid.array[index[2] % grid.array.shape[0], index[1], index[0] % grid.array.shape[2]]
        where = np.argwhere(array == value)[0][::-1]
        here = (index[0] % grid.array.shape[2], index[1], index[2] % grid.array.shape[0])
        assert np.allclose(geometry.index_to_point(where), grid.geometry.index_to_point(np.array(here)))


def test_the_coarse_grid_covers_the_same_field():
    geometry = Geometry((40, 30, 10), (0.8, 0.8, 3.0), (5.0, 6.0, 7.0))
    ramp = np.broadcast_to(np.arange(40, dtype=np.float32), (10, 30, 40))
    coarse, made = coarse_grid(body_grid(Volume(ramp, geometry)), 2.0, low=-1e3, high=1e3)
    assert made.size == (16, 12, 10)
    assert made.spacing_mm[2] == 3.0
    x = made.index_to_point(np.array([8.0, 5.0, 5.0]))
    assert coarse[5, 5, 8] == pytest.approx(geometry.point_to_index(x)[0], abs=1e-3)
    edge = np.array([-0.5, -0.5, -0.5])
    assert np.allclose(made.index_to_point(edge), geometry.index_to_point(edge))
