"""Why a child process ended, in a sentence."""

from __future__ import annotations

from MultiJointSegSlicer.strings import tr as _

_KILLED = {-9, 137}
_NO_MEMORY = {0xC0000017, 0xC000012D}
_CRASHED = {-11, 139, -6, 134, -4, 132, -7, 135, 0xC0000005, 0xC0000409}
_TERMINATED = {-15, 143, -2, 130}


def sentence_of_exit(exit_code: int, reason: str) -> str:
    """Sentence for a child that ended without a result.

    Parameters
    ----------
    exit_code
        As `subprocess.Popen.returncode`: negative for a signal. On Windows also codes of the system.
    reason
        What the child itself said, "" if nothing.
    """
    code = exit_code & 0xFFFFFFFF if exit_code < -255 else exit_code
    if code in _KILLED:
        return _(
            "The process that segments was killed (code {code}), most likely because the memory ran out. Close other "
            "programs, or crop the volume to the joint, and try again."
        ).format(code=exit_code)
    if code in _NO_MEMORY:
        return _("The memory ran out. Close other programs, or crop the volume to the joint, and try again.")
    if code in _TERMINATED:
        return _("The process that segments was stopped from outside (code {code}). Try again.").format(code=exit_code)
    if reason:
        return reason
    if code in _CRASHED:
        return _(
            "The process that segments crashed (code {code}). Choose the CPU as device and try again; if it crashes "
            "again, report it with the log."
        ).format(code=exit_code)
    return _(
        "The process that segments ended without a result (code {code}); the last lines of the log say why."
    ).format(code=exit_code)
