"""The main job on nodes of a scene: volume out, child process, results in. No Qt and no dialogs."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from MultiJointSegSlicer.installation import Ensures, ensured
from MultiJointSegSlicer.job.job import Job, Steps
from MultiJointSegSlicer.job.signal import Signal
from MultiJointSegSlicer.parameters import EarlierOption, RunSettings
from MultiJointSegSlicer.sample import add_sample, sample_arguments
from MultiJointSegSlicer.strings import tr as _

if TYPE_CHECKING:
    from MultiJointSegSlicer.scene.nodes import SceneNodes


class SegmentationLogic:
    """Segments volumes of a scene, one at a time.

    Parameters
    ----------
    scene
        vtkMRMLScene.
    job
        Runs the child process.
    installer
        Asked before every run.

    Notes
    -----
    Signals: those of `job`, and `result_added` (SceneNodes), `sample_added` (volume node).
    """

    def __init__(
        self,
        scene: Any,
        job: Job,
        *,
        installer: Ensures,
    ) -> None:
        self._scene = scene
        self._installer = installer
        self.job = job
        self.result_added = Signal()
        self.sample_added = Signal()

    def segment(self, volume_node: Any, settings: RunSettings) -> bool:
        """Start segmenting a volume; returns whether it was started. The job's signals tell the rest."""
        if self._is_busy():
            return False
        if volume_node is None or not self._is_there(volume_node):
            self.job.fail(
                _("No volume is chosen; load an MRI of an ankle, a knee or a shoulder, or a CT of hips, and choose it.")
            )
            return False
        if not ensured(self._installer, self.job):
            return False
        name, node_id = volume_node.GetName(), volume_node.GetID()

        def prepare(folder: Path) -> list[str]:
            from MultiJointSegLib.imaging.checks import check_examination
            from MultiJointSegLib.imaging.writing import write_volume
            from MultiJointSegSlicer.modality import check_joint
            from MultiJointSegSlicer.scene.volumes import volume_from_node

            volume = volume_from_node(volume_node)
            check_examination(volume)
            check_joint(volume, settings)
            # Not compressed: it is read once, on this machine, and compressing would block the window.
            write_volume(volume, folder / "examination.nii")
            return settings.arguments(folder / "examination.nii", folder / "result")

        def unwanted() -> str:
            if self._scene.GetNodeByID(node_id) is volume_node:
                return ""
            return _(
                "The volume '{name}' was removed while it was segmented; nothing was added. Load it again."
            ).format(name=name)

        def finish(folder: Path, _data: Mapping[str, Any]) -> Steps:
            nodes = yield from self._add(folder / "result", volume_node, settings.earlier)
            self.result_added.emit(nodes)
            return _("The bones of '{name}' were added to the scene.").format(name=name)

        return self.job.start(prepare, finish, unwanted=unwanted)

    def make_sample(self) -> bool:
        """Start making a phantom, which becomes a volume of the scene; returns whether it was started."""
        if self._is_busy() or not ensured(self._installer, self.job):
            return False

        def finish(folder: Path, _data: Mapping[str, Any]) -> str:
            self.sample_added.emit(add_sample(self._scene, folder))
            return _("A synthetic examination was added to the scene.")

        return self.job.start(sample_arguments, finish)

    def cancel(self) -> None:
        """Cancel what runs."""
        self.job.cancel()

    def close(self) -> None:
        """End everything at once: the scene, the window or the application goes."""
        self.job.close()

    def _is_busy(self) -> bool:
        if self.job.state.busy:
            self.job.logged.emit(_("Something is running already; wait for it or cancel it."))
        return self.job.state.busy

    def _is_there(self, node: Any) -> bool:
        return self._scene.GetNodeByID(node.GetID() or "") is node

    def _add(self, folder: Path, volume_node: Any, earlier: EarlierOption) -> Generator[None, None, SceneNodes]:
        """Add what the child wrote beside the volume, in steps; earlier results go only after that."""
        from MultiJointSegLib import anatomy
        from MultiJointSegLib.imaging.reading import read_label_map
        from MultiJointSegLib.morphology.writing import read_measurements
        from MultiJointSegLib.pipeline.result import SceneContent
        from MultiJointSegLib.surface.reading import read_surface
        from MultiJointSegSlicer.scene.building import adding_results
        from MultiJointSegSlicer.scene.nodes import remove_results, result_nodes
        from MultiJointSegSlicer.scene.views import show_in_views

        run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        labels = read_label_map(folder / "labels.nii.gz")
        yield
        path = folder / "uncertainty.nrrd"
        uncertainty = read_label_map(path) if path.is_file() else None
        yield
        surfaces = {}
        for path in sorted((folder / "surfaces").glob("*.stl")):
            surfaces[path.stem] = read_surface(path)
            yield
        old = result_nodes(self._scene, volume_node)
        runs = sum(node.IsA("vtkMRMLSegmentationNode") for node in old)
        number = f" {runs + 1}" if runs and earlier is EarlierOption.KEEP else ""
        content = SceneContent(
            labels=labels,
            bones=anatomy.joint(run["joint"]).bones,
            surfaces=surfaces,
            measurements=read_measurements(folder / "measurements.json"),
            name=f"{volume_node.GetName()}{number}",
            uncertainty=uncertainty,
            run=run,
        )
        nodes = yield from adding_results(self._scene, volume_node, content)
        if earlier is EarlierOption.REPLACE:
            remove_results(self._scene, volume_node, old)
        show_in_views(self._scene, volume_node, nodes.segmentation)
        return nodes
