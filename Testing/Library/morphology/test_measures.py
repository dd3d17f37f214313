"""The list of measurements, the files, and the entry for existing segmentations."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from MultiJointSegLib.anatomy import catalog
from MultiJointSegLib.errors import InputError, MultiJointSegError
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.morphology.from_segmentation import infer_joint, measure_label_map
from MultiJointSegLib.morphology.measurement import Measurement, line, plane, point, sphere
from MultiJointSegLib.morphology.measures import measure_surfaces
from MultiJointSegLib.morphology.writing import (
    CSV_COLUMNS,
    MeasurementsFile,
    read_measurements,
    write_measurements,
)

FEMUR, TIBIA, PATELLA = (catalog.bone(k).label for k in ("femur", "tibia", "patella"))
TALUS = catalog.bone("talus").label
SPACING = (0.8, 0.9, 1.1)


def ellipsoids(placed: dict[int, tuple[tuple[float, float, float], tuple[float, float, float]]]) -> Volume:
    """Label map with one ellipsoid (center, radii in mm) per label, on a mirrored and oblique grid."""
    angle = np.radians(20.0)
    direction = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, -1.0]])
    size = (80, 72, 64)
    half = direction @ (np.asarray(SPACING) * (np.asarray(size) - 1) / 2)
    geometry = Geometry(size, SPACING, tuple(-half), tuple(map(tuple, direction)))
    axes = np.meshgrid(*[np.arange(n) for n in geometry.array_shape], indexing="ij")
    points = geometry.index_to_point(np.stack(axes[::-1], axis=-1))
    labels = np.zeros(geometry.array_shape, np.uint8)
    for label, (center, radii) in placed.items():
        labels[np.linalg.norm((points - center) / radii, axis=-1) < 1] = label
    return Volume(labels, geometry)


@pytest.fixture(scope="module")
def knee() -> Volume:
    return ellipsoids(
        {
            FEMUR: ((0.0, 0.0, 14.0), (15.0, 11.0, 8.0)),
            TIBIA: ((0.0, 0.0, -8.0), (14.0, 10.0, 9.0)),
            PATELLA: ((0.0, -19.0, 12.0), (8.0, 4.0, 6.0)),
        }
    )


def by_key(measurements: list[Measurement]) -> dict[str, Measurement]:
    return {m.key: m for m in measurements}


def test_measurements_of_known_shapes(knee):
    surfaces, measurements = measure_label_map(knee)
    assert list(surfaces) == ["femur", "patella", "tibia"]
    # Ellipsoids have volumes and lengths; they are no femur, so that directions and widths would mean nothing.
    assert all(m.value is None for m in measurements[3 * 8 :])
    assert "no two condyles" in by_key(measurements)["patella_width"].reason
    measurements = measurements[: 3 * 8]
    found = by_key(measurements)
    assert len(found) == len(measurements) == 3 * 8
    assert found["femur_volume"].value == pytest.approx(4 / 3 * np.pi * 15 * 11 * 8, rel=0.01)
    # Knud Thomsen's formula for the area of an ellipsoid is within 1.1 %.
    p, (a, b, c) = 1.6075, (15.0, 11.0, 8.0)
    area = 4 * np.pi * (((a * b) ** p + (a * c) ** p + (b * c) ** p) / 3) ** (1 / p)
    assert found["femur_area"].value == pytest.approx(area, rel=0.02)
    for n, radius in enumerate((15.0, 11.0, 8.0), start=1):
        # Half a voxel: the outermost layer of voxels sticks out or not.
        assert found[f"femur_principal_length_{n}"].value == pytest.approx(2 * radius, abs=0.6)
    assert found["patella_centroid_posterior"].value == pytest.approx(-19.0, abs=0.1)
    assert found["tibia_centroid_superior"].value == pytest.approx(-8.0, abs=0.1)
    assert all(m.note == "" and m.definition for m in measurements)


def test_principal_lines_lie_on_the_bone(knee):
    _, measurements = measure_label_map(knee)
    entry = by_key(measurements)["femur_principal_length_1"].geometry["axis"]
    start, end = np.array(entry["start_mm"]), np.array(entry["end_mm"])
    assert np.allclose((start + end) / 2, (0, 0, 14.0), atol=0.3)
    assert abs((end - start)[0]) == pytest.approx(30.0, abs=0.6)


def test_nothing_depends_on_how_the_patient_lies(knee, rotation):
    surfaces, before = measure_label_map(knee)
    matrix = np.eye(4)
    matrix[:3, :3] = rotation(5) @ np.diag([-1.0, 1.0, 1.0])
    matrix[:3, 3] = 100.0, -50.0, 20.0
    moved = measure_surfaces({k: s.transformed(matrix) for k, s in surfaces.items()}, joint="knee")
    for one, two in zip(before, moved, strict=True):
        assert one.key == two.key
        if one.value is None:
            assert two.value is None
        elif "centroid" not in one.key:
            assert two.value == pytest.approx(one.value, rel=1e-6, abs=1e-4)
    assert all("not known" in m.note for m in moved[: 3 * 8] if m.value is not None)


def test_a_cut_bone_says_so():
    labels = ellipsoids({FEMUR: ((0.0, 0.0, 40.0), (12.0, 12.0, 30.0)), TIBIA: ((0.0, 0.0, -20.0), (9.0, 8.0, 7.0))})
    _, measurements = measure_label_map(labels)
    found = by_key(measurements)
    assert found["femur_volume"].value > 0
    assert "cut by the field of view" in found["femur_volume"].note
    length = found["femur_principal_length_1"]
    assert length.value is None
    assert "cut by the field of view" in length.reason
    assert found["tibia_principal_length_1"].value == pytest.approx(18.0, abs=0.5)
    # The cut itself is no bone surface: what is left of an ellipsoid's area below the cut.
    assert found["femur_area"].value < 0.98 * measure_label_map(labels)[0]["femur"].area_mm2


def test_a_bone_cut_flat_inside_the_field_of_view_says_so():
    labels = ellipsoids({FEMUR: ((0.0, 0.0, 10.0), (10.0, 10.0, 22.0)), TIBIA: ((0.0, 0.0, -24.0), (9.0, 8.0, 7.0))})
    array = labels.array.copy()
    array[: array.shape[0] // 2 - 12][array[: array.shape[0] // 2 - 12] == FEMUR] = 0
    _, measurements = measure_label_map(labels.with_array(array))
    found = by_key(measurements)
    assert "flat plane" in found["femur_volume"].note
    assert found["femur_principal_length_1"].value is None
    assert found["tibia_volume"].note == ""


def test_the_joint_is_inferred():
    known = {j: catalog.joint(j).labels for j in catalog.joint_names()}
    for name, values in known.items():
        assert infer_joint(tuple(sorted(values))).key == name


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((50, 77), "None of the label values 50, 77 is a known bone"),
        ((FEMUR, TIBIA, 50), "50 belong to no known bone"),
        ((FEMUR, TALUS), "no single joint has"),
        ((FEMUR,), "may be the knee or the hip"),
        ((TIBIA,), "may be the ankle or the knee"),
    ],
)
def test_the_joint_cannot_be_inferred(values, message):
    with pytest.raises(InputError, match=message):
        infer_joint(values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a * 0, "empty"),
        (lambda a: a + 0.5, "not whole numbers"),
        (lambda a: np.where(a, a, np.nan), "not whole numbers"),
        (lambda a: a.astype(np.int16) - 1, "negative"),
        (lambda a: np.where(a, FEMUR, 0).astype(np.uint8), "may be the knee or the hip"),
        (lambda a: np.where(a == PATELLA, TIBIA, a), None),
        (lambda a: np.where(a == TIBIA, FEMUR, np.where(a == FEMUR, FEMUR, a)), "two separate bodies"),
    ],
)
def test_bad_label_maps(knee, change, message):
    labels = Volume(change(knee.array), knee.geometry)
    if message is None:
        # A patella of a seventh of the tibia's size passes as an island of it: it is left out of the surface.
        surfaces, _ = measure_label_map(labels)
        assert surfaces["tibia"].volume_mm3 == pytest.approx(4 / 3 * np.pi * 14 * 10 * 9, rel=0.01)
        return
    with pytest.raises(InputError, match=message):
        measure_label_map(labels)


def test_a_speck_is_refused(knee):
    array = np.where(knee.array == PATELLA, 0, knee.array)
    array[5, 5, 5] = PATELLA
    with pytest.raises(InputError, match="has only 1 voxels"):
        measure_label_map(knee.with_array(array))


def test_a_given_joint(knee):
    with pytest.raises(InputError, match="none of which is a bone of the shoulder"):
        measure_label_map(knee, "shoulder")
    with pytest.raises(InputError, match="Did you mean 'knee'"):
        measure_label_map(knee, "kne")
    surfaces, _ = measure_label_map(knee, "ankle")
    assert list(surfaces) == ["tibia"]


def test_float_label_maps_work(knee):
    _, measurements = measure_label_map(knee.with_array(knee.array.astype(np.float32)))
    assert by_key(measurements)["femur_volume"].value is not None


def test_files(knee, tmp_path):
    labels = ellipsoids({FEMUR: ((0.0, 0.0, 40.0), (12.0, 12.0, 30.0)), TIBIA: ((0.0, 0.0, -20.0), (9.0, 8.0, 7.0))})
    _, measurements = measure_label_map(labels)
    measurements.append(
        Measurement(
            key="angle",
            name="Angle",
            bone="",
            value=12.5,
            unit="deg",
            definition="For the test.",
            geometry={"a": line((0, 0, 0), (1, 2, 3)), "b": plane((0, 0, 0), (0, 0, 1)), "c": sphere((1, 1, 1), 2)},
            error_estimate=0.5,
        )
    )
    csv_path, json_path = write_measurements(measurements, tmp_path / "m.csv", tmp_path / "m.json")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.csv", "m.json"]
    with csv_path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert len(rows) == len(measurements)
    assert float(rows[0]["value"]) == pytest.approx(measurements[0].value, rel=1e-5)
    cut = next(r for r in rows if r["key"] == "femur_principal_length_1")
    assert cut["value"] == ""
    assert "field of view" in cut["reason"]
    document = json.loads(json_path.read_text(encoding="utf-8"))
    assert document["schema_version"] == "1.0"
    assert document["coordinate_system"] == "LPS"
    MeasurementsFile.model_validate(document)
    assert "MeasurementEntry" in MeasurementsFile.model_json_schema()["$defs"]
    assert read_measurements(json_path) == measurements


def test_broken_files_are_refused(tmp_path):
    path = tmp_path / "m.json"
    with pytest.raises(InputError, match="Cannot read"):
        read_measurements(path)
    path.write_text('{"schema_version": "9.0", "measurements": []}')
    with pytest.raises(InputError, match="schema_version"):
        read_measurements(path)
    with pytest.raises(InputError, match="Check that the folder exists"):
        write_measurements([], tmp_path / "no" / "m.csv", tmp_path / "no" / "m.json")


@pytest.mark.parametrize(
    "change",
    [
        {"value": None},
        {"value": 1.0, "reason": "both"},
        {"value": float("nan")},
        {"geometry": {"p": {"type": "point"}}},
        {"geometry": {"p": {"type": "blob", "position_mm": [0, 0, 0]}}},
    ],
)
def test_impossible_measurements_are_refused(change):
    fields = {"key": "k", "name": "n", "bone": "", "value": 1.0, "unit": "mm", "definition": "d"}
    assert Measurement(**fields, geometry={"p": point((1, 2, 3))}).value == 1.0
    with pytest.raises(MultiJointSegError):
        Measurement(**(fields | change))
