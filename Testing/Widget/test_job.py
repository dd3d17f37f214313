"""The child process: what it says, how it ends, and that nothing of it stays."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import psutil
import pytest
from MultiJointSegSlicer.job.events import PREFIX
from MultiJointSegSlicer.job.exit_codes import sentence_of_exit
from MultiJointSegSlicer.job.state import JobState

from MultiJointSegLib.cli.terminal import EVENT_PREFIX
from MultiJointSegLib.errors import InputError

unix = pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")


def gone(pid: int) -> bool:
    """Whether the process ends within some seconds: the job does not wait for what it has ended."""
    for _ in range(100):
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.05)
    return False


def test_prefix_is_that_of_the_command_line() -> None:
    assert PREFIX == EVENT_PREFIX


def test_result_is_taken_out_of_the_folder_before_it_goes(a_driver) -> None:
    found = {}

    def finish(folder: Path, data: dict) -> str:
        found.update(data, text=(folder / "answer.txt").read_text())
        return "The answer is there."

    assert a_driver.start("good", finish)
    a_driver.drive()
    assert found == {"answer": 42, "text": "42"}
    assert a_driver.states == [("running", ""), ("finished", "The answer is there.")]
    assert a_driver.progress[-1][:2] == (0.25, "Segmenting the bones: batch 1")


def test_foreign_lines_go_to_the_log_and_events_do_not(a_driver) -> None:
    a_driver.start("good")
    a_driver.drive()
    assert a_driver.lines[0].startswith("$ ")
    assert a_driver.lines[1:] == ["a line of a library", "@multijointseg not json", "Done."]


@unix
@pytest.mark.parametrize(
    ("behavior", "part"),
    [
        ("refuse", "The images show none of the joints."),
        ("silent", "ended without a result (code 1)"),
        ("no-result", "ended without a result (code 0)"),
        ("killed", "the memory ran out"),
        ("crash", "crashed (code -11)"),
        ("terminated", "stopped from outside"),
    ],
)
def test_each_bad_end_has_its_sentence(a_driver, behavior: str, part: str) -> None:
    a_driver.start(behavior)
    a_driver.drive()
    assert a_driver.job.state is JobState.FAILED
    assert part in a_driver.job.sentence
    if behavior == "silent":
        assert "Traceback of something" in a_driver.lines


@pytest.mark.parametrize(("code", "part"), [(137, "memory ran out"), (0xC0000017, "memory"), (0xC0000005, "crashed")])
def test_codes_of_other_systems_are_known(code: int, part: str) -> None:
    assert part in sentence_of_exit(code, "")


@unix
@pytest.mark.parametrize("behavior", ["family", "stubborn"])
def test_cancel_ends_the_whole_tree_without_waiting(a_driver, behavior: str) -> None:
    a_driver.start(behavior)
    a_driver.drive(lambda: bool(a_driver.progress) and a_driver.progress[-1][0] == 0.5)
    child = int(a_driver.progress[-1][1])
    a_driver.job.cancel()
    a_driver.job.cancel()
    assert a_driver.job.state is JobState.CANCELLING
    a_driver.drive()
    assert gone(child)
    assert [state for state, _ in a_driver.states] == ["running", "cancelling", "idle"]
    assert a_driver.job.sentence == "Cancelled; nothing was changed."


@unix
def test_a_grandchild_that_outlives_its_parent_is_ended_too(a_driver) -> None:
    a_driver.start("orphan")
    a_driver.drive()
    assert a_driver.job.state is JobState.FAILED
    assert gone(int(a_driver.progress[-1][1]))


def test_a_second_start_is_refused_and_the_first_goes_on(a_driver) -> None:
    assert a_driver.start("good")
    assert not a_driver.start("good")
    a_driver.drive()
    assert a_driver.job.state is JobState.FINISHED
    assert any("running already" in line for line in a_driver.lines)


def test_a_job_can_be_used_again(a_driver) -> None:
    for behavior, state in (("refuse", "failed"), ("good", "finished"), ("good", "finished")):
        a_driver.start(behavior)
        a_driver.drive()
        assert a_driver.job.state.value == state


def test_a_result_that_nobody_wants_any_more_ends_the_child(a_driver) -> None:
    a_driver.start("family", unwanted=lambda: "The volume is gone.")
    a_driver.drive()
    assert a_driver.states[-1] == ("failed", "The volume is gone.")


def raising(error: Exception):
    def call(*_: object) -> str:
        raise error

    return call


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (InputError("The volume is empty."), "The volume is empty."),
        (OSError(28, "No space left on device"), "No space left on device"),
        (MemoryError(), "The memory ran out"),
        (KeyError("x"), "Unexpected: KeyError"),
    ],
)
def test_errors_before_and_after_the_child_are_sentences(a_driver, error: Exception, part: str) -> None:
    assert not a_driver.job.start(raising(error), lambda folder, data: "")
    assert part in a_driver.job.sentence
    a_driver.start("good", raising(error))
    a_driver.drive()
    assert a_driver.job.state is JobState.FAILED
    assert part in a_driver.job.sentence


def test_program_that_is_not_there_is_a_sentence(a_driver) -> None:
    a_driver.job._command = lambda: [str(a_driver.temporary / "nothing")]
    assert not a_driver.start("good")
    assert a_driver.job.state is JobState.FAILED


def test_missing_folder_for_temporary_files_is_a_sentence(a_driver) -> None:
    a_driver.job._temporary = a_driver.temporary / "missing"
    assert not a_driver.start("good")
    assert "folder for temporary files" in a_driver.job.sentence


@unix
def test_closing_ends_everything_at_once(a_driver) -> None:
    a_driver.start("stubborn")
    a_driver.drive(lambda: bool(a_driver.progress) and a_driver.progress[-1][0] == 0.5)
    child = int(a_driver.progress[-1][1])
    a_driver.job.close()
    assert gone(child)
    assert a_driver.job.state is JobState.IDLE


def steps(log: list[str], error: Exception | None = None):
    try:
        for number in range(3):
            log.append(f"step {number}")
            yield
        if error is not None:
            raise error
        log.append("done")
        return "In steps."
    except BaseException:
        log.append("undone")
        raise


def test_a_result_is_taken_in_steps_between_which_the_window_works(a_driver) -> None:
    log: list[str] = []
    a_driver.start("good", lambda folder, data: steps(log))
    a_driver.drive(lambda: len(log) == 2)
    assert a_driver.job.state.value == "running"
    a_driver.drive()
    assert log == ["step 0", "step 1", "step 2", "done"]
    assert a_driver.states[-1] == ("finished", "In steps.")


@pytest.mark.parametrize("how", ["cancel", "unwanted", "error", "close"])
def test_steps_that_do_not_reach_their_end_undo_themselves(a_driver, how: str) -> None:
    log: list[str] = []
    unwanted: list[str] = []
    error = OSError(28, "No space left on device") if how == "error" else None
    a_driver.start("good", lambda folder, data: steps(log, error), unwanted=lambda: "".join(unwanted))
    if how != "error":
        a_driver.drive(lambda: len(log) == 2)
        if how == "cancel":
            a_driver.job.cancel()
        elif how == "close":
            a_driver.job.close()
        else:
            unwanted.append("The volume was removed.")
    a_driver.drive()
    assert log[-1] == "undone"
    expected = {"cancel": "idle", "unwanted": "failed", "error": "failed", "close": "running"}
    assert a_driver.states[-1][0] == expected[how]
    assert not a_driver.job.state.busy
