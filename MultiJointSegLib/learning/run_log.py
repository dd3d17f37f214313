"""The log of a training: JSON lines always, TensorBoard on request."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from MultiJointSegLib.errors import InputError

LOG_FILE = "log.jsonl"


class RunLog:
    """Writes rows of measurements; several processes share one log, written by the first.

    Parameters
    ----------
    folder : Path
        Gets `LOG_FILE`, and TensorBoard's files on request.
    tensorboard : bool
        Needs the package ``tensorboard``.
    silent : bool
        Write nothing.

    Raises
    ------
    InputError
        If TensorBoard is asked for and not installed.
    """

    def __init__(self, folder: Path, *, tensorboard: bool = False, silent: bool = False) -> None:
        self._path = folder / LOG_FILE
        self._silent = silent
        self._board: Any = None
        if tensorboard and not silent:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError as error:
                raise InputError(
                    "training.tensorboard is set, but the package tensorboard is not installed; "
                    "install it with 'pip install tensorboard', or leave the key out."
                ) from error
            self._board = SummaryWriter(str(folder))  # type: ignore[no-untyped-call]

    def write(self, step: int, row: Mapping[str, Any]) -> None:
        """Append a row; nested numbers become curves named by their keys."""
        if self._silent:
            return
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"step": step, **row}) + "\n")
        if self._board is not None:
            for name, value in _numbers(row):
                self._board.add_scalar(name, value, step)
            self._board.flush()


def _numbers(value: Any, name: str = "") -> Iterator[tuple[str, float]]:
    if isinstance(value, (int, float)):
        yield name, float(value)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _numbers(item, f"{name}/{key}" if name else str(key))
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _numbers(item, f"{name}/{index}")
