"""A result whose masks were edited: new surfaces and measurements in the nodes that are there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from MultiJointSegLib.anatomy.catalog import Bone
from MultiJointSegLib.morphology.measurement import Measurement
from MultiJointSegLib.surface.mesh import Surface
from MultiJointSegSlicer.scene import hierarchy
from MultiJointSegSlicer.scene.markups import SharedGeometry, add_geometry_nodes, shared_geometry
from MultiJointSegSlicer.scene.models import add_model_node, ras_polydata
from MultiJointSegSlicer.scene.moving import measurements_shown_by, was_moved
from MultiJointSegSlicer.scene.mrml import Node, Scene, is_in_scene
from MultiJointSegSlicer.scene.nodes import SceneNodes, mark_as_result, remove_nodes
from MultiJointSegSlicer.scene.segmentations import CLOSED_SURFACE
from MultiJointSegSlicer.scene.tables import fill_table_node, kept_rows, set_value


def updating_results(
    scene: Scene,
    nodes: SceneNodes,
    *,
    bones: Sequence[Bone],
    surfaces: Mapping[str, Surface],
    gone: set[str],
    measurements: Sequence[Measurement],
    keep_moved: bool = True,
) -> Iterator[None]:
    """Bring the nodes of a result up to date, in steps between which a window can work.

    Parameters
    ----------
    nodes
        The result; its segmentation holds the edited masks and is not changed but for its closed surfaces.
    bones
        Bones of the joint.
    surfaces
        New surfaces by bone key, LPS mm; the others stay.
    gone
        Keys of bones that have no voxel any more.
    measurements
        All measurements of the joint.
    keep_moved
        Keep the markups that a person moved, and the values they gave.
    """
    for bone in bones:
        if bone.key in surfaces:
            _update_surface(scene, nodes, bone, surfaces[bone.key])
            yield
    remove_nodes(scene, [nodes.models[key] for key in gone if key in nodes.models])
    moved = [node for node in nodes.markups if is_in_scene(scene, node) and was_moved(node)] if keep_moved else []
    if nodes.table is not None and is_in_scene(scene, nodes.table):
        rows = kept_rows(nodes.table, {key for node in moved for key in measurements_shown_by(node)})
        fill_table_node(nodes.table, measurements)
        for key, (value, note) in rows.items():
            set_value(nodes.table, key, value, note)
    yield
    yield from _update_markups(scene, nodes, shared_geometry(measurements), moved)


def _update_surface(scene: Scene, nodes: SceneNodes, bone: Bone, surface: Surface) -> None:
    polydata = ras_polydata(surface)
    segmentation = nodes.segmentation.GetSegmentation()
    segment = segmentation.GetSegment(bone.key)
    # A segmentation whose surfaces the person switched off gets none.
    if segment is not None and segmentation.ContainsRepresentation(CLOSED_SURFACE):
        segment.AddRepresentation(CLOSED_SURFACE, polydata)
    model = nodes.models.get(bone.key)
    if model is not None and is_in_scene(scene, model):
        model.SetAndObservePolyData(polydata)
        return
    beside = next((node for node in nodes.models.values() if is_in_scene(scene, node)), nodes.volume)
    model = add_model_node(scene, surface, bone)
    mark_as_result(model, "model", nodes.volume, nodes.segmentation)
    hierarchy.place(scene, [model], hierarchy.parent_of(scene, beside))


def _update_markups(
    scene: Scene, nodes: SceneNodes, parts: Sequence[SharedGeometry], moved: Sequence[Node]
) -> Iterator[None]:
    old = [node for node in nodes.markups if is_in_scene(scene, node) and node not in moved]
    parent = hierarchy.parent_of(scene, old[0]) if old else hierarchy.parent_of(scene, nodes.volume)
    visible = any(node.GetDisplayNode() is not None and node.GetDisplayNode().GetVisibility() for node in nodes.markups)
    by_hand = {key for node in moved for key in measurements_shown_by(node)}
    new: list[Node] = []
    try:
        for part in parts:
            if not by_hand.isdisjoint(m.key for m in part.measurements):
                continue
            made = add_geometry_nodes(scene, part, visible=visible)
            new += made
            for node in made:
                mark_as_result(node, "markup", nodes.volume, nodes.segmentation)
            hierarchy.place(scene, made, parent)
            yield
    except BaseException:
        remove_nodes(scene, new)
        raise
    keep = [node for node in old if not by_hand.isdisjoint(measurements_shown_by(node))]
    remove_nodes(scene, [node for node in old if node not in keep])
    yield
