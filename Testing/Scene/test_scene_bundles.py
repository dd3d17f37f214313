"""Scene bundles: written, and loaded back in a fresh process with the same content."""

# ruff: noqa: E402 - what follows needs slicer-core, or is skipped

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

from MultiJointSegSlicer.scene import (
    find_results,
    open_scene_bundle,
    read_segmentation,
    volume_from_node,
    write_scene_bundle,
    write_scene_files,
    write_segmentation,
)
from MultiJointSegSlicer.scene.coordinates import flip_points
from MultiJointSegSlicer.scene.terminology import terminology_entry

from MultiJointSegLib.errors import CancelledError, InputError, MultiJointSegError

pytestmark = pytest.mark.slicer

# Reads a bundle with nothing but Slicer's own classes and prints what it holds.
DUMP = """
import json, sys, tempfile
import numpy as np
import slicer
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonCore import reference
from vtkmodules.vtkCommonMath import vtkMatrix4x4

path, arrays = sys.argv[1:]
scene = slicer.vtkMRMLScene()
application = slicer.vtkMRMLApplicationLogic(); application.SetMRMLScene(scene)
segmentations = slicer.vtkSlicerSegmentationsModuleLogic()
segmentations.SetMRMLApplicationLogic(application); segmentations.SetMRMLScene(scene)
markups = slicer.vtkSlicerMarkupsLogic(); markups.SetMRMLApplicationLogic(application); markups.SetMRMLScene(scene)
remote = slicer.vtkMRMLRemoteIOLogic(); remote.SetMRMLScene(scene)
remote.GetCacheManager().SetRemoteCacheDirectory(tempfile.mkdtemp())
data = slicer.vtkDataIOManagerLogic(); data.SetMRMLApplicationLogic(application)
data.SetAndObserveDataIOManager(remote.GetDataIOManager()); remote.AddDataIOToScene()
assert scene.ReadFromMRB(path)

def nodes(kind):
    return [scene.GetNthNodeByClass(n, kind) for n in range(scene.GetNumberOfNodesByClass(kind))]

volume, = nodes("vtkMRMLScalarVolumeNode")
matrix = vtkMatrix4x4(); volume.GetIJKToRASMatrix(matrix)
i, j, k = volume.GetImageData().GetDimensions()
segmentation_node, = nodes("vtkMRMLSegmentationNode")
segmentation = segmentation_node.GetSegmentation()
store = {"volume": vtk_to_numpy(volume.GetImageData().GetPointData().GetScalars()).reshape(k, j, i)}
segments = []
for segment_id in segmentation.GetSegmentIDs():
    segment = segmentation.GetSegment(segment_id)
    tag = reference(""); segment.GetTag("TerminologyEntry", tag)
    surface = segment.GetRepresentation("Closed surface")
    segments.append([segment_id, segment.GetName(), segment.GetColor(), str(tag), segment.GetLabelValue(),
                     surface is not None])
models = {}
for model in nodes("vtkMRMLModelNode"):
    store["model " + model.GetName()] = vtk_to_numpy(model.GetPolyData().GetPoints().GetData())
    models[model.GetName()] = [model.GetDisplayNode().GetColor(), model.GetPolyData().GetNumberOfPolys()]
table_node, = nodes("vtkMRMLTableNode")
table = table_node.GetTable()
hierarchy = scene.GetSubjectHierarchyNode()
parents = {}
for node in nodes("vtkMRMLStorableNode"):
    item = hierarchy.GetItemByDataNode(node)
    if item:
        parents[node.GetName() + "/" + node.GetClassName()] = hierarchy.GetItemName(hierarchy.GetItemParent(item))
np.savez(arrays, **store)
print(json.dumps({
    "volume": volume.GetName(),
    "ijk_to_ras": [matrix.GetElement(r, c) for r in range(4) for c in range(4)],
    "segments": segments,
    "reference": segmentation_node.GetNodeReferenceID("referenceImageGeometryRef") == volume.GetID(),
    "models": models,
    "table": [[table.GetValue(r, c).ToString() for c in range(table.GetNumberOfColumns())]
              for r in range(table.GetNumberOfRows())],
    "tooltip": table_node.GetColumnDescription("Value"),
    "value type": table_node.GetTable().GetColumnByName("Value").GetDataTypeAsString(),
    "parents": parents,
    "markups": {m.GetName(): [list(m.GetNthControlPointPosition(n)) for n in range(m.GetNumberOfControlPoints())]
                for m in nodes("vtkMRMLMarkupsNode")},
    "version": scene.GetLastLoadedVersion(),
}))
"""


