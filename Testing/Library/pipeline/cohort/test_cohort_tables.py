"""Distributions of measurements, tables and the page."""

from __future__ import annotations

import csv

import pytest

from MultiJointSegLib.pipeline.cohort.page import write_page
from MultiJointSegLib.pipeline.cohort.tables import ExaminationRow, MeasurementRow, distributions, write_csv


def measured(examination, value, *, joint="knee", key="femur_volume", unit="mm3"):
    return MeasurementRow(
        examination=examination,
        joint=joint,
        side="left",
        key=key,
        bone="femur",
        name="Volume",
        value=value,
        unit=unit,
        error_estimate=None,
        reason="" if value is not None else "No femur was found.",
    )


@pytest.fixture
def values():
    return [measured(f"e{n}", value) for n, value in enumerate([10.0, 11.0, 12.0, 13.0, 14.0, 60.0, None])]


def test_distribution_is_that_of_the_values_given(values):
    (found,) = distributions(values)
    assert found.values == (10.0, 11.0, 12.0, 13.0, 14.0, 60.0)
    assert (found.mean, found.median, found.minimum, found.maximum, found.missing) == (20.0, 12.5, 10.0, 60.0, 1)
    assert found.standard_deviation == pytest.approx(19.6469, abs=1e-4)


def test_a_value_far_from_the_median_is_conspicuous(values):
    # Deviations from 12.5: 2.5 1.5 0.5 0.5 1.5 47.5, median 1.5; 0.6745 * 47.5 / 1.5 = 21.4.
    assert distributions(values)[0].conspicuous == (("e5", 60.0),)
    assert distributions(values[:2] + values[5:])[0].conspicuous == ()  # too few to say


def test_joints_and_measurements_are_kept_apart(values):
    rows = [*values, measured("s", 1.0, joint="shoulder"), measured("e0", 2.0, key="femur_area")]
    assert [(d.joint, d.key) for d in distributions(rows)] == [
        ("knee", "femur_volume"),
        ("knee", "femur_area"),
        ("shoulder", "femur_volume"),
    ]


def test_csv_has_empty_cells_for_what_is_missing(values, tmp_path):
    write_csv(tmp_path / "m.csv", MeasurementRow, values)
    with (tmp_path / "m.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["value"] for row in rows] == ["10", "11", "12", "13", "14", "60", ""]
    assert rows[-1]["reason"] == "No femur was found."


def test_page_puts_problems_first_and_escapes(values, tmp_path):
    rows = [
        ExaminationRow(examination="sure", state="finished", joint="knee", least_bone_confidence=0.95),
        ExaminationRow(examination="un sure", state="finished", joint="knee", least_bone_confidence=0.5),
        ExaminationRow(examination="<b>", state="failed", reason="Broken."),
    ]
    place = measured("sure", 4.0, key="femur_centroid_left", unit="mm")
    write_page(tmp_path / "p.html", rows, distributions([*values, place]), ["x was left out."])
    text = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert text.index("&lt;b&gt;") < text.index("un sure") < text.index(">sure<")
    assert 'href="un%20sure/report.html"' in text
    assert "e5 (60.00)" in text
    assert "x was left out." in text
    assert text.count("<circle") == 6
