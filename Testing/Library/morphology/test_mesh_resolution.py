"""The same surface in four times as many triangles has the same measures."""

from __future__ import annotations

import numpy as np
import pytest
from vtkmodules.vtkFiltersModeling import vtkLinearSubdivisionFilter

from MultiJointSegLib.anatomy import catalog
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.morphology.measures import measure_surfaces
from MultiJointSegLib.phantom.ankle import build_ankle
from MultiJointSegLib.phantom.field import sample_shape
from MultiJointSegLib.phantom.growth import growth_at
from MultiJointSegLib.phantom.knee import build_knee
from MultiJointSegLib.phantom.shoulder import build_shoulder
from MultiJointSegLib.surface.extraction import surface_from_probability
from MultiJointSegLib.surface.mesh import Surface, from_polydata, to_polydata

BUILD = {"ankle": build_ankle, "knee": build_knee, "shoulder": build_shoulder}
SPACING_MM = 1.8
TOLERANCE = {"deg": 0.1, "mm": 0.1, "mm2": 1.0, "mm3": 1.0, "1": 0.005}


def bones(name: str) -> dict[str, Surface]:
    rng = np.random.default_rng(2)
    model = BUILD[name](rng, growth_at(25.0, rng))
    low, high = np.asarray(model.low_mm), np.asarray(model.high_mm)
    size = tuple((np.ceil((high - low) / SPACING_MM).astype(int) + 1).tolist())
    geometry = Geometry(size, (SPACING_MM,) * 3, tuple(low.tolist()))
    keys = {bone.label: bone.key for bone in catalog.joint(name).bones}
    found = {}
    for shape in model.bones:
        if shape.label in keys:
            inside = np.clip(0.5 - sample_shape(shape.shape, geometry) / (4 * SPACING_MM), 0, 1)
            found[keys[shape.label]] = surface_from_probability(Volume(inside.astype(np.float32), geometry))
    return found


def finer(surface: Surface) -> Surface:
    divide = vtkLinearSubdivisionFilter()
    divide.SetInputData(to_polydata(surface))
    divide.Update()
    return from_polydata(divide.GetOutput())


@pytest.mark.parametrize("name", sorted(BUILD))
def test_finer_triangles_change_nothing(name) -> None:
    coarse = bones(name)
    before = measure_surfaces(coarse, joint=name)
    after = {m.key: m for m in measure_surfaces({k: finer(s) for k, s in coarse.items()}, joint=name)}
    assert sum(m.value is not None for m in before) > 20
    for m in before:
        if m.value is None:
            assert after[m.key].value is None, m.key
        else:
            assert after[m.key].value == pytest.approx(m.value, abs=TOLERANCE[m.unit]), m.key