@pytest.mark.parametrize("left_handed", [False, True])
def test_fresh_process_loads_equal_content(tmp_path, make_examination, run_python, left_handed) -> None:
    examination = make_examination(angles_deg=(8.0, -12.0, 20.0), left_handed=left_handed)
    path, arrays = tmp_path / "scene.mrb", tmp_path / "arrays.npz"
    write_scene_bundle(path, examination.volume, examination.content(side="right"))
    done = run_python(DUMP, path, arrays)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    content, stored = json.loads(done.stdout), np.load(arrays)

    volume, geometry = examination.volume, examination.volume.geometry
    assert content["volume"] == examination.name
    assert stored["volume"].dtype == volume.array.dtype
    matrix = np.array(content["ijk_to_ras"]).reshape(4, 4)
    # Every voxel has its value at its place, whatever the order of the slices.
    index = np.argwhere(np.ones_like(stored["volume"], bool))[:, ::-1]
    places = flip_points(index @ matrix[:3, :3].T + matrix[:3, 3])
    original = np.rint(geometry.point_to_index(places))
    assert np.abs(geometry.point_to_index(places) - original).max() < 1e-4
    i, j, k = original.astype(int).T
    assert np.array_equal(stored["volume"].ravel(), volume.array[k, j, i])
    assert np.linalg.det(matrix[:3, :3]) > 0

    assert content["segments"] == [
        [
            bone.key,
            bone.name,
            pytest.approx([c / 255 for c in bone.color], abs=1e-5),
            terminology_entry(bone, "right"),
            bone.label,
            True,
        ]
        for bone in examination.bones
    ]
    assert content["reference"]

    for key, surface in examination.surfaces.items():
        name = key.capitalize()
        assert np.allclose(stored[f"model {name}"], flip_points(surface.points_mm), atol=1e-5)
        assert content["models"][name][1] == len(surface.triangles)

    assert [row[-1] for row in content["table"]] == [m.key for m in examination.measurements]
    assert [row[2] for row in content["table"]] == ["1.23457e+06", "9", "20", "1.5", "nan", "3"]
    assert content["table"][4][5] == "Gap of the joint."
    assert content["tooltip"].startswith("Number in the unit")
    assert content["value type"] == "double"

    name = examination.name
    assert content["parents"][f"{name}/vtkMRMLScalarVolumeNode"] == name
    assert content["parents"][f"{name} bones/vtkMRMLSegmentationNode"] == name
    assert content["parents"][f"{name} measurements/vtkMRMLTableNode"] == name
    assert content["parents"]["Femur/vtkMRMLModelNode"] == f"{name} surfaces"
    assert content["parents"]["Femur - Long axis/vtkMRMLMarkupsLineNode"] == f"{name} measured geometry"

    axis = examination.measurements[2].geometry["axis"]
    assert np.allclose(content["markups"]["Femur - Long axis"], flip_points([axis["start_mm"], axis["end_mm"]]))
    assert content["version"].startswith("Slicer 5.12")


