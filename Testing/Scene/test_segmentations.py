"""Label maps as segmentation nodes."""

# ruff: noqa: E402 - what follows needs slicer-core, or is skipped

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

from MultiJointSegSlicer.scene.coordinates import flip_points, flip_surface
from MultiJointSegSlicer.scene.reading import labels_from_node
from MultiJointSegSlicer.scene.segmentations import CLOSED_SURFACE, add_segmentation_node
from MultiJointSegSlicer.scene.terminology import segment_terminology, terminology_entry
from MultiJointSegSlicer.scene.volumes import add_volume_node

from MultiJointSegLib import anatomy
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.surface.mesh import from_polydata

pytestmark = pytest.mark.slicer


def test_segments_carry_key_name_color_value_and_terminology(a_scene, an_examination) -> None:
    bones = an_examination.bones
    node = add_segmentation_node(a_scene, an_examination.labels, bones, name="Bones", side="left")
    segmentation = node.GetSegmentation()
    assert list(segmentation.GetSegmentIDs()) == [bone.key for bone in bones]
    for bone in bones:
        segment = segmentation.GetSegment(bone.key)
        assert segment.GetName() == bone.name
        assert segment.GetLabelValue() == bone.label
        assert np.rint(np.array(segment.GetColor()) * 255).tolist() == list(bone.color)
        assert segment_terminology(segment) == terminology_entry(bone, "left")
    assert segmentation.GetNumberOfLayers() == 1


@pytest.mark.parametrize("left_handed", [False, True])
def test_masks_come_back_from_the_node(a_scene, make_examination, left_handed) -> None:
    examination = make_examination(angles_deg=(5.0, 6.0, 7.0), left_handed=left_handed)
    labels = examination.labels
    back = labels_from_node(add_segmentation_node(a_scene, labels, examination.bones, name="Bones"))
    assert np.array_equal(back.array, labels.array[::-1] if left_handed else labels.array)
    assert back.geometry.same_grid(labels.geometry) is not left_handed


def test_bone_without_a_voxel_becomes_an_empty_segment(a_scene, an_examination) -> None:
    node = add_segmentation_node(
        a_scene, an_examination.labels, an_examination.bones, name="Bones", surfaces=an_examination.surfaces
    )
    surface = node.GetSegmentation().GetSegment("patella").GetRepresentation(CLOSED_SURFACE)
    assert surface.GetNumberOfPoints() == 0


def test_empty_label_map_makes_empty_segments(a_scene, an_examination) -> None:
    empty = an_examination.labels.with_array(np.zeros_like(an_examination.labels.array))
    node = add_segmentation_node(a_scene, empty, an_examination.bones, name="Bones", surfaces={})
    assert node.GetSegmentation().GetNumberOfSegments() == 4
    assert not labels_from_node(node).array.any()


def test_our_surface_is_shown_and_slicers_where_we_have_none(a_scene, an_examination) -> None:
    surfaces = {"femur": an_examination.surfaces["femur"]}
    node = add_segmentation_node(a_scene, an_examination.labels, an_examination.bones, name="Bones", surfaces=surfaces)
    segmentation = node.GetSegmentation()
    ours = from_polydata(segmentation.GetSegment("femur").GetRepresentation(CLOSED_SURFACE))
    assert np.allclose(ours.points_mm, flip_points(surfaces["femur"].points_mm), atol=1e-5)
    assert np.array_equal(ours.triangles, surfaces["femur"].triangles)
    tibia = from_polydata(segmentation.GetSegment("tibia").GetRepresentation(CLOSED_SURFACE))
    voxels = np.count_nonzero(an_examination.labels.array == anatomy.bone("tibia").label)
    truth_mm3 = voxels * an_examination.labels.geometry.voxel_volume_mm3
    assert flip_surface(tibia).volume_mm3 == pytest.approx(truth_mm3, rel=0.1)


def test_surfaces_of_a_left_handed_examination_are_not_inside_out(a_scene, make_examination) -> None:
    examination = make_examination(left_handed=True)
    node = add_segmentation_node(a_scene, examination.labels, examination.bones, name="Bones", surfaces={})
    femur = from_polydata(node.GetSegmentation().GetSegment("femur").GetRepresentation(CLOSED_SURFACE))
    assert femur.volume_mm3 > 0


def test_edited_mask_replaces_our_surface(a_scene, an_examination) -> None:
    node = add_segmentation_node(
        a_scene, an_examination.labels, an_examination.bones, name="Bones", surfaces=an_examination.surfaces
    )
    mask = slicer.vtkOrientedImageData()
    assert node.GetBinaryLabelmapRepresentation("tibia", mask)
    slicer.vtkSlicerSegmentationsModuleLogic.SetBinaryLabelmapToSegment(mask, node, "femur")
    femur = from_polydata(node.GetSegmentation().GetSegment("femur").GetRepresentation(CLOSED_SURFACE))
    assert len(femur.points_mm) != len(an_examination.surfaces["femur"].points_mm)


def test_reference_geometry_is_the_whole_volume(a_scene, an_examination) -> None:
    volume_node = add_volume_node(a_scene, an_examination.volume, name="MRI")
    node = add_segmentation_node(
        a_scene, an_examination.labels, an_examination.bones, name="Bones", volume_node=volume_node
    )
    assert node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole()) is volume_node
    assert labels_from_node(node).geometry.same_grid(an_examination.volume.geometry)


def test_value_of_no_bone_is_refused_and_nothing_is_added(a_scene, an_examination) -> None:
    before = a_scene.GetNumberOfNodes()
    with pytest.raises(InputError, match=r"values \[1, 3\] that belong to none of the bones \(Humerus 7"):
        add_segmentation_node(
            a_scene,
            an_examination.labels.with_array(
                np.where(an_examination.labels.array == 2, 7, an_examination.labels.array)
            ),
            anatomy.joint("shoulder").bones,
            name="Bones",
        )
    assert a_scene.GetNumberOfNodes() == before


def test_bone_given_twice_is_refused(a_scene, an_examination) -> None:
    with pytest.raises(InputError, match="given twice"):
        add_segmentation_node(a_scene, an_examination.labels, [anatomy.bone("femur")] * 2, name="Bones")


def test_fractions_are_refused(a_scene, an_examination) -> None:
    fractions = an_examination.labels.with_array(an_examination.labels.array.astype(np.float32))
    with pytest.raises(InputError, match="float32"):
        add_segmentation_node(a_scene, fractions, an_examination.bones, name="Bones")


@pytest.mark.parametrize("dtype", [np.int16, np.int64, np.uint16])
def test_label_maps_of_other_integer_types_work(a_scene, an_examination, dtype) -> None:
    labels = an_examination.labels.with_array(an_examination.labels.array.astype(dtype))
    node = add_segmentation_node(a_scene, labels, an_examination.bones, name="Bones")
    assert np.array_equal(labels_from_node(node).array, an_examination.labels.array)
