"""One process of the library, with input and output in a temporary folder that goes in every case."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from MultiJointSegSlicer.job.events import Output
from MultiJointSegSlicer.job.process_tree import ProcessTree

CLOSING_S = 2.0
"""How long closing waits for killed processes to be gone."""


class Child:
    """A process that is started once, watched without waiting, and ended with all it started.

    Parameters
    ----------
    temporary
        Folder for its temporary folder; the system's own if None.
    """

    def __init__(self, temporary: Path | None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="MultiJointSeg-", dir=temporary))
        self._output = Output(self.folder / "output.txt")
        self._process: subprocess.Popen[bytes] | None = None
        self._tree: ProcessTree | None = None

    def start(self, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start it, in its folder.

        Parameters
        ----------
        arguments
            The program and its arguments.
        environment
            Variables that it gets beside those of this process.
        """
        with self._output.path.open("wb") as output:
            self._process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1", **environment},
                cwd=self.folder,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        self._tree = ProcessTree(self._process.pid)

    @property
    def exit_code(self) -> int | None:
        """None while it runs; as `subprocess.Popen.returncode` after that."""
        assert self._process is not None
        return self._process.poll()

    @property
    def finished(self) -> dict[str, Any] | None:
        """The result that it stated."""
        return self._output.finished

    @property
    def reason(self) -> str:
        """Why it failed, in its own words."""
        return self._output.reason

    def look(self, *, ended: bool) -> tuple[list[dict[str, Any]], list[str]]:
        """Take note of new descendants; progress events and other lines since the last look."""
        assert self._tree is not None
        self._tree.look()
        return self._output.read(ended=ended)

    def alive(self) -> bool:
        """Whether it or anything it started still runs."""
        return self._tree is not None and bool(self._tree.alive())

    def terminate(self) -> None:
        """Ask all to end, so that they can tidy up."""
        if self._tree is not None:
            self._tree.terminate()

    def kill(self) -> None:
        """End all that are left."""
        if self._tree is not None:
            self._tree.kill()

    def close(self) -> None:
        """End all at once, wait for it, and remove the folder."""
        if self._process is not None:
            if self._tree is not None:
                self._tree.kill(wait_s=CLOSING_S)
            if self._process.poll() is None:
                self._process.kill()
            self._process.wait()
        self.remove_folder()

    def remove_folder(self) -> None:
        """Remove the folder, as far as it can be."""
        shutil.rmtree(self.folder, ignore_errors=True)
