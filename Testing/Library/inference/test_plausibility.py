import pytest

from MultiJointSegLib import anatomy
from MultiJointSegLib.inference.plausibility import implausible_bones, is_consistent, volume_limits

KNEE = anatomy.joint("knee")
GOOD = {"femur": 120.0, "tibia": 90.0, "fibula": 8.0, "patella": 9.0}


def test_every_bone_of_the_catalog_has_limits():
    assert set(volume_limits()) == {bone.key for bone in anatomy.all_bones()}
    assert all(0 < v.minimum_ml < v.maximum_ml for v in volume_limits().values())


@pytest.mark.parametrize(
    ("change", "bad", "consistent"),
    [
        ({}, set(), True),
        ({"patella": 0.0}, {"patella"}, True),
        ({"femur": 0.0}, {"femur"}, False),
        ({"patella": 300.0}, {"patella"}, False),
        ({"tibia": 0.01}, {"tibia"}, False),
    ],
)
def test_table(change, bad, consistent):
    volumes = GOOD | change
    problems = implausible_bones(KNEE, volumes)
    assert set(problems) == bad
    assert is_consistent(KNEE, volumes) is consistent
    assert all(text.endswith(".") for text in problems.values())


def test_sentences():
    assert implausible_bones(KNEE, GOOD | {"patella": 0})["patella"] == (
        "No patella was found. It may not be ossified yet or lie outside the image."
    )
    assert "measures 0.01 ml" in implausible_bones(KNEE, GOOD | {"tibia": 0.01})["tibia"]
