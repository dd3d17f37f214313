"""Segmentation files: ours, and those that people make in Slicer."""

# ruff: noqa: E402 - what follows needs slicer-core, or is skipped

import contextlib
import shutil

import numpy as np
import pytest
import SimpleITK as sitk

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

from MultiJointSegSlicer.scene import headless_scene, read_segmentation, write_segmentation
from MultiJointSegSlicer.scene.terminology import segment_terminology, terminology_entry
from MultiJointSegSlicer.scene.volumes import oriented_image

from MultiJointSegLib import anatomy
from MultiJointSegLib.errors import InputError, MultiJointSegError
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume

pytestmark = pytest.mark.slicer


def box(geometry: Geometry, k: slice, j: slice, i: slice) -> Volume:
    array = np.zeros(geometry.array_shape, np.uint8)
    array[k, j, i] = 1
    return Volume(array, geometry)


def save(path, masks: dict[str, Volume], *, reference: Volume | None = None, crop: bool = False) -> None:
    """Save a segmentation as a person in Slicer would: random IDs, one layer per mask."""
    with headless_scene() as scene:
        node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Segmentation")
        for name, mask in masks.items():
            node.AddSegmentFromBinaryLabelmapRepresentation(oriented_image(mask), name, (0.5, 0.5, 0.5))
        if reference is not None:
            converter = slicer.vtkSegmentationConverter
            text = converter.SerializeImageGeometry(oriented_image(reference))
            node.GetSegmentation().SetConversionParameter(converter.GetReferenceImageGeometryParameterName(), text)
        storage = scene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
        storage.SetCropToMinimumExtent(crop)
        storage.SetFileName(str(path))
        assert storage.WriteData(node)


@pytest.fixture
def written(tmp_path, an_examination):
    path = tmp_path / "segmentation.seg.nrrd"
    write_segmentation(path, an_examination.labels, an_examination.bones, side="right")
    return path


def test_slicer_reads_back_ids_names_colors_and_terminology(written, an_examination) -> None:
    with headless_scene() as scene:
        node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
        storage = scene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
        storage.SetFileName(str(written))
        assert storage.ReadData(node)
        segmentation = node.GetSegmentation()
        assert list(segmentation.GetSegmentIDs()) == [bone.key for bone in an_examination.bones]
        for bone in an_examination.bones:
            segment = segmentation.GetSegment(bone.key)
            assert (segment.GetName(), segment.GetLabelValue()) == (bone.name, bone.label)
            assert np.rint(np.array(segment.GetColor()) * 255).tolist() == list(bone.color)
            assert segment_terminology(segment) == terminology_entry(bone, "right")


def test_label_map_is_read_back_whole(written, an_examination) -> None:
    back = read_segmentation(written)
    assert np.array_equal(back.array, an_examination.labels.array)
    assert back.array.dtype == np.uint8
    assert back.geometry.same_grid(an_examination.labels.geometry)
    assert back.metadata["side"] == "right"
    assert back.metadata["left_out"] == []
    assert back.metadata["overlapping_voxels"] == 0


def test_other_programs_see_a_plain_label_map(written, an_examination) -> None:
    image = sitk.ReadImage(str(written))
    assert np.array_equal(sitk.GetArrayFromImage(image), an_examination.labels.array)
    assert image.GetOrigin() == pytest.approx(an_examination.labels.geometry.origin_mm, abs=1e-4)
    assert image.GetSpacing() == pytest.approx(an_examination.labels.geometry.spacing_mm, abs=1e-6)


def test_left_handed_label_map_keeps_every_voxel_in_its_place(tmp_path, make_examination) -> None:
    examination = make_examination(left_handed=True, angles_deg=(3.0, 2.0, 1.0))
    path = tmp_path / "a.seg.nrrd"
    write_segmentation(path, examination.labels, examination.bones)
    back = read_segmentation(path)
    assert np.array_equal(back.array, examination.labels.array[::-1])
    first = back.geometry.index_to_point(np.zeros(3))
    last_slice = (0, 0, examination.labels.geometry.size[2] - 1)
    assert first == pytest.approx(examination.labels.geometry.index_to_point(np.array(last_slice)), abs=1e-4)


