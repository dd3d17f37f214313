"""Results into a scene: all of them or, when something goes wrong or the user cancels, none."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Sequence

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.morphology.measurement import Measurement
from MultiJointSegLib.pipeline.result import SceneContent
from MultiJointSegLib.progress import Progress, SilentProgress
from MultiJointSegSlicer.review import keep_run
from MultiJointSegSlicer.scene import hierarchy
from MultiJointSegSlicer.scene.markups import add_geometry_nodes, shared_geometry
from MultiJointSegSlicer.scene.models import add_model_node
from MultiJointSegSlicer.scene.mrml import Node, Scene, is_in_scene
from MultiJointSegSlicer.scene.nodes import SceneNodes, mark_as_result, remove_nodes
from MultiJointSegSlicer.scene.overlay import add_uncertainty_node
from MultiJointSegSlicer.scene.segmentations import add_segmentation_node, adding_closed_surfaces
from MultiJointSegSlicer.scene.tables import add_table_node
from MultiJointSegSlicer.scene.volumes import add_volume_node
from MultiJointSegSlicer.scene.watching import mark_as_measured


def build_scene(scene: Scene, volume: Volume, content: SceneContent, *, progress: Progress | None = None) -> SceneNodes:
    """Add an examination and everything found in it, under one folder of the subject hierarchy.

    Parameters
    ----------
    scene
        vtkMRMLScene, that of 3D Slicer or one from `headless_scene`.
    volume
        The examination (k, j, i), LPS.
    content
        What was found; its name becomes that of the folder and of the volume node.

    Raises
    ------
    InputError
        If the label map and the bones do not fit, or nodes are removed while the work goes on.
    CancelledError
        If the user cancelled. In every failure what was added is removed again.
    """
    added: list[Node] = []
    folders: list[int] = []
    try:
        with _recorded(scene, added):
            volume_node = add_volume_node(scene, volume, name=content.name)
            folders.append(hierarchy.add_folder(scene, 0, content.name))
            hierarchy.place(scene, [volume_node], folders[0])
        return add_results(scene, volume_node, content, progress=progress)
    except BaseException:
        remove_nodes(scene, added)
        hierarchy.remove_items(scene, folders)
        raise


def add_results(
    scene: Scene, volume_node: Node, content: SceneContent, *, progress: Progress | None = None
) -> SceneNodes:
    """Add what was found in a volume of the scene: beside the volume in the subject hierarchy, under its transform.

    The segmentation and the table stand beside the volume, models and markups in one folder each. Earlier results stay;
    remove those of `find_results` first to replace them. The volume's name is used where the content has none. See
    `build_scene` for the errors.
    """
    steps = adding_results(scene, volume_node, content, progress=progress)
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            nodes: SceneNodes = stop.value
            return nodes


def adding_results(
    scene: Scene, volume_node: Node, content: SceneContent, *, progress: Progress | None = None
) -> Generator[None, None, SceneNodes]:
    """Do the work of `add_results` in steps, between which a window can work; what was added goes when it is closed."""
    progress = progress if progress is not None else SilentProgress()
    name = content.name or volume_node.GetName()
    labels, bones, surfaces, measurements = content.labels, content.bones, content.surfaces, content.measurements
    added: list[Node] = []
    folders: list[int] = []

    def check() -> None:
        for node in [volume_node, *added]:
            if not is_in_scene(scene, node):
                raise InputError(
                    f"Nodes of '{name}' were removed from the scene while results were being added; nothing was added. "
                    "Load the volume again and repeat."
                )

    def report(fraction: float, message: str) -> None:
        # Whoever is told may let the user act, so the nodes may be gone afterwards.
        progress.report(fraction, message)
        check()

    def keep(nodes: Sequence[Node], part: str, folder_name: str = "") -> None:
        parent = hierarchy.parent_of(scene, volume_node)
        if folder_name and nodes:
            parent = hierarchy.add_folder(scene, parent, folder_name)
            folders.append(parent)
        for node in nodes:
            mark_as_result(node, part, volume_node, segmentation)
        hierarchy.place(scene, nodes, parent)

    check()
    try:
        report(0.0, "adding the segmentation")
        with _recorded(scene, added):
            segmentation = add_segmentation_node(
                scene, labels, bones, name=f"{name} bones", volume_node=volume_node, side=content.side
            )
        keep([segmentation], "segmentation")
        yield
        for _ in adding_closed_surfaces(segmentation, surfaces):
            yield
            check()
        mark_as_measured(segmentation)
        if content.run is not None:
            keep_run(segmentation, content.run, labels)
        doubt = None
        if content.uncertainty is not None:
            with _recorded(scene, added):
                doubt = add_uncertainty_node(scene, content.uncertainty, name=f"{name} doubt")
            keep([doubt], "uncertainty")
            yield
            check()
        report(0.5, "adding the surfaces")
        models: dict[str, Node] = {}
        for bone in bones:
            if bone.key in surfaces:
                with _recorded(scene, added):
                    models[bone.key] = add_model_node(scene, surfaces[bone.key], bone)
                yield
                check()
        keep(list(models.values()), "model", f"{name} surfaces")
        report(0.7, "adding the measurements")
        with _recorded(scene, added):
            table = add_table_node(scene, measurements, name=f"{name} measurements") if measurements else None
        keep([table] if table is not None else [], "table")
        yield
        check()
        markups: list[Node] = []
        for _ in _adding_markups(scene, measurements, added, markups):
            yield
            check()
        keep(markups, "markup", f"{name} measured geometry")
        report(1.0, "added to the scene")
    except BaseException:
        remove_nodes(scene, added)
        hierarchy.remove_items(scene, folders)
        raise
    return SceneNodes(
        volume=volume_node,
        segmentation=segmentation,
        models=models,
        table=table,
        markups=tuple(markups),
        uncertainty=doubt,
    )


def _adding_markups(
    scene: Scene, measurements: Sequence[Measurement], added: list[Node], markups: list[Node]
) -> Iterator[None]:
    for part in shared_geometry(measurements):
        with _recorded(scene, added):
            markups += add_geometry_nodes(scene, part)
        yield


@contextlib.contextmanager
def _recorded(scene: Scene, added: list[Node]) -> Iterator[None]:
    """Append to `added` the nodes that are new in the scene after the context, also when it fails halfway."""
    before = _node_ids(scene)
    try:
        yield
    finally:
        added += [scene.GetNodeByID(node_id) for node_id in _node_ids(scene) if node_id not in before]


def _node_ids(scene: Scene) -> dict[str, None]:
    return dict.fromkeys(scene.GetNthNode(n).GetID() for n in range(scene.GetNumberOfNodes()))
