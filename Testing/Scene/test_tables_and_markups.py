"""Measurements as a table and as markups."""

# ruff: noqa: E402 - what follows needs slicer-core, or is skipped

import math

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

from MultiJointSegSlicer.scene.coordinates import flip_points
from MultiJointSegSlicer.scene.markups import MEASUREMENT_ATTRIBUTE, add_measurement_nodes
from MultiJointSegSlicer.scene.tables import COLUMNS, add_table_node

from MultiJointSegLib.morphology.measurement import Measurement, line, sphere

pytestmark = pytest.mark.slicer


def cells(node) -> dict[str, list[str]]:
    table = node.GetTable()
    return {
        table.GetColumnName(c): [table.GetValue(r, c).ToString() for r in range(table.GetNumberOfRows())]
        for c in range(table.GetNumberOfColumns())
    }


def test_table_has_one_row_per_measurement_with_definition_and_reason(a_scene, an_examination) -> None:
    node = add_table_node(a_scene, an_examination.measurements, name="Measurements")
    content = cells(node)
    assert list(content) == list(COLUMNS)
    assert content["Key"] == [m.key for m in an_examination.measurements]
    assert content["Bone"] == ["Femur", "Femur", "Femur", "Femur", "-", "Tibia"]
    assert content["Definition"][1:5:3] == ["The 'best' sphere.", "Gap of the joint."]
    assert content["Note"][4] == "too small"
    assert node.GetColumnDescription("Definition") == COLUMNS["Definition"]


def test_values_are_numbers_rounded_to_what_the_file_keeps(a_scene, an_examination) -> None:
    column = add_table_node(a_scene, an_examination.measurements, name="M").GetTable().GetColumnByName("Value")
    assert column.GetClassName().endswith("DoubleArray")
    assert [column.GetValue(n) for n in (0, 1, 2)] == [1234570.0, 9.0, 20.0]
    assert math.isnan(column.GetValue(4))


def test_each_geometry_is_shown_once_in_ras(a_scene, an_examination) -> None:
    nodes = add_measurement_nodes(a_scene, an_examination.measurements)
    assert [node.GetName() for node in nodes] == [
        "Femur - Femoral head diameter",
        "Femur - Femoral head",
        "Femur - Long axis",
        "Tibia - Plateau plateau",
        "Tibia - Plateau middle",
    ]
    axis = an_examination.measurements[2].geometry["axis"]
    shown = [nodes[2].GetNthControlPointPositionWorld(n) for n in (0, 1)]
    assert np.allclose(shown, flip_points([axis["start_mm"], axis["end_mm"]]))
    assert nodes[2].GetAttribute(MEASUREMENT_ATTRIBUTE) == "femur_length"
    assert nodes[2].GetDescription() != ""


def test_line_and_sphere_show_their_length_as_a_slicer_measurement(a_scene) -> None:
    geometry = {"axis": line((0, 0, 0), (3, 4, 0)), "head": sphere((1, 2, 3), 12.5)}
    measurement = Measurement("m", "M", "humerus", 1.0, "mm", "d", geometry=geometry)
    axis, diameter, ball = add_measurement_nodes(a_scene, [measurement])
    assert axis.GetMeasurement("length").GetValue() == pytest.approx(5.0)
    assert diameter.GetMeasurement("length").GetValue() == pytest.approx(25.0)
    bounds = np.array(ball.GetPolyData().GetBounds()).reshape(3, 2)
    assert bounds.mean(axis=1) == pytest.approx((-1, -2, 3), abs=1e-6)
    assert np.ptp(bounds, axis=1) == pytest.approx((25, 25, 25), rel=0.01)


def test_moved_line_changes_its_number(a_scene) -> None:
    measurement = Measurement("m", "M", "tibia", 5.0, "mm", "d", geometry={"axis": line((0, 0, 0), (3, 4, 0))})
    (axis,) = add_measurement_nodes(a_scene, [measurement])
    axis.SetNthControlPointPosition(1, 0.0, 0.0, 7.0)
    assert axis.GetMeasurement("length").GetValue() == pytest.approx(7.0)


def test_plane_keeps_origin_and_normal(a_scene, an_examination) -> None:
    plane = add_measurement_nodes(a_scene, an_examination.measurements)[3]
    entry = an_examination.measurements[5].geometry["plateau"]
    origin, normal = [0.0] * 3, [0.0] * 3
    plane.GetOrigin(origin)
    plane.GetNormal(normal)
    assert origin == pytest.approx(flip_points(entry["point_mm"]))
    assert normal == pytest.approx(flip_points(entry["normal"]))