def test_empty_segmentation_survives(tmp_path, an_examination) -> None:
    empty = an_examination.labels.with_array(np.zeros_like(an_examination.labels.array))
    path = tmp_path / "empty.seg.nrrd"
    write_segmentation(path, empty, an_examination.bones)
    back = read_segmentation(path)
    assert not back.array.any()
    assert back.geometry.same_grid(empty.geometry)


def test_existing_file_is_replaced_and_nothing_else_stays(written, an_examination) -> None:
    write_segmentation(written, an_examination.labels, an_examination.bones[:4], side="left")
    assert read_segmentation(written).metadata["side"] == "left"
    assert list(written.parent.iterdir()) == [written]


def test_names_in_any_case_and_other_segments_are_sorted_out(tmp_path) -> None:
    geometry = Geometry((12, 11, 10), (1.0, 1.5, 2.0))
    masks = {
        "TIBIA": box(geometry, slice(0, 3), slice(2, 8), slice(2, 8)),
        "left femur": box(geometry, slice(5, 9), slice(2, 8), slice(2, 8)),
        "Tumor": box(geometry, slice(4, 5), slice(0, 2), slice(0, 2)),
    }
    path = tmp_path / "hand.seg.nrrd"
    save(path, masks, reference=masks["TIBIA"])
    back = read_segmentation(path)
    assert back.metadata["segments"] == {"tibia": "TIBIA", "femur": "left femur"}
    assert back.metadata["left_out"] == ["Tumor"]
    assert back.metadata["side"] == "left"
    assert set(np.unique(back.array)) == {0, 1, 2}
    assert np.array_equal(back.array == 1, masks["left femur"].array == 1)


def test_where_segments_overlap_the_later_one_wins(tmp_path) -> None:
    geometry = Geometry((12, 11, 10))
    masks = {
        "Femur": box(geometry, slice(2, 7), slice(2, 8), slice(2, 8)),
        "Tibia": box(geometry, slice(5, 9), slice(2, 8), slice(2, 8)),
    }
    path = tmp_path / "overlap.seg.nrrd"
    save(path, masks, reference=masks["Femur"])
    back = read_segmentation(path)
    assert np.array_equal(back.array == 2, masks["Tibia"].array == 1)
    assert back.metadata["overlapping_voxels"] == 2 * 6 * 6


@pytest.mark.parametrize("with_reference", [True, False])
def test_cropped_file_keeps_the_voxels_in_place(tmp_path, with_reference, make_examination) -> None:
    geometry = make_examination(angles_deg=(20.0, 10.0, 0.0)).labels.geometry
    mask = box(geometry, slice(4, 7), slice(6, 9), slice(10, 15))
    path = tmp_path / "crop.seg.nrrd"
    save(path, {"Talus": mask}, reference=mask if with_reference else None, crop=True)
    back = read_segmentation(path)
    found = back.geometry.index_to_point(np.argwhere(back.array)[:, ::-1])
    drawn = geometry.index_to_point(np.argwhere(mask.array)[:, ::-1])
    assert found == pytest.approx(drawn, abs=1e-4)
    assert back.geometry.same_grid(geometry) is with_reference


def test_voxels_painted_beyond_the_volume_are_kept(tmp_path) -> None:
    volume = Volume(np.zeros((6, 6, 6), np.uint8), Geometry((6, 6, 6)))
    beyond = box(Geometry((6, 6, 10)), slice(2, 9), slice(1, 5), slice(1, 5))
    path = tmp_path / "beyond.seg.nrrd"
    save(path, {"Patella": beyond}, reference=volume)
    assert np.count_nonzero(read_segmentation(path).array) == np.count_nonzero(beyond.array)


def test_segments_on_grids_of_their_own_are_brought_together(tmp_path) -> None:
    coarse = box(Geometry((10, 10, 10), (2.0, 2.0, 2.0)), slice(1, 4), slice(2, 8), slice(2, 8))
    fine = box(Geometry((20, 20, 20), (1.0, 1.0, 1.0), (-0.5, -0.5, -0.5)), slice(10, 16), slice(4, 16), slice(4, 16))
    path = tmp_path / "grids.seg.nrrd"
    save(path, {"Humerus": fine, "Scapula": coarse}, reference=fine)
    back = read_segmentation(path)
    volume_mm3 = back.geometry.voxel_volume_mm3
    assert np.count_nonzero(back.array == 7) * volume_mm3 == np.count_nonzero(fine.array)
    assert np.count_nonzero(back.array == 8) * volume_mm3 == 8 * np.count_nonzero(coarse.array)


