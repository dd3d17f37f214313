"""Edits that a person makes: masks and markups, with what follows from them, through scene files."""

import importlib.util
from datetime import datetime

import numpy as np
import pytest

pytestmark = [
    pytest.mark.slicer,
    pytest.mark.skipif(importlib.util.find_spec("slicer") is None, reason="slicer-core is not installed"),
]

NOW = datetime(2026, 3, 4, 15, 30)


class HandTimer:
    """A timer that goes off when told."""

    def __init__(self) -> None:
        from MultiJointSegSlicer.job.signal import Signal

        self.timeout = Signal()
        self.running = False

    def start(self, interval_ms: int) -> None:
        self.running = True

    def stop(self) -> None:
        self.running = False

    def go_off(self) -> None:
        if self.running:
            self.timeout.emit()


@pytest.fixture
def built(a_scene, an_examination):
    from MultiJointSegSlicer.scene import build_scene

    return build_scene(a_scene, an_examination.volume, an_examination.content())


def edit(node, segment_id: str, *, value: int = 0) -> None:
    """Change half of a segment's mask, as Slicer's own logic writes it."""
    import slicer
    from MultiJointSegSlicer.scene.volumes import image_array

    image = slicer.vtkOrientedImageData()
    node.GetBinaryLabelmapRepresentation(segment_id, image)
    array = image_array(image)
    array[:, :, : array.shape[2] // 2] = value
    slicer.vtkSlicerSegmentationsModuleLogic.SetBinaryLabelmapToSegment(image, node, segment_id)


@pytest.fixture
def a_watch(built):
    from MultiJointSegSlicer.scene.watching import SegmentationWatch

    timer = HandTimer()
    watch = SegmentationWatch(timer)
    watch.watch(built.segmentation)
    told: list[set[str]] = []
    watch.edited.connect(told.append)
    watch.timer, watch.told = timer, told
    return watch


def test_an_edit_is_told_once_the_person_pauses_with_the_bone(built, a_watch) -> None:
    edit(built.segmentation, "femur")
    assert a_watch.told == []
    a_watch.timer.go_off()
    assert a_watch.told == [{"femur"}]
    assert not a_watch.timer.running


def test_colors_surfaces_and_undone_strokes_are_no_edits(built, a_watch) -> None:
    segmentation = built.segmentation.GetSegmentation()
    segmentation.GetSegment("femur").SetColor(1, 0, 0)
    built.segmentation.RemoveClosedSurfaceRepresentation()
    built.segmentation.CreateClosedSurfaceRepresentation()
    assert not a_watch.timer.running
    before = edit_and_undo(built.segmentation, "tibia")
    a_watch.timer.go_off()
    assert a_watch.told == []
    assert before


def edit_and_undo(node, segment_id: str) -> bool:
    import slicer

    image = slicer.vtkOrientedImageData()
    node.GetBinaryLabelmapRepresentation(segment_id, image)
    edit(node, segment_id)
    slicer.vtkSlicerSegmentationsModuleLogic.SetBinaryLabelmapToSegment(image, node, segment_id)
    return True


def test_removed_and_added_segments_are_edits_and_the_old_node_is_let_go(a_scene, built, a_watch) -> None:
    built.segmentation.GetSegmentation().RemoveSegment("fibula")
    a_watch.timer.go_off()
    assert a_watch.told == [{"fibula"}]
    a_watch.watch(None)
    edit(built.segmentation, "femur")
    assert not a_watch.timer.running


def test_labels_after_an_edit_are_those_of_the_masks(built, an_examination) -> None:
    from MultiJointSegSlicer.scene.reading import labels_from_node

    from MultiJointSegLib import anatomy

    edit(built.segmentation, "femur")
    labels = labels_from_node(built.segmentation)
    femur, tibia = (anatomy.bone(key).label for key in ("femur", "tibia"))
    before = an_examination.labels.array
    assert 0 < np.count_nonzero(labels.array == femur) < np.count_nonzero(before == femur)
    assert np.array_equal(labels.array == tibia, before == tibia)
    assert labels.geometry.same_grid(an_examination.labels.geometry)


def test_acceptance_holds_until_an_edit_and_says_when(built) -> None:
    from MultiJointSegSlicer.acceptance import accept, acceptance_of, withdraw_if_edited

    node = built.segmentation
    assert acceptance_of(node) is None
    assert withdraw_if_edited(node, now=NOW) is None
    accept(node, by="  Zoë   Müller ", now=NOW)
    assert acceptance_of(node).sentence() == "Accepted by Zoë Müller on 2026-03-04 15:30."
    assert withdraw_if_edited(node, now=NOW).valid
    edit(node, "tibia")
    later = NOW.replace(hour=16)
    assert (
        "Edited on 2026-03-04 16:30: the acceptance by Zoë Müller of" in withdraw_if_edited(node, now=later).sentence()
    )
    assert not acceptance_of(node).valid
    accept(node, by="", now=later)
    assert acceptance_of(node).sentence() == "Accepted on 2026-03-04 16:30."


@pytest.mark.parametrize("edited", [False, True])
def test_acceptance_and_fingerprints_survive_a_scene_file(a_scene, built, tmp_path, edited: bool) -> None:
    from MultiJointSegSlicer.acceptance import accept, acceptance_of, withdraw_if_edited
    from MultiJointSegSlicer.scene import open_scene_bundle
    from MultiJointSegSlicer.scene.watching import edited_since_measured

    accept(built.segmentation, by="Zoë", now=NOW)
    if edited:
        edit(built.segmentation, "femur")
    path = tmp_path / "scene.mrb"
    assert a_scene.WriteToMRB(str(path), None)
    with open_scene_bundle(path) as scene:
        node = scene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
        assert edited_since_measured(node) == ({"femur"} if edited else set())
        assert acceptance_of(node).valid
        assert withdraw_if_edited(node, now=NOW).valid is not edited


def markup(nodes, key: str):
    return next(
        n for n in nodes.markups if key in (n.GetAttribute("MultiJointSeg.shown") or "") and n.IsA("vtkMRMLMarkupsNode")
    )


def row(table_node, key: str) -> tuple[float, str]:
    table = table_node.GetTable()
    keys = table.GetColumnByName("Key")
    index = next(n for n in range(table.GetNumberOfRows()) if keys.GetValue(n) == key)
    return table.GetValueByName(index, "Value").ToDouble(), table.GetValueByName(index, "Note").ToString()


def test_moving_a_markup_updates_its_number(built) -> None:
    from MultiJointSegSlicer.scene.moving import MarkupWatch, was_moved

    watch = MarkupWatch()
    watch.watch(built.markups, built.table)
    moved: list[set[str]] = []
    watch.moved.connect(moved.append)
    line = markup(built, "femur_length")
    start = np.array(line.GetNthControlPointPosition(0))
    line.SetNthControlPointPosition(1, *(start + (0, 0, 33.0)).tolist())
    value, note = row(built.table, "femur_length")
    assert value == pytest.approx(33.0)
    assert note == "Set by hand: its geometry was moved."
    # The tilt is shown by the same line, but does not follow from it alone.
    value, note = row(built.table, "femur_tilt")
    assert value == 1.5
    assert "moved by hand, but the value is that of the surface" in note
    assert moved[-1] == {"femur_length", "femur_tilt"}
    assert was_moved(line)


def test_moving_a_diameter_moves_the_sphere(built) -> None:
    from MultiJointSegSlicer.scene.moving import MarkupWatch

    watch = MarkupWatch()
    watch.watch(built.markups, built.table)
    diameter = markup(built, "femur_head")
    ball = next(n for n in built.markups if n.IsA("vtkMRMLModelNode"))
    diameter.SetNthControlPointPosition(0, 0.0, 0.0, 0.0)
    diameter.SetNthControlPointPosition(1, 12.0, 0.0, 0.0)
    assert row(built.table, "femur_head")[0] == pytest.approx(12.0)
    assert np.allclose(ball.GetPolyData().GetBounds()[:2], (0, 12), atol=0.1)
    watch.watch((), None)
    diameter.SetNthControlPointPosition(1, 20.0, 0.0, 0.0)
    assert row(built.table, "femur_head")[0] == pytest.approx(12.0)


def test_relations_are_found_by_their_value() -> None:
    from MultiJointSegSlicer.scene.relations import relation_of, value_of

    from MultiJointSegLib.morphology.measurement import Measurement, line, plane, point

    def measurement(value, unit, **geometry):
        return Measurement("key", "Name", "femur", value, unit, "Definition.", geometry=geometry)

    a, b = line((0, 0, 0), (0, 0, 10)), line((0, 0, 0), (5, 0, 5))
    assert relation_of(measurement(45.0, "deg", a=a, b=b)) == "angle"
    assert relation_of(measurement(135.0, "deg", a=a, b=b)) == "supplement"
    assert relation_of(measurement(10 / 50**0.5, "1", a=a, b=b)) == "ratio"
    assert relation_of(measurement(5.0, "mm", a=point((0, 0, 0)), b=point((3, 4, 0)))) == "distance"
    assert (
        relation_of(measurement(90.0, "deg", a=plane((0, 0, 0), (0, 0, 1)), b=plane((0, 0, 0), (1, 0, 0)))) == "angle"
    )
    assert relation_of(measurement(44.0, "deg", a=a, b=b)) == ""
    assert relation_of(measurement(10.0, "mm2", a=a)) == ""
    assert value_of("angle", [a]) is None
    assert value_of("angle", [a, line((0, 0, 0), (0, 0, 0))]) is None


def test_editor_lets_bones_overlap_also_after_the_scene_was_closed_unless_a_person_chose_otherwise(a_scene) -> None:
    from MultiJointSegSlicer.scene.editing import editor_parameters

    node = editor_parameters(a_scene)
    node.SetOverwriteMode(node.OverwriteVisibleSegments)
    assert editor_parameters(a_scene).GetOverwriteMode() == node.OverwriteVisibleSegments
    a_scene.Clear(False)
    assert editor_parameters(a_scene).GetOverwriteMode() == node.OverwriteNone
