"""A reader goes through the queue of a refinement: take, look, mend, decide. Nothing that was drawn is lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from MultiJointSegSlicer.installation import Ensures, ensured
from MultiJointSegSlicer.job.job import Job, Steps, Timer
from MultiJointSegSlicer.job.signal import Signal
from MultiJointSegSlicer.review_queue.locking import give_back, refresh
from MultiJointSegSlicer.review_queue.open_case import OpenCase, adding_case, remove_case
from MultiJointSegSlicer.review_queue.standing import agreement_rows
from MultiJointSegSlicer.strings import tr as _

AUTOSAVE_MS = 30_000
"""What a crash may cost."""


class ReviewQueue:
    """One case at a time; locks, checks and versions are those of the command line, which does the work.

    Parameters
    ----------
    scene
        vtkMRMLScene.
    job
        A job of its own.
    timer
        For autosaves.
    installer
        Asked before the first case.
    now
        Gives the time.

    Notes
    -----
    Signals: those of `job`; `opened` (OpenCase), `closed` (), `saved` (sentence about the autosave), and `agreed`
    (rows, see `standing.agreement_rows`).
    """

    def __init__(
        self,
        scene: Any,
        job: Job,
        timer: Timer,
        installer: Ensures,
        *,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        self._scene = scene
        self._timer = timer
        self._timer.timeout.connect(self.autosave)
        self._installer = installer
        self._now = now
        self._saved: tuple[tuple[str, int, int], ...] = ()
        self.job = job
        self.case: OpenCase | None = None
        self.opened = Signal()
        self.closed = Signal()
        self.saved = Signal()
        self.agreed = Signal()

    def open_next(self, work: str, reader: str, *, second: bool = False) -> bool:
        """Take the next case and add it to the scene; returns whether that was started.

        With `second`, a case that another reader decided on, as it was proposed.
        """
        if self._is_busy():
            return False
        if self.case is not None:
            sentence = _("Decide on '{name}' first, or give it back.")
            return self._refuse(sentence.format(name=self.case.name))
        if not self._has_folder(work):
            return False
        if not reader.strip():
            return self._refuse(_("Give your name or initials; they go into the history of every case."))
        if not ensured(self._installer, self.job):
            return False
        folder_of_work, who = Path(work.strip()), reader.strip()

        def prepare(folder: Path) -> list[str]:
            chosen = ["--second"] if second else []
            return [*_review(folder_of_work, "next", who), "--into", str(folder), *chosen]

        def finish(folder: Path, data: Mapping[str, Any]) -> Steps:
            if data.get("case") is None:
                return _("No case waits for a second reading.") if second else _("No case waits.")
            try:
                case = yield from adding_case(self._scene, folder_of_work, who, data, folder, second=second)
            except BaseException:
                give_back(folder_of_work, str(data["case"]["case"]), who)
                raise
            self._begin(case)
            if case.has_draft:
                return _("'{name}' is open, with what you had drawn before.").format(name=case.name)
            return _("'{name}' is open.").format(name=case.name)

        return self.job.start(prepare, finish)

    def decide(self, action: str, note: str = "") -> bool:
        """Store a decision on the open case and close it; returns whether that was started.

        Parameters
        ----------
        action
            "accept", "correct", "reject" or "skip".
        note
            For the history.
        """
        case = self.case
        if self._is_busy() or case is None:
            return False
        if action == "accept" and case.edited:
            return self._refuse(
                _("The masks were edited: save them as Corrected, or undo the edits before you accept the case.")
            )
        if action == "correct" and not case.edited:
            return self._refuse(_("The masks were not edited: accept the case, or mend it first."))
        if action != "correct":
            self.autosave()

        def prepare(folder: Path) -> list[str]:
            from MultiJointSegLib.imaging.writing import write_volume

            arguments = [*_review(case.work, action, case.reader), "--case", case.name]
            arguments += ["--version", str(case.version), "--note", " ".join(note.split())]
            if case.second:
                arguments.append("--second")
            if action == "correct":
                write_volume(case.labels(), folder / "labels.nii")
                arguments += ["--labels", str(folder / "labels.nii")]
            return arguments

        def finish(_folder: Path, data: Mapping[str, Any]) -> str:
            self._end()
            remove_case(self._scene, case)
            self.closed.emit()
            words = {
                "accept": _("'{name}' was accepted (version {version})."),
                "correct": _("'{name}' was saved as corrected (version {version})."),
                "reject": _("'{name}' was rejected (version {version})."),
                "skip": _("'{name}' was skipped (version {version})."),
            }
            return words[action].format(name=case.name, version=data.get("version", case.version))

        return self.job.start(prepare, finish)

    def give_back(self) -> bool:
        """Close the case without a decision; what was drawn stays as a draft of this reader."""
        case = self.case
        if self._is_busy() or case is None:
            return False
        if not self._leave():
            return False
        remove_case(self._scene, case)
        self.closed.emit()
        return True

    def compare_readers(self, work: str) -> bool:
        """Compute how far readers agree; returns whether that was started."""
        if self._is_busy() or not self._has_folder(work):
            return False

        def finish(_folder: Path, data: Mapping[str, Any]) -> str:
            rows = agreement_rows(data.get("agreement", ()))
            self.agreed.emit(rows)
            return "" if rows else _("No case was decided on by two readers yet; ask a colleague for a second reading.")

        folder = Path(work.strip())
        return self.job.start(lambda _folder: ["review", str(folder), "agreement", "--progress-json"], finish)

    def autosave(self) -> None:
        """Keep what was drawn since the last time, and the case for this reader."""
        from MultiJointSegLib.errors import InputError
        from MultiJointSegSlicer.scene.digests import mask_times

        case = self.case
        # While a decision is stored, the lock goes and the draft has become a version.
        if case is None or self.job.state.busy:
            return
        if not case.present:
            self.check()
            return
        try:
            times = mask_times(case.segmentation)
            if times != self._saved and case.edited:
                self._save_draft(case)
                self._saved = times
                self.saved.emit(_("Autosaved at {time}.").format(time=self._now().strftime("%H:%M:%S")))
            refresh(case)
        except InputError as error:
            self.saved.emit(str(error))
        except OSError as error:
            sentence = _("The autosave failed ({reason}); check the folder '{folder}'.")
            self.saved.emit(sentence.format(reason=error.strerror or error, folder=case.work))

    def check(self) -> None:
        """Close the case if somebody removed its nodes from the scene."""
        case = self.case
        if case is None or case.present or self.job.state.busy:
            return
        self._end()
        give_back(case.work, case.name, case.reader)
        remove_case(self._scene, case)
        self.closed.emit()
        sentence = _("'{name}' was removed from the scene and given back; your last autosave is kept.")
        self.job.fail(sentence.format(name=case.name))

    def leave_scene(self) -> None:
        """Keep what was drawn and give the case back, before the scene goes."""
        if self.case is not None:
            self._leave(anyway=True)
            self.closed.emit()
        self.job.cancel()

    def close(self) -> None:
        """End everything at once: the window or the application goes."""
        self.job.close()
        if self.case is not None:
            self._leave(anyway=True)

    def _begin(self, case: OpenCase) -> None:
        from MultiJointSegSlicer.scene.digests import mask_times

        self.case = case
        self._saved = mask_times(case.segmentation)
        self._timer.start(AUTOSAVE_MS)
        self.opened.emit(case)

    def _end(self) -> None:
        self._timer.stop()
        self.case = None

    def _leave(self, *, anyway: bool = False) -> bool:
        """Save the draft and let go of the lock; a draft that cannot be saved keeps the case open unless `anyway`."""
        from MultiJointSegLib.errors import InputError
        from MultiJointSegSlicer.scene.digests import mask_times

        case = self.case
        assert case is not None
        try:
            if case.present and mask_times(case.segmentation) != self._saved and case.edited:
                self._save_draft(case)
        except (InputError, OSError) as error:
            if not anyway:
                return self._refuse(_("Your drawing could not be kept: {reason}").format(reason=error))
        self._end()
        give_back(case.work, case.name, case.reader)
        return True

    def _save_draft(self, case: OpenCase) -> None:
        from MultiJointSegLib.annotation.refinement.drafts import save_draft
        from MultiJointSegLib.annotation.refinement.project import Project

        save_draft(Project(case.work).case(case.name), case.reader, case.version, case.labels())

    def _has_folder(self, work: str) -> bool:
        if work.strip() and Path(work.strip()).is_dir():
            return True
        sentence = _("Choose the folder of a refinement; '{folder}' is none.")
        return self._refuse(sentence.format(folder=work.strip()))

    def _refuse(self, sentence: str) -> bool:
        self.job.fail(sentence)
        return False

    def _is_busy(self) -> bool:
        if self.job.state.busy:
            self.job.logged.emit(_("Something is running already; wait for it or cancel it."))
        return self.job.state.busy


def _review(work: Path, action: str, reader: str) -> list[str]:
    return ["review", str(work), action, "--reader", reader, "--progress-json"]