def test_no_bone_among_the_segments_is_one_clear_sentence(tmp_path) -> None:
    mask = box(Geometry((5, 5, 5)), slice(1, 3), slice(1, 3), slice(1, 3))
    path = tmp_path / "liver.seg.nrrd"
    save(path, {"Liver": mask, "Segment_2": mask})
    with pytest.raises(InputError, match=r"None of the segments \('Liver', 'Segment_2'\) is named as a bone; rename"):
        read_segmentation(path)


def test_only_the_bones_asked_for_are_looked_for(written) -> None:
    back = read_segmentation(written, bones=[anatomy.bone("tibia")])
    assert set(np.unique(back.array)) == {0, 2}


@pytest.mark.parametrize("content", [b"", b"NRRD0004\n", b"no image at all"])
def test_damaged_file_is_one_clear_sentence(tmp_path, content, capfd) -> None:
    path = tmp_path / "damaged.seg.nrrd"
    path.write_bytes(content)
    with pytest.raises(InputError, match="could not be read as a segmentation"):
        read_segmentation(path)
    assert capfd.readouterr().out == ""


def test_truncated_file_is_one_clear_sentence(written, capfd) -> None:
    written.write_bytes(written.read_bytes()[:-60])
    with pytest.raises(InputError, match="could not be read as a segmentation"):
        read_segmentation(written)
    assert capfd.readouterr().out == ""


def test_missing_file_is_one_clear_sentence(tmp_path) -> None:
    with pytest.raises(InputError, match="There is no file"):
        read_segmentation(tmp_path / "none.seg.nrrd")


def test_non_ascii_names_work(tmp_path, an_examination) -> None:
    path = tmp_path / "Kniegelenk Zoë 膝 🦴" / "größe ß.seg.nrrd"
    path.parent.mkdir()
    write_segmentation(path, an_examination.labels, an_examination.bones)
    assert np.array_equal(read_segmentation(path).array, an_examination.labels.array)


def test_long_paths_work_and_too_long_ones_are_refused(tmp_path, an_examination) -> None:
    folder = tmp_path
    while len(str(folder)) < 900:
        folder = folder / ("long folder name " * 5).strip()
    folder.mkdir(parents=True)
    path = folder / ("a" * 200 + ".seg.nrrd")
    write_segmentation(path, an_examination.labels, an_examination.bones)
    assert np.array_equal(read_segmentation(path).array, an_examination.labels.array)
    with pytest.raises(InputError, match="cannot be written"):
        write_segmentation(folder / ("a" * 300 + ".seg.nrrd"), an_examination.labels, an_examination.bones)
    assert list(folder.iterdir()) == [path]


def test_folder_that_cannot_be_written_to_is_refused(tmp_path, an_examination, monkeypatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    for path in (blocked / "a.seg.nrrd", tmp_path / "missing" / "a.seg.nrrd"):
        with pytest.raises(InputError, match=r"cannot be written \(.*\); choose a folder that exists"):
            write_segmentation(path, an_examination.labels, an_examination.bones)

    def refuse(*_args, **_keywords):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    with pytest.raises(InputError, match=r"cannot be written \(Permission denied\)"):
        write_segmentation(tmp_path / "a.seg.nrrd", an_examination.labels, an_examination.bones)


def test_other_suffix_is_refused(tmp_path, an_examination) -> None:
    with pytest.raises(InputError, match=r"must end with '.seg.nrrd'"):
        write_segmentation(tmp_path / "a.nrrd", an_examination.labels, an_examination.bones)


def test_failing_writer_leaves_nothing(tmp_path, an_examination, monkeypatch) -> None:
    @contextlib.contextmanager
    def with_folder_gone():
        shutil.rmtree(next(tmp_path.iterdir()))
        yield

    monkeypatch.setattr("MultiJointSegSlicer.scene.writing.without_vtk_messages", with_folder_gone)
    with pytest.raises(MultiJointSegError, match="could not be written"):
        write_segmentation(tmp_path / "a.seg.nrrd", an_examination.labels, an_examination.bones)
    assert list(tmp_path.iterdir()) == []
