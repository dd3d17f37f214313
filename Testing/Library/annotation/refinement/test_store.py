"""Nothing that a person drew is lost, whatever happens."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from MultiJointSegLib.annotation.refinement.history import Event, append_event, now, read_history
from MultiJointSegLib.annotation.refinement.locks import read_lock, take_lock
from MultiJointSegLib.annotation.refinement.store import LOCK_FILE, CaseStore, case_folder_name
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.reading import read_label_map
from MultiJointSegLib.imaging.volume import Volume

MakeLabels = Callable[..., Volume]


def test_a_case_goes_from_proposal_to_correction(a_case: CaseStore, make_labels: MakeLabels) -> None:
    assert a_case.state().status == "proposed"
    lock = a_case.take("AB")
    assert lock is not None
    assert a_case.state().taken_by == "AB"
    assert a_case.submit(lock, "corrected", make_labels(2), note="tibia moved") == 2
    state = a_case.state()
    assert (state.status, state.version, state.reader, state.taken_by) == ("corrected", 2, "AB", "")
    assert [event.kind for event in a_case.history()] == ["proposed", "taken", "corrected"]
    assert np.array_equal(read_label_map(a_case.labels_path(1)).array, make_labels().array)
    assert np.array_equal(read_label_map(a_case.labels_path(2)).array, make_labels(2).array)


@pytest.mark.parametrize("kind", ["accepted", "rejected"])
def test_nothing_is_proposed_over_a_decision(a_case: CaseStore, make_labels: MakeLabels, kind: str) -> None:
    lock = a_case.take("AB")
    assert a_case.submit(lock, kind) == 1
    with pytest.raises(InputError, match=f"was {kind} by 'AB'"):
        a_case.propose(make_labels(1))
    assert list(a_case.versions()) == [1]


def test_a_skipped_case_is_asked_for_again_after_a_new_proposal(a_case: CaseStore, make_labels: MakeLabels) -> None:
    a_case.submit(a_case.take("AB"), "skipped")
    assert a_case.state().status == "skipped"
    a_case.propose(make_labels(1))
    assert (a_case.state().status, a_case.state().version) == ("proposed", 2)


def test_two_readers_do_not_have_a_case_at_once(a_case: CaseStore, make_labels: MakeLabels) -> None:
    first = a_case.take("AB")
    assert a_case.take("CD") is None
    assert a_case.take("AB").token == first.token  # the same reader again, perhaps after a crash
    a_case.give_back(first)
    second = a_case.take("CD")
    with pytest.raises(InputError, match="no longer with 'AB' \\('CD' has it"):
        a_case.submit(first, "corrected", make_labels(1))
    assert list(a_case.versions()) == [1]
    a_case.submit(second, "accepted")


def test_a_lock_left_behind_counts_for_some_hours(a_case: CaseStore, tmp_path: Path) -> None:
    a_case.take("AB")
    path = a_case.folder / LOCK_FILE
    old = time.time() - 3600
    os.utime(path, (old, old))
    assert take_lock(path, "CD", stale_after_s=7200) is None
    assert take_lock(path, "CD", stale_after_s=1800).who == "CD"
    assert read_lock(path).who == "CD"
    assert not [p for p in a_case.folder.iterdir() if p.name.startswith(".")]


def test_a_spoiled_lock_is_nobodys(a_case: CaseStore) -> None:
    (a_case.folder / LOCK_FILE).write_text("{")
    assert a_case.take("CD").who == "CD"


def test_a_number_is_never_given_twice(a_case: CaseStore, make_labels: MakeLabels) -> None:
    lock = a_case.take("AB")
    a_case.submit(lock, "corrected", make_labels(1))
    a_case.labels_path(2).unlink()  # somebody tidied up
    lock = a_case.take("AB")
    assert a_case.submit(lock, "corrected", make_labels(2)) == 3
    with pytest.raises(InputError, match="Version 2 of the labels of 'knee_1' is missing"):
        a_case.check()


def test_a_changed_version_is_noticed(a_case: CaseStore, make_labels: MakeLabels) -> None:
    a_case.check()
    a_case.labels_path(1).write_bytes(b"something else")
    with pytest.raises(InputError, match="is not what 'refine' saved"):
        a_case.check()


def test_a_version_without_history_is_recovered_and_counts_for_nothing(
    a_case: CaseStore, make_labels: MakeLabels
) -> None:
    other = CaseStore(a_case.folder.parent / "other")
    other.propose(make_labels(3))
    os.link(other.labels_path(1), a_case.folder / "labels" / "0002.nii.gz")  # the program ended before its line
    assert a_case.recover() == [2]
    assert a_case.recover() == []
    assert a_case.state().version == 1
    assert a_case.submit(a_case.take("AB"), "corrected", make_labels(1)) == 3


def test_a_line_cut_off_by_a_crash_is_left_out(a_case: CaseStore) -> None:
    path = a_case.folder / "history.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"kind": "accepted", "who": "A')
    assert [event.kind for event in a_case.history()] == ["proposed"]
    append_event(path, Event(kind="skipped", who="CD", when=now(), version=1))
    assert [event.kind for event in read_history(path)] == ["proposed", "skipped"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("hello", "line 2 is no JSON object"),
        ('{"kind": "praised", "who": "A", "when": "2026"}', "unknown kind 'praised'"),
        ('{"kind": "accepted"}', "line 2 is no event"),
        ('{"kind": "accepted", "who": "A", "when": "2026", "version": "1"}', "the version is '1'"),
    ],
)
def test_an_edited_history_is_refused(a_case: CaseStore, line: str, said: str) -> None:
    with (a_case.folder / "history.jsonl").open("a") as stream:
        stream.write(line + "\n")
    with pytest.raises(InputError, match=said):
        a_case.history()


def test_names_that_are_no_folders_are_refused() -> None:
    for name in ("../knee", "", "a/b", ".hidden", "x" * 200):
        with pytest.raises(InputError, match="cannot be a folder's"):
            case_folder_name(name)
    assert case_folder_name("Knie 7_ä.b-c") == "Knie 7_ä.b-c"


@pytest.mark.parametrize("labels", [True, False])
def test_labels_come_with_corrections_only(a_case: CaseStore, make_labels: MakeLabels, labels: bool) -> None:
    lock = a_case.take("AB")
    with pytest.raises(InputError, match="labels"):
        a_case.submit(lock, "accepted" if labels else "corrected", make_labels() if labels else None)


def test_killing_the_program_while_it_saves_loses_nothing(tmp_path: Path) -> None:
    """A child process saves version after version and is killed; what was saved is whole, and saving goes on."""
    code = textwrap.dedent("""
        import sys
        from pathlib import Path
        import numpy as np
        from MultiJointSegLib.annotation.refinement.store import CaseStore
        from MultiJointSegLib.imaging.geometry import Geometry
        from MultiJointSegLib.imaging.volume import Volume

        case = CaseStore(Path(sys.argv[1]))
        rng = np.random.default_rng(0)
        while True:
            array = rng.integers(0, 3, (40, 40, 40)).astype(np.uint8)
            case.propose(Volume(array, Geometry((40, 40, 40), (1.0, 1.0, 1.0))))
            print("saved", flush=True)
    """)
    case = CaseStore(tmp_path / "case")
    child = subprocess.Popen([sys.executable, "-c", code, str(case.folder)], stdout=subprocess.PIPE, text=True)
    for _ in range(4):
        assert child.stdout.readline() == "saved\n"
    time.sleep(0.013)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    case.recover()
    case.check()
    saved = case.versions()
    assert len(saved) >= 4
    for path in saved.values():
        assert read_label_map(path).array.shape == (40, 40, 40)
    told = [json.loads(line) for line in (case.folder / "history.jsonl").read_text().splitlines() if line.endswith("}")]
    assert {event["version"] for event in told} == set(saved)
