"""Two examinations compared: nothing changes where nothing changed, and what grew is told."""

from __future__ import annotations

import json

import numpy as np
import pytest

from MultiJointSegLib.anatomy import bone
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.imaging.writing import write_volume
from MultiJointSegLib.pipeline.compare_examinations import COMPARISON_NAMES, compare_examinations

TIBIA, TALUS, CALCANEUS = (bone(key).label for key in ("tibia", "talus", "calcaneus"))


def ankle(talus_mm: tuple[float, float, float], left: float = 0.0) -> Volume:
    """Three ellipsoids as the bones of an ankle, the talus of a given size."""
    geometry = Geometry((44, 52, 60), (1.5, 1.5, 1.5))
    grid = (np.moveaxis(np.indices(geometry.array_shape), 0, -1) * 1.5)[..., ::-1]
    array = np.zeros(geometry.array_shape, np.uint8)
    for label, center, half in (
        (TIBIA, (32 + left, 40, 66), (15, 12, 18)),
        (TALUS, (32, 34, 36), talus_mm),
        (CALCANEUS, (34, 44, 14), (9, 22, 8)),
    ):
        array[(((grid - center) / half) ** 2).sum(axis=-1) <= 1] = label
    return Volume(array, geometry)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compared")
    for name, size in (("first", (12, 17, 10)), ("second", (13, 18, 11))):
        (folder / name).mkdir()
        write_volume(ankle(size), folder / name / "labels.nii.gz")
    return folder


def test_growth_of_one_bone_is_told_and_nothing_else(results):
    found = compare_examinations(results / "first", results / "second", results / "out")
    assert {p.name for p in (results / "out").iterdir()} == COMPARISON_NAMES
    shapes = {s.bone: s for s in found.shapes}
    assert shapes["talus"].median_mm == pytest.approx(1.0, abs=0.2)
    assert shapes["tibia"].median_mm == pytest.approx(0.0, abs=0.01)
    changes = {c.key: c for c in found.changes}
    assert changes["talus_principal_length_1"].change == pytest.approx(2.0, abs=1.2)
    assert changes["tibia_volume"].change == 0
    assert changes["calcaneus_pitch"].change is None
    assert "First: The floor" in changes["calcaneus_pitch"].remark
    document = json.loads((results / "out" / "changes.json").read_text())
    assert len(document["changes"]) == len(found.changes)
    page = (results / "out" / "comparison.html").read_text()
    assert "Principal length 1" in page
    # Three views of each bone, unless this machine cannot draw.
    assert page.count("data:image/png") % 3 == 0
    assert {p.name for p in (results / "out" / "shapes").iterdir()} == {"calcaneus.vtp", "talus.vtp", "tibia.vtp"}


def test_what_cannot_be_compared_is_refused(results, tmp_path):
    write_volume(
        Volume((ankle((12, 17, 10)).array == TALUS).astype(np.uint8), Geometry((44, 52, 60))), tmp_path / "f.nii"
    )
    with pytest.raises(InputError, match="several joints"):
        compare_examinations(results / "first", tmp_path / "f.nii", tmp_path / "out")
    with pytest.raises(InputError, match="neither"):
        compare_examinations(results / "first", tmp_path, tmp_path.parent / "no")
    assert not (tmp_path / "out").exists()
