"""Synthetic studies: planes lie where the anatomy says, with the scatter that was asked for."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from MultiJointSegLib.cli.main import main
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.reading import read_label_map
from MultiJointSegLib.learning.pretext.phantom_studies import (
    ScatterSettings,
    anatomical_frame,
    make_phantom_study,
    write_phantom_study,
)
from MultiJointSegLib.learning.pretext.prepared import channels_of
from MultiJointSegLib.learning.pretext.slice_grid import Plane
from MultiJointSegLib.learning.pretext.study import StudySeries
from MultiJointSegLib.learning.pretext.study_reading import read_study
from MultiJointSegLib.phantom.procedural import procedural_tissue_map

COARSE = ScatterSettings(map_spacing_mm=3.0, pixel_mm=(3.0, 3.5), pitch_mm=(5.0, 6.0))
EXACT = replace(COARSE, angle_deg=0.0, shift_mm=0.0, in_plane_shift_mm=0.0)


def off(series: StudySeries, plane: Plane) -> tuple[float, float]:
    """Angle and distance of a series' middle plane from a plane."""
    middle = series.middle_plane
    return middle.angle_deg(plane), abs(float(plane.signed_distance_mm(np.array(middle.point_mm))))


def test_planes_without_scatter_are_those_of_the_anatomy(tmp_path: Path) -> None:
    study = make_phantom_study("knee", 11, scatter=EXACT)
    write_phantom_study(study, tmp_path / "knee")
    read = read_study(tmp_path / "knee")
    assert (read.joint, read.side) == ("knee", study.side)
    assert channels_of(read.series) == {v: v for v in ("axial", "coronal", "oblique", "sagittal")}
    for series in read.series:
        angle, distance = off(series, study.anatomical_planes[series.key])
        assert angle < 0.01 and distance < 0.01
    center, frame = anatomical_frame(procedural_tissue_map("knee", seed=11, spacing_mm=3.0))
    np.testing.assert_allclose(frame.T @ frame, np.eye(3), atol=1e-12)
    assert np.linalg.det(frame) == pytest.approx(1) and (np.diag(frame) > 0.7).all()
    for view, column in (("sagittal", 0), ("coronal", 1), ("axial", 2)):
        np.testing.assert_allclose(study.anatomical_planes[view].normal, frame[:, column], atol=1e-9)
        assert abs((np.array(study.anatomical_planes[view].point_mm) - center) @ frame[:, column - 1]) < 1e-6
    content = json.loads((tmp_path / "knee" / "study.json").read_text())
    assert content["growth_plates"] in ("open", "closed")
    labels = read_label_map(tmp_path / "knee" / "labels" / "sagittal.nii.gz")
    assert labels.array.shape == study.images["sagittal"].array.shape
    assert set(np.unique(labels.array)) <= {0, 1, 2, 3, 4} and (labels.array > 0).mean() > 0.05


def test_scatter_moves_the_planes_and_the_seed_decides() -> None:
    scatter = replace(COARSE, angle_deg=3.0, shift_mm=3.0)
    first = make_phantom_study("ankle", 5, views=("sagittal",), scatter=scatter)
    again = make_phantom_study("ankle", 5, views=("sagittal",), scatter=scatter)
    np.testing.assert_array_equal(first.images["sagittal"].array, again.images["sagittal"].array)
    geometry = first.images["sagittal"].geometry
    normal = np.asarray(geometry.direction)[:, 2]
    plane = first.anatomical_planes["sagittal"]
    angle = np.degrees(np.arccos(min(1.0, abs(float(normal @ plane.normal)))))
    assert 0.1 < angle < 15


def test_mistakes() -> None:
    with pytest.raises(InputError, match="no view 'radial'"):
        make_phantom_study("knee", 1, views=("radial",))


def test_command_makes_a_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "MultiJointSegLib.learning.pretext.phantom_studies.make_phantom_study",
        lambda joint, seed: make_phantom_study(joint, seed, scatter=COARSE),
    )
    place = str(tmp_path / "ankle")
    asked = ["phantom", "--joint", "ankle", "--seed", "5", "--study", "-o", place]
    assert main([*asked, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    read = read_study(tmp_path / "ankle")
    assert (told["joint"], told["side"]) == (read.joint, read.side)
    assert len(read.series) == 4
    assert main(asked) == 2
    assert "exists already" in capsys.readouterr().err
    assert main([*asked, "--overwrite", "--quiet"]) == 0
    assert main([*asked, "--overwrite", "--age", "3", "--noise", "0.1"]) == 2
    assert "leave out --age, --noise" in capsys.readouterr().err
