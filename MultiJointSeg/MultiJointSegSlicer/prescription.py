"""Standard planes of a study proposed by a pretrained network, as planes of the scene that a person can move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from MultiJointSegSlicer.installation import Ensures, ensured
from MultiJointSegSlicer.job.job import Job
from MultiJointSegSlicer.job.signal import Signal
from MultiJointSegSlicer.strings import tr as _


@dataclass(frozen=True, slots=True)
class ProposedPlane:
    """A plane in the scene, and how well it is held.

    Parameters
    ----------
    node
        vtkMRMLMarkupsPlaneNode.
    name
        Of the view.
    lines
        Lines of the study's slices that the plane was fitted to.
    residual_mm
        Root mean square distance of these lines from the plane.
    from_acquired
        Angle in degrees and distance in mm to the plane that the study itself holds; None where it holds none.
    """

    node: Any
    name: str
    lines: int
    residual_mm: float
    from_acquired: tuple[float, float] | None

    @property
    def cells(self) -> tuple[str, ...]:
        """What the table shows."""
        apart = "" if self.from_acquired is None else "{:.1f}\N{DEGREE SIGN}, {:.1f} mm".format(*self.from_acquired)
        return (self.name, str(self.lines), f"{self.residual_mm:.1f} mm", apart)


class Prescription:
    """Runs ``multijointseg prescribe`` on the volumes of the scene, or on a folder.

    Parameters
    ----------
    scene
        vtkMRMLScene.
    job
        A job of its own.
    installer
        Asked before every run.

    Notes
    -----
    Signals: those of `job`, and `proposed` (list of ProposedPlane).
    """

    def __init__(self, scene: Any, job: Job, installer: Ensures) -> None:
        self._scene = scene
        self._installer = installer
        self.job = job
        self.proposed = Signal()

    def start(self, model: str, study: str) -> bool:
        """Start; returns whether it was started. The job's signals tell the rest.

        Parameters
        ----------
        model
            Folder of a pretraining that learned lines.
        study
            Folder of one study; "" for the volumes of the scene, which then have to be of one study.
        """
        if self.job.state.busy:
            self.job.logged.emit(_("Planes are being looked for already; wait or cancel."))
            return False
        if not model.strip() or not Path(model.strip()).is_dir():
            sentence = _("Choose the folder of a pretraining ('multijointseg pretrain'); '{folder}' is none.")
            return self._refuse(sentence.format(folder=model.strip()))
        if study.strip() and not Path(study.strip()).is_dir():
            sentence = _("Choose the folder of a study, or leave it empty; '{folder}' is none.")
            return self._refuse(sentence.format(folder=study.strip()))
        if not ensured(self._installer, self.job):
            return False

        def prepare(folder: Path) -> list[str]:
            source = study.strip() or str(self._write_volumes(folder / "study"))
            chosen = ["--model", model.strip(), "-o", str(folder / "planes.mrk.json")]
            return ["prescribe", source, *chosen, "--progress-json"]

        def finish(_folder: Path, data: Mapping[str, Any]) -> str:
            planes = self._add(data)
            self.proposed.emit(planes)
            return _("{count} planes were added to the scene; move and turn them by their handles.").format(
                count=len(planes)
            )

        return self.job.start(prepare, finish)

    def _refuse(self, sentence: str) -> bool:
        self.job.fail(sentence)
        return False

    def _write_volumes(self, folder: Path) -> Path:
        from MultiJointSegLib.errors import InputError
        from MultiJointSegLib.imaging.writing import write_volume
        from MultiJointSegSlicer.scene.volumes import volume_from_node

        count = self._scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")
        nodes = [self._scene.GetNthNodeByClass(n, "vtkMRMLScalarVolumeNode") for n in range(count)]
        volumes = [node for node in nodes if node.GetClassName() == "vtkMRMLScalarVolumeNode" and node.GetImageData()]
        if not volumes:
            raise InputError(_("The scene holds no volume; load the localizer, or choose the folder of a study."))
        folder.mkdir()
        for number, node in enumerate(volumes, start=1):
            write_volume(volume_from_node(node), folder / f"series_{number:02d}.nii")
        return folder

    def _add(self, data: Mapping[str, Any]) -> list[ProposedPlane]:
        from MultiJointSegSlicer.scene.planes import add_plane_node

        found = []
        for number, each in enumerate(data["planes"]):
            node = add_plane_node(
                self._scene, str(each["name"]), each["center_lps_mm"], each["normal_lps"], number=number
            )
            apart = None
            if "angle_to_acquired_deg" in each:
                apart = (float(each["angle_to_acquired_deg"]), float(each["distance_to_acquired_mm"]))
            found.append(ProposedPlane(node, str(each["name"]), int(each["lines"]), float(each["residual_mm"]), apart))
        return found
