"""Published values: complete, labelled, of measures that exist, and shown in files."""

from __future__ import annotations

import csv
import re

from MultiJointSegLib.morphology.hip import measure_hip
from MultiJointSegLib.morphology.hip_socket import SOCKET_KEYS
from MultiJointSegLib.morphology.knee import measure_knee
from MultiJointSegLib.morphology.measurement import Measurement
from MultiJointSegLib.morphology.published_values import all_published_values, published_values
from MultiJointSegLib.morphology.shoulder_definitions import TABLE
from MultiJointSegLib.morphology.shoulder_humerus import RETROVERSION
from MultiJointSegLib.morphology.writing import write_measurements


def test_every_entry_is_complete_and_of_a_measure(ellipsoid) -> None:
    hip = measure_hip({"femur": ellipsoid(20.0)})
    known = {m.key for m in (*measure_knee({}), *hip)} | {*TABLE, RETROVERSION.key, *SOCKET_KEYS}
    for value in all_published_values():
        assert set(value.measures) <= known
        assert re.search(r"\d", value.values)
        assert all((value.population, value.age_group, value.method, value.source))
        assert value.url.startswith("https://")
        assert re.search(r"doi:10\.\d{4,}/\S|PMC\d|\d{4}, [A-Z]", value.source)


def test_a_side_does_not_matter_and_nothing_is_invented() -> None:
    found = published_values("left_femur_version")
    assert found and found == published_values("femur_version")
    assert published_values("talus_dome_radius") == ()
    ages = {value.age_group for value in published_values("glenoid_version")}
    assert {"0 to 2 years", "over 2 years"} < ages
    assert any(age.startswith("adults") for age in ages)


def test_they_stand_in_the_table(tmp_path) -> None:
    given = Measurement("knee_tt_tg", "Distance", "", 12.0, "mm", "d")
    without = Measurement("femur_volume", "Volume", "femur", 1000.0, "mm3", "d")
    write_measurements([given, without], tmp_path / "m.csv", tmp_path / "m.json")
    with (tmp_path / "m.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert "11 to 17 years" in rows[0]["published_values"]
    assert "10.1186/s40634-018-0149-1" in rows[0]["published_values"]
    assert rows[1]["published_values"] == ""
