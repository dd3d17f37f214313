"""The interpreter around the scene: clean output, clean exit, no growth, and a sentence without Slicer."""

import importlib.util

import pytest

WITHOUT_SLICER = """
import sys
sys.modules["slicer"] = None
from MultiJointSegLib.errors import MultiJointSegError
from MultiJointSegSlicer import scene
assert "slicer-core" in scene.unavailable_reason()
for name in ("write_scene_bundle", "read_segmentation"):
    try:
        getattr(scene, name)
    except MultiJointSegError as error:
        assert isinstance(error, ImportError)
        assert error.exit_code == 1
        print(error)
    else:
        raise SystemExit("no error")
"""

ANOTHER_SLICER = """
import sys, types
sys.modules["slicer"] = types.ModuleType("slicer")
from MultiJointSegSlicer import scene
print(scene.unavailable_reason())
"""

LIGHT = """
import sys
import MultiJointSegSlicer.scene
assert not {"slicer", "vtkmodules", "numpy"} & set(sys.modules), set(sys.modules)
"""

# Writes and reads again and again; prints how much the process grew in the second half, in kB.
REPEAT = """
import sys, tempfile
from pathlib import Path
import numpy as np
import psutil
from MultiJointSegLib import anatomy
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.pipeline.result import SceneContent
from MultiJointSegSlicer import scene

def resident_kb():
    return psutil.Process().memory_info().rss // 1024

geometry = Geometry((80, 80, 60))
array = np.zeros(geometry.array_shape, np.uint8)
array[10:40, 20:80, 20:80] = 1
labels, volume = Volume(array, geometry), Volume(array.astype(np.float32), geometry, "MR")
folder = Path(tempfile.mkdtemp())
for n in range(6):
    if n == 3:
        before = resident_kb()
    content = SceneContent(labels=labels, bones=anatomy.joint("knee").bones, surfaces={}, measurements=[], name="Knee")
    scene.write_scene_files(folder, volume, content)
    assert scene.read_segmentation(folder / "segmentation.seg.nrrd").array.any()
    with scene.open_scene_bundle(folder / "scene.mrb"):
        pass
print(resident_kb() - before, file=sys.stderr)
"""

# Leaves a scene, its nodes and an unfinished context to the interpreter's end.
ABANDONED = """
import numpy as np
from MultiJointSegLib import anatomy
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.pipeline.result import SceneContent
from MultiJointSegSlicer import scene as s

context = s.headless_scene()
scene = context.__enter__()
geometry = Geometry((10, 10, 10))
labels = Volume(np.ones(geometry.array_shape, np.uint8), geometry)
content = SceneContent(labels=labels, bones=anatomy.joint("knee").bones, surfaces={}, measurements=[], name="Knee")
nodes = s.build_scene(scene, labels, content)
"""

needs_slicer = [
    pytest.mark.slicer,
    pytest.mark.skipif(importlib.util.find_spec("slicer") is None, reason="slicer-core is not installed"),
]


def test_without_slicer_there_is_one_sentence_that_says_what_to_install(run_python) -> None:
    done = run_python(WITHOUT_SLICER)
    assert done.returncode == 0, done.stderr
    assert "pip install 'multijointseg[slicer]'" in done.stdout


def test_another_package_named_slicer_is_told_apart(run_python) -> None:
    done = run_python(ANOTHER_SLICER)
    assert done.returncode == 0, done.stderr
    assert "is another one of the same name" in done.stdout


def test_importing_the_package_loads_nothing_heavy(run_python) -> None:
    done = run_python(LIGHT)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("script", [pytest.param(s, marks=needs_slicer) for s in (REPEAT, ABANDONED)])
def test_interpreter_ends_well_says_nothing_and_does_not_grow(run_python, script) -> None:
    done = run_python(script)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    if script is REPEAT:
        # A volume takes 1.5 MB, a label map 0.4 MB; to leak both once per round would be 6 MB.
        assert int(done.stderr) < 4000
    else:
        assert done.stderr == ""
