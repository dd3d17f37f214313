import os
import sys
import threading

import pytest

from MultiJointSegLib.inference import cache
from MultiJointSegLib.inference.cache import cache_folder, read_cached, write_cached


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MULTIJOINTSEG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_what_was_written_is_read(folder):
    assert read_cached("a.x") is None
    assert write_cached("a.x", b"content")
    assert read_cached("a.x") == b"content"
    assert [p.name for p in folder.iterdir()] == ["a.x"]


@pytest.mark.parametrize(
    "damage", [lambda d: d[:-1], lambda d: d + b"x", lambda d: d[:40] + b"?" + d[41:], lambda d: b""]
)
def test_damaged_content_is_removed_and_not_used(folder, damage):
    write_cached("a.x", b"some longer content")
    path = folder / "a.x"
    path.write_bytes(damage(path.read_bytes()))
    assert read_cached("a.x") is None
    assert not path.exists()


def test_a_folder_that_cannot_be_written_is_no_error(folder):
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("a file where the folder should be")
    assert not write_cached("a.x", b"content")
    assert read_cached("a.x") is None


def test_it_can_be_turned_off(monkeypatch):
    monkeypatch.setenv("MULTIJOINTSEG_CACHE", "off")
    assert cache_folder() is None
    assert not write_cached("a.x", b"content")
    assert read_cached("a.x") is None


def test_the_longest_unused_go_first(folder, monkeypatch):
    monkeypatch.setattr(cache, "KEPT_FILES", 3)
    for number in range(5):
        write_cached(f"{number}.x", b"content")
        os.utime(folder / f"{number}.x", (number + 1, number + 1))
    read_cached("2.x")
    write_cached("5.x", b"content")
    assert {p.name for p in folder.iterdir()} == {"2.x", "4.x", "5.x"}


def test_readers_never_see_half_a_file():
    contents = {bytes([n]) * 200_000 for n in range(4)}
    seen, stop = set(), threading.Event()

    def write(content):
        while not stop.is_set():
            write_cached("same.x", content)

    threads = [threading.Thread(target=write, args=(c,)) for c in contents]
    for thread in threads:
        thread.start()
    for _ in range(100):
        content = read_cached("same.x")
        if content is not None:
            seen.add(content)
    stop.set()
    for thread in threads:
        thread.join()
    assert seen
    assert seen <= contents


@pytest.mark.skipif(sys.platform != "linux", reason="The folder's place differs by platform.")
def test_place_on_linux(monkeypatch, tmp_path):
    monkeypatch.delenv("MULTIJOINTSEG_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "multijointseg"
