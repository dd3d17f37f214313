"""What a person reads when this process, and not the child, could not do its part."""

from __future__ import annotations

import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

from MultiJointSegSlicer.strings import tr as _


def sentence_of_error(error: Exception, temporary: Path | None, log: Callable[[str], None]) -> str:
    """Sentence for an error, with what to do; a defect of ours goes to the log with its place.

    Parameters
    ----------
    error
        What was raised while input was written or a result was taken in.
    temporary
        Folder for temporary folders; the system's own if None.
    log
        Takes a text.
    """
    if isinstance(error, MemoryError):
        return _("The memory ran out. Close other programs and try again.")
    if isinstance(error, OSError):
        return _(
            "A file could not be read or written ({reason}); check the free space and the permissions of the "
            "folder for temporary files, {folder}."
        ).format(reason=error.strerror or error, folder=temporary or tempfile.gettempdir())
    if any(base.__name__ == "MultiJointSegError" for base in type(error).__mro__):
        return str(error)
    log("".join(traceback.format_exception(error)))
    return _("Unexpected: {kind}: {text}. Please report it with the log.").format(kind=type(error).__name__, text=error)
