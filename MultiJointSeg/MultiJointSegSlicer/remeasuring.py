"""Surfaces and measurements that follow the edited masks: in a child process, so that editing goes on undisturbed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from MultiJointSegSlicer.acceptance import withdraw_if_edited
from MultiJointSegSlicer.job.job import Job, Steps
from MultiJointSegSlicer.job.signal import Signal
from MultiJointSegSlicer.job.state import JobState
from MultiJointSegSlicer.strings import tr as _

if TYPE_CHECKING:
    from MultiJointSegLib.imaging.volume import Volume
    from MultiJointSegSlicer.scene.nodes import SceneNodes
    from MultiJointSegSlicer.scene.watching import SegmentationWatch

_MARGIN_VOXELS = 2
"""Of the image around the masks that the child gets: only the inside of the bones is looked at."""


class Remeasuring:
    """Keeps one result, the one that is shown, up to date with its masks.

    Parameters
    ----------
    scene
        vtkMRMLScene.
    watch
        Tells of edits.
    job
        A job of its own, beside that of the segmentation.
    now
        Gives the time.

    Notes
    -----
    Signals: `edited` (), when masks were edited, `stated` (sentence), and `updated` (), when surfaces and measurements
    are those of the masks again.
    """

    def __init__(
        self, scene: Any, watch: SegmentationWatch, job: Job, *, now: Callable[[], datetime] = datetime.now
    ) -> None:
        self._scene = scene
        self._watch = watch
        self._now = now
        self.job = job
        self.edited = Signal()
        self.stated = Signal()
        self.updated = Signal()
        self._automatic = True
        self._nodes: SceneNodes | None = None
        self._joint = ""
        self._changed: set[str] = set()
        self._all = False
        self._again = False
        watch.edited.connect(self._on_edited)
        job.state_changed.connect(self._on_state_changed)

    def follow(self, nodes: SceneNodes | None, joint: str = "") -> None:
        """Keep another result up to date, or none.

        Edits that were not measured yet, for example because the scene was saved before, are measured now.
        """
        from MultiJointSegSlicer.scene.watching import edited_since_measured

        before = None if self._nodes is None else self._nodes.segmentation
        segmentation = None if nodes is None else nodes.segmentation
        self._nodes, self._joint = nodes, joint
        if segmentation is before:
            return
        self.job.cancel()
        self._changed, self._all, self._again = set(), False, False
        self._watch.watch(segmentation)
        if segmentation is None:
            self.stated.emit("")
            return
        withdraw_if_edited(segmentation, now=self._now())
        changed = edited_since_measured(segmentation)
        if changed:
            self._on_edited(changed)
        else:
            self.stated.emit(_("Surfaces and measurements are those of the masks."))

    def set_automatic(self, automatic: bool) -> None:
        """Measure edits by itself, or only when told."""
        if automatic and not self._automatic and self._changed:
            self._automatic = True
            self.measure()
        self._automatic = automatic

    def measure(self, *, everything: bool = False) -> None:
        """Measure what was edited; or all bones anew, also where markups were moved by hand."""
        self._all = self._all or everything
        if self._nodes is None or self._nodes.segmentation is None:
            return
        if self.job.state.busy:
            self._again = True
            self.job.cancel()
            return
        self._start()

    def close(self) -> None:
        """End what runs and stop watching."""
        self._watch.watch(None)
        self.job.close()

    def _on_edited(self, changed: set[str]) -> None:
        assert self._nodes is not None
        self._changed |= changed
        withdraw_if_edited(self._nodes.segmentation, now=self._now())
        self.edited.emit()
        if self._automatic:
            self.measure()
        else:
            self.stated.emit(_("The masks were edited after they were measured."))

    def _start(self) -> None:
        from MultiJointSegLib import anatomy
        from MultiJointSegSlicer.scene.digests import mask_digests
        from MultiJointSegSlicer.scene.mrml import is_in_scene
        from MultiJointSegSlicer.scene.updating import updating_results
        from MultiJointSegSlicer.scene.watching import mark_as_measured

        nodes, joint, everything = self._nodes, self._joint, self._all
        assert nodes is not None
        changed = set(self._changed)
        digests = mask_digests(nodes.segmentation)
        present: set[str] = set()

        def prepare(folder: Path) -> list[str]:
            # A segment that does not carry a bone's key as its ID may be any bone.
            known = {bone.key for bone in anatomy.all_bones()}
            old = set(nodes.models) if everything or not changed <= known else changed
            return _write_input(nodes, joint, old, present, folder)

        def unwanted() -> str:
            return "" if is_in_scene(self._scene, nodes.segmentation) else _("The segmentation was removed.")

        def finish(folder: Path, data: Mapping[str, Any]) -> Steps:
            from MultiJointSegLib.morphology.writing import read_measurements
            from MultiJointSegLib.surface.reading import read_surface

            surfaces = {}
            for path in sorted((folder / "result" / "surfaces").glob("*.ply")):
                surfaces[path.stem] = read_surface(path)
                yield
            bones = anatomy.joint(str(data["joint"])).bones
            yield from updating_results(
                self._scene,
                nodes,
                bones=bones,
                surfaces=surfaces,
                gone={bone.key for bone in bones} - present,
                measurements=read_measurements(folder / "result" / "measurements.json"),
                keep_moved=not everything,
            )
            mark_as_measured(nodes.segmentation, digests)
            self._changed -= changed
            self._all = False
            return _("Surfaces and measurements are those of the masks.")

        self.stated.emit(_("Measuring again ..."))
        self.job.start(prepare, finish, unwanted=unwanted)

    def _on_state_changed(self, state: JobState, sentence: str) -> None:
        if state.busy:
            return
        if self._again:
            self._again = False
            self._start()
            return
        if state is JobState.FINISHED:
            self.stated.emit(sentence)
            self.updated.emit()
        elif state is JobState.FAILED:
            self.stated.emit(_("Not measured again: {sentence}").format(sentence=sentence))


def _write_input(nodes: SceneNodes, joint: str, changed: set[str], present: set[str], folder: Path) -> list[str]:
    """Write masks and the surfaces that still hold; returns the arguments of the command line.

    `present` gets the keys of the bones that have voxels.
    """
    import numpy as np

    from MultiJointSegLib import anatomy
    from MultiJointSegLib.imaging.writing import write_volume
    from MultiJointSegLib.surface.writing import write_surface
    from MultiJointSegSlicer.scene.models import surface_from_node
    from MultiJointSegSlicer.scene.reading import labels_from_node

    # Not compressed: it is read once, on this machine, and compressing would block the window.
    labels = labels_from_node(nodes.segmentation)
    # Counting is many times faster than np.unique, which sorts.
    values = set(np.flatnonzero(np.bincount(labels.array.ravel(), minlength=256)).tolist())
    present |= {bone.key for bone in anatomy.all_bones() if bone.label in values}
    write_volume(labels, folder / "labels.nii")
    (folder / "surfaces").mkdir()
    for key, model in nodes.models.items():
        if key not in changed and model.GetScene() is not None:
            write_surface(surface_from_node(model), folder / "surfaces" / f"{key}.ply")
    chosen = ["--joint", joint] if joint else []
    given = ["--surfaces", str(folder / "surfaces")]
    image = _examination(nodes, labels)
    if image is not None:
        # Growth plates are seen in the image, not in the masks.
        write_volume(image, folder / "examination.nii")
        given += ["--examination", str(folder / "examination.nii")]
    return ["revise", str(folder / "labels.nii"), "-o", str(folder / "result"), *chosen, *given, "--progress-json"]


def _examination(nodes: SceneNodes, labels: Volume) -> Volume | None:
    """The part of the examination around the masks; None where its volume has gone or lies elsewhere."""
    import numpy as np

    from MultiJointSegLib.errors import InputError
    from MultiJointSegLib.imaging.geometry import Geometry
    from MultiJointSegLib.imaging.volume import Volume
    from MultiJointSegSlicer.scene.volumes import volume_from_node

    if nodes.volume is None or nodes.volume.GetScene() is None:
        return None
    try:
        volume = volume_from_node(nodes.volume)
    except InputError:
        return None
    at = [np.flatnonzero(labels.array.any(axis=tuple({0, 1, 2} - {axis}))) for axis in (2, 1, 0)]
    if not all(map(len, at)):
        return None
    box = np.array([[row[0], row[-1]] for row in at], float)
    corners = np.array([[box[axis][(n >> axis) & 1] for axis in range(3)] for n in range(8)])
    index = volume.geometry.point_to_index(labels.geometry.index_to_point(corners))
    low = np.maximum(np.floor(index.min(axis=0)).astype(int) - _MARGIN_VOXELS, 0)
    high = np.minimum(np.ceil(index.max(axis=0)).astype(int) + _MARGIN_VOXELS + 1, volume.geometry.size)
    if (high - low < 2).any():
        return None
    array = volume.array[tuple(slice(a, b) for a, b in zip(low[::-1].tolist(), high[::-1].tolist(), strict=True))]
    geometry = Geometry(
        tuple((high - low).tolist()),
        volume.geometry.spacing_mm,
        tuple(volume.geometry.index_to_point(low.astype(float)).tolist()),
        volume.geometry.direction,
    )
    return Volume(array, geometry, volume.modality)
