"""What a cohort remembers, and that two runs do not get in each other's way."""

from __future__ import annotations

import json
import os
import socket

import pytest

from MultiJointSegLib.errors import CancelledError, InputError, RefusalError
from MultiJointSegLib.pipeline.cohort.settings import CohortSettings, item_key
from MultiJointSegLib.pipeline.cohort.state import FAILED, FINISHED, REFUSED, CohortFolder, ItemState, failure


@pytest.fixture
def folder(tmp_path):
    return CohortFolder(tmp_path / "out")


def test_states_come_back(folder):
    state = ItemState(name="a b", state=FAILED, key="k", sentence="Why.")
    folder.keep(state)
    assert folder.state("a b") == state
    assert folder.state("c") is None
    (folder.path / ".cohort" / "a b.json").write_text("{", encoding="utf-8")
    assert folder.state("a b") is None


def test_only_finished_results_that_are_there_and_refusals_are_current(folder):
    folder.keep(ItemState(name="a", state=FINISHED, key="k"))
    assert not folder.is_current("a", "k")
    (folder.path / "a").mkdir()
    (folder.path / "a" / "run.json").touch()
    assert folder.is_current("a", "k")
    assert not folder.is_current("a", "other")
    folder.keep(ItemState(name="b", state=REFUSED, key="k"))
    folder.keep(ItemState(name="c", state=FAILED, key="k"))
    assert [folder.is_current(name, "k") for name in "bcd"] == [True, False, False]


@pytest.mark.parametrize(
    ("error", "state", "words"),
    [
        (RefusalError("None of\nours."), REFUSED, "None of ours."),
        (InputError("Bad."), FAILED, "Bad."),
        (MemoryError(), FAILED, "memory"),
        (ZeroDivisionError("x"), FAILED, "ZeroDivisionError: x"),
        (PermissionError("y"), FAILED, "could not be read or written"),
    ],
)
def test_every_error_becomes_one_sentence(error, state, words):
    found = failure("a", "k", error)
    assert found.state == state
    assert words in found.sentence
    assert "\n" not in found.sentence


def test_sweep_takes_only_what_unfinished_results_left(folder):
    for name in (".a.partial-x1", ".other.partial-x", "a", ".a.keep"):
        (folder.path / name).mkdir()
    folder.sweep(["a"])
    assert sorted(p.name for p in folder.path.iterdir()) == [".a.keep", ".cohort", ".other.partial-x", "a"]


def test_a_second_run_is_refused_and_a_dead_ones_lock_is_not(folder):
    lock = folder.path / ".cohort" / "lock"
    parent = {"host": socket.gethostname(), "process": os.getppid()}
    lock.write_text(json.dumps(parent), encoding="utf-8")
    with pytest.raises(InputError, match="Another cohort run"), folder.locked():
        pass
    lock.write_text(json.dumps(parent | {"process": 2**22 + 1}), encoding="utf-8")
    with folder.locked():
        assert lock.is_file()
    assert not lock.exists()


def test_stop_signal_cancels(folder):
    with folder.stop_signal() as stop:
        stop.progress().report(0.5, "")
        stop.give()
        with pytest.raises(CancelledError):
            stop.progress().report(0.5, "")
    assert not stop.path.exists()


def test_fingerprint_follows_what_changes_results():
    plain = CohortSettings().fingerprint()
    assert CohortSettings(device="cpu").fingerprint() == plain
    others = [CohortSettings(joint="knee"), CohortSettings(tta="flip"), CohortSettings(record_paths=True)]
    prints = {plain, *(s.fingerprint() for s in others)}
    assert len(prints) == 4
    assert len({item_key("a", None, plain), item_key("a", "1", plain), item_key("b", None, plain)}) == 3
