"""Each mask source finds the outline of shapes that are known, and says in one sentence why it cannot."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.learning.masks.bone import BoneMask
from MultiJointSegLib.learning.masks.given import OracleMask, OrganMask
from MultiJointSegLib.learning.masks.position import grid_points_mm
from MultiJointSegLib.learning.masks.settings import MaskSettings, input_channels
from MultiJointSegLib.learning.masks.skin import SkinMask
from MultiJointSegLib.learning.masks.sources import FACTS, mask_source


def dice(first, second):
    return 2 * np.count_nonzero(first & second) / (np.count_nonzero(first) + np.count_nonzero(second))


def test_skin_of_a_cylinder_with_cavities_is_the_filled_cylinder(geometry, cylinder, as_mr):
    body = cylinder(geometry)
    hollow = body & ~cylinder(geometry, (10, 0), (8, 8)) & ~cylinder(geometry, (-12, 5), (7, 9), (-20, 15))
    found = SkinMask().mask(as_mr(hollow, geometry))
    assert dice(found.volume.array > 0, body) > 0.995
    assert found.volume.geometry.same_grid(geometry) and found.volume.array.dtype == np.uint8
    assert found.cut == ("feet", "head") and found.warnings == ()


def test_skin_follows_a_signal_that_falls_off_to_an_eighth(geometry, cylinder, as_mr):
    body = cylinder(geometry)
    x = grid_points_mm(geometry)[..., 0]
    falling = np.where(body, 800 * np.exp2(-(x + 38) / 25.4), 0.0)
    assert dice(SkinMask().mask(as_mr(falling, geometry)).volume.array > 0, body) > 0.97


def test_skin_does_not_depend_on_scale_or_axis_order(geometry, cylinder, as_mr):
    image = as_mr(cylinder(geometry), geometry)
    mask = SkinMask().mask(image).volume.array
    assert np.array_equal(SkinMask().mask(image.with_array(image.array * 7)).volume.array, mask)
    rows = np.asarray(geometry.direction)
    flipped = Geometry(
        geometry.size, geometry.spacing_mm, tuple(geometry.index_to_point(np.array([59, 0, 0]))), rows * [-1, 1, 1]
    )
    turned = SkinMask().mask(Volume(image.array[:, :, ::-1].copy(), flipped, "MR")).volume.array
    assert dice(turned[:, :, ::-1] > 0, mask > 0) > 0.995


def test_skin_leaves_out_an_arm_that_touches_the_trunk(geometry, cylinder, as_mr):
    trunk, arm = cylinder(geometry, (-12, 0), (34, 30)), cylinder(geometry, (34, 0), (12.5, 12))
    found = SkinMask().mask(as_mr(trunk | arm, geometry)).volume.array > 0
    assert dice(found, trunk) > 0.98
    assert np.count_nonzero(found & arm & ~trunk) < 0.1 * np.count_nonzero(arm)


def test_skin_takes_the_leg_of_the_side_that_is_named(geometry, cylinder, as_mr):
    right, left = cylinder(geometry, (-27, 0), (22, 26)), cylinder(geometry, (27, 0), (22, 26))
    image = as_mr(right | left, geometry)
    for side, leg in (("right", right), ("left", left)):
        found = SkinMask().mask(image, side=side)
        assert dice(found.volume.array > 0, leg) > 0.98
        assert side in found.warnings[0]
    with pytest.raises(InputError, match="2 bodies of similar size"):
        SkinMask().mask(image)


def test_skin_takes_the_middle_one_of_two_bodies(geometry, cylinder, as_mr):
    middle, aside = cylinder(geometry, (2, 0), (20, 26)), cylinder(geometry, (-48, 0), (18, 26))
    found = SkinMask().mask(as_mr(middle | aside, geometry))
    assert dice(found.volume.array > 0, middle) > 0.98 and "middle" in found.warnings[0]


def test_skin_in_ct_leaves_out_the_table(geometry, cylinder):
    body = cylinder(geometry)
    y = grid_points_mm(geometry)[..., 1]
    hu = np.where(body, 40, -1000)
    hu[(y > 33) & (y < 37)] = -50
    found = SkinMask().mask(Volume(hu.astype(np.int16), geometry, "CT"))
    assert dice(found.volume.array > 0, body) > 0.97


def test_skin_says_where_the_body_is_cut_off(geometry, cylinder, as_mr):
    found = SkinMask().mask(as_mr(cylinder(geometry, (40, 0), (50, 30)), geometry))
    assert "left" in found.cut and "right" not in found.cut
    assert "cuts the body off at: left" in found.warnings[0]


@pytest.mark.parametrize("level", [0, 700])
def test_skin_refuses_an_examination_of_nothing_but_air_or_body(geometry, level):
    hu = np.full(geometry.array_shape, -1000 + level + 300 * (level > 0), np.int16)
    hu[0, 0, 0] += 1
    with pytest.raises(InputError, match="empty" if level == 0 else "fills 100.0 % of the field of view"):
        SkinMask().mask(Volume(hu + np.int16(level), geometry, "CT"))


def test_bone_in_ct_is_the_filled_bone_without_specks(geometry, cylinder):
    body, bone = cylinder(geometry), cylinder(geometry, (5, 0), (14, 12))
    marrow = cylinder(geometry, (5, 0), (9, 7))
    hu = np.where(body, 40, -1000)
    hu[bone & ~marrow] = 900
    hu[12, 25, 12:14] = 700  # a calcified vessel
    found = BoneMask().mask(Volume(hu.astype(np.int16), geometry, ""))
    assert np.array_equal(found.volume.array > 0, bone)


def test_bone_in_mr_is_the_union_of_a_first_pass(geometry, cylinder, as_mr):
    labels = np.zeros(geometry.array_shape, np.uint8)
    labels[cylinder(geometry, (5, 0), (14, 12), (0, 40))] = 1
    labels[cylinder(geometry, (-9, 0), (10, 12), (-40, -5))] = 9
    image = as_mr(cylinder(geometry), geometry)
    found = BoneMask(lambda volume: Volume(labels, volume.geometry)).mask(image)
    assert np.array_equal(found.volume.array > 0, labels > 0)
    with pytest.raises(InputError, match="thresholds CT, but this examination is MR"):
        BoneMask().mask(image)
    with pytest.raises(InputError, match="mask is empty"):
        BoneMask(lambda volume: Volume(labels * 0, volume.geometry)).mask(image)


@pytest.mark.parametrize("source", [OrganMask(), OracleMask(allowed=True)])
def test_given_masks_are_checked(geometry, cylinder, as_mr, source):
    image, outline = as_mr(cylinder(geometry), geometry), cylinder(geometry, half_mm=(20, 20)).astype(np.uint8) * 3
    found = source.mask(image, given=Volume(outline, geometry))
    assert np.array_equal(found.volume.array, (outline > 0).astype(np.uint8))
    with pytest.raises(InputError, match="none was given"):
        source.mask(image)
    with pytest.raises(InputError, match="another grid"):
        source.mask(image, given=Volume(outline[1:], Geometry((60, 50, 23))))
    with pytest.raises(InputError, match="empty"):
        source.mask(image, given=Volume(outline * 0, geometry))
    with pytest.raises(InputError, match="tells no position"):
        source.mask(image, given=Volume(outline * 0 + 1, geometry))


def test_only_the_oracle_is_not_deployable_and_it_is_refused_unless_named(geometry, cylinder, as_mr):
    assert [name for name, facts in FACTS.items() if not facts.deployable] == ["oracle"]
    labels = Volume(cylinder(geometry, half_mm=(20, 20)).astype(np.uint8), geometry)
    image = as_mr(cylinder(geometry), geometry)
    with pytest.raises(InputError, match="has; use skin, bone or organ"):
        mask_source(MaskSettings(source="oracle")).mask(image, given=labels)
    assert mask_source(MaskSettings(source="oracle", allow_oracle=True)).mask(image, given=labels).source == "oracle"


def test_every_source_has_its_name_and_facts():
    for name, facts in FACTS.items():
        assert mask_source(MaskSettings(source=name)).facts is facts
        assert all(getattr(facts, field.name) not in ("", None) for field in dataclasses.fields(facts))


def test_input_channels():
    assert input_channels("image", None) == 3
    assert input_channels("mask", MaskSettings(encoding="binary")) == 1
    assert input_channels("image+mask", MaskSettings(encoding="binary")) == 4
    assert input_channels("image+mask", MaskSettings()) == 9