def test_results_are_found_in_a_loaded_bundle(tmp_path, an_examination) -> None:
    path = tmp_path / "scene.mrb"
    write_scene_bundle(path, an_examination.volume, an_examination.content())
    with open_scene_bundle(path) as scene:
        nodes = find_results(scene, scene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode"))
        assert list(nodes.models) == ["femur", "tibia"]
        assert len(nodes.markups) == 5
        assert nodes.table is not None
        assert np.array_equal(volume_from_node(nodes.volume).array, an_examination.volume.array)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_volumes_of_other_types_survive(tmp_path, make_examination, dtype) -> None:
    examination = make_examination(dtype)
    path = tmp_path / "scene.mrb"
    write_scene_bundle(path, examination.volume, examination.content())
    with open_scene_bundle(path) as scene:
        volume = volume_from_node(scene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode"))
        assert volume.array.dtype == dtype
        assert np.array_equal(volume.array, examination.volume.array)
        assert volume.geometry.same_grid(examination.volume.geometry)
        assert volume.modality == "MR"


def test_both_files_of_a_result_are_written_and_nothing_else(tmp_path, an_examination, capfd) -> None:
    write_scene_files(tmp_path, an_examination.volume, an_examination.content())
    assert {path.name for path in tmp_path.iterdir()} == {"scene.mrb", "segmentation.seg.nrrd"}
    assert np.array_equal(read_segmentation(tmp_path / "segmentation.seg.nrrd").array, an_examination.labels.array)
    assert capfd.readouterr() == ("", "")


def test_bundle_holds_relative_paths_only(tmp_path, an_examination) -> None:
    path = tmp_path / "scene.mrb"
    write_scene_bundle(path, an_examination.volume, an_examination.content())
    with zipfile.ZipFile(path) as bundle:
        text = bundle.read("scene/scene.mrml").decode()
        assert str(tmp_path) not in text
        assert "../" not in text
        assert bundle.testzip() is None


def test_names_with_any_characters_and_of_any_length_work(tmp_path, an_examination) -> None:
    path = tmp_path / "膝 of Zoë.mrb"
    name = 'a/b\\c:*?"<>|%~^ \t é 🦴 ' + "long " * 80
    write_scene_bundle(path, an_examination.volume, an_examination.content(name=name))
    with open_scene_bundle(path) as scene:
        assert scene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode").GetName().startswith("a/b\\c:*?")
        assert scene.GetFirstNodeByClass("vtkMRMLSegmentationNode").GetSegmentation().GetNumberOfSegments() == 4


def test_cancelling_writes_nothing(tmp_path, an_examination) -> None:
    class Cancel:
        def report(self, fraction: float, message: str) -> None:
            if fraction >= 0.7:
                raise CancelledError("Cancelled: nothing was written.")

    with pytest.raises(CancelledError):
        write_scene_bundle(tmp_path / "scene.mrb", an_examination.volume, an_examination.content(), progress=Cancel())
    assert list(tmp_path.iterdir()) == []


def test_earlier_bundle_stays_when_the_new_one_fails(tmp_path, an_examination) -> None:
    path = tmp_path / "scene.mrb"
    path.write_text("earlier")
    with pytest.raises(InputError, match="belong to none of the bones"):
        write_scene_bundle(path, an_examination.volume, an_examination.content(bones=an_examination.bones[:1]))
    assert path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_slicers_failure_is_a_sentence_and_leaves_nothing(tmp_path, an_examination, monkeypatch) -> None:
    def with_cache_gone(scene, *_args, **_keywords):
        manager = scene.GetCacheManager() or scene.GetDataIOManager().GetCacheManager()
        manager.SetRemoteCacheDirectory(str(blocked))

    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    monkeypatch.setattr("MultiJointSegSlicer.scene.writing.show_in_views", with_cache_gone)
    with pytest.raises(MultiJointSegError, match="could not be written"):
        write_scene_bundle(tmp_path / "scene.mrb", an_examination.volume, an_examination.content())
    assert list(tmp_path.iterdir()) == [blocked]


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 broken"])
def test_bundle_that_cannot_be_read_is_a_sentence(tmp_path, content) -> None:
    path = tmp_path / "scene.mrb"
    if content is not None:
        path.write_bytes(content)
    with (
        pytest.raises(InputError, match=r"There is no file|could not be read as a scene bundle"),
        open_scene_bundle(path),
    ):
        pass


def test_relative_paths_work_and_the_working_directory_stays(tmp_path, an_examination, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_scene_bundle(Path("scene.mrb"), an_examination.volume, an_examination.content())
    with open_scene_bundle(Path("scene.mrb")) as scene:
        assert scene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode") is not None
    write_segmentation(Path("a.seg.nrrd"), an_examination.labels, an_examination.bones)
    assert read_segmentation(Path("a.seg.nrrd")).array.any()
    Path("broken.mrb").write_bytes(b"PK")
    with pytest.raises(InputError), open_scene_bundle(Path("broken.mrb")):
        pass
    assert Path.cwd() == tmp_path


def test_loaded_bundle_shows_the_measured_surfaces_in_3d_and_the_masks_in_slices(tmp_path, an_examination) -> None:
    path = tmp_path / "scene.mrb"
    write_scene_bundle(path, an_examination.volume, an_examination.content())
    with open_scene_bundle(path) as scene:
        nodes = find_results(scene, scene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode"))
        assert all(model.GetDisplayNode().GetVisibility() for model in nodes.models.values())
        assert not any(model.GetDisplayNode().GetVisibility2D() for model in nodes.models.values())
        display = nodes.segmentation.GetDisplayNode()
        assert (display.GetVisibility(), display.GetVisibility3D()) == (1, 0)
        assert all(display.GetSegmentVisibility2DFill(key) for key in ("femur", "tibia", "fibula", "patella"))


def test_bundles_loaded_into_one_scene_keep_their_results_apart(tmp_path, an_examination, a_scene) -> None:
    paths = [tmp_path / "first.mrb", tmp_path / "second.mrb"]
    for path in paths:
        write_scene_bundle(path, an_examination.volume, an_examination.content(name=path.stem))
        assert a_scene.ReadFromMRB(str(path))
    results = [find_results(a_scene, a_scene.GetFirstNodeByName(path.stem)) for path in paths]
    assert [nodes.segmentation.GetName() for nodes in results] == ["first bones", "second bones"]
    for nodes in results:
        assert len(nodes.results()) == 9
        assert nodes.segmentation.GetNodeReference("referenceImageGeometryRef") is nodes.volume
    assert not set(map(id, results[0].results())) & set(map(id, results[1].results()))


def test_review_and_doubt_are_in_the_bundle(tmp_path, an_examination) -> None:
    from MultiJointSegSlicer.review import REVIEW_ATTRIBUTE, RUN_ATTRIBUTE, Review
    from MultiJointSegSlicer.scene import find_results

    slices = an_examination.labels.array.shape[0]
    run = {
        "joint": "knee",
        "joint_given": True,
        "detection": {"confidence": 0.9},
        "bone_confidence": {"femur": 0.9},
        "slice_axis": 0,
        "slice_uncertainty": {"femur": [0.0] * (slices - 1) + [0.5]},
        "warnings": ["Look at it."],
        "device": {"device": "cpu", "runtime": "torch"},
        "total_s": 12.5,
    }
    doubt = an_examination.labels.with_array(30 * (an_examination.labels.array > 0))
    path = tmp_path / "scene.mrb"
    write_scene_bundle(path, an_examination.volume, an_examination.content(run=run, uncertainty=doubt))
    with open_scene_bundle(path) as scene:
        node = scene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
        review = Review.from_json(node.GetAttribute(REVIEW_ATTRIBUTE))
        assert (review.joint, review.warnings, review.slices[0].number) == ("knee", ("Look at it.",), slices)
        assert json.loads(node.GetAttribute(RUN_ATTRIBUTE)) == run
        nodes = find_results(scene, node.GetNodeReference("MultiJointSeg.volume"))
        assert nodes.uncertainty.GetImageData().GetScalarRange() == (0, 30)
