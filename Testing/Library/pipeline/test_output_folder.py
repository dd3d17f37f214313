"""A result folder appears whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.pipeline.output_folder import staged_folder

OWN = frozenset({"run.json"})


def _tree(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_folder_appears_at_the_end_with_parents(tmp_path):
    out = tmp_path / "a" / "b" / "out"
    with staged_folder(out) as folder:
        (folder / "run.json").write_text("{}")
        assert not out.exists()
    assert _tree(tmp_path) == ["a", "a/b", "a/b/out", "a/b/out/run.json"]


def _write_and_fail(out: Path, error: type[BaseException], **keywords: object) -> None:
    with staged_folder(out, **keywords) as folder:
        (folder / "run.json").write_text("new")
        raise error("stop")


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_failure_leaves_nothing_not_even_parents(tmp_path, error):
    with pytest.raises(error):
        _write_and_fail(tmp_path / "a" / "out", error)
    assert _tree(tmp_path) == []


def test_existing_folder_is_refused(tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match="--overwrite"), staged_folder(tmp_path / "out"):
        pytest.fail("must not start")


def test_overwrite_replaces_after_success(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "run.json").write_text("old")
    with staged_folder(out, overwrite=True, own_names=OWN) as folder:
        (folder / "run.json").write_text("new")
        assert (out / "run.json").read_text() == "old"
    assert _tree(tmp_path) == ["out", "out/run.json"]
    assert (out / "run.json").read_text() == "new"


def test_failed_overwrite_keeps_the_old_result(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "run.json").write_text("old")
    with pytest.raises(ValueError, match="stop"):
        _write_and_fail(out, ValueError, overwrite=True, own_names=OWN)
    assert _tree(tmp_path) == ["out", "out/run.json"]
    assert (out / "run.json").read_text() == "old"


def test_overwrite_never_deletes_what_is_not_ours(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.docx").write_text("years of work")
    with pytest.raises(InputError, match=r"thesis\.docx"), staged_folder(out, overwrite=True, own_names=OWN):
        pytest.fail("must not start")
    assert (out / "thesis.docx").read_text() == "years of work"


def test_overwrite_ignores_clutter_of_file_managers(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / ".DS_Store").write_text("")
    with staged_folder(out, overwrite=True, own_names=OWN) as folder:
        (folder / "run.json").write_text("new")
    assert _tree(out) == ["run.json"]


def test_overwrite_does_not_replace_a_file(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(InputError, match="is a file"), staged_folder(tmp_path / "out", overwrite=True, own_names=OWN):
        pytest.fail("must not start")


def test_parent_that_is_a_file_is_refused_before_work(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"), staged_folder(tmp_path / "file" / "out"):
        pytest.fail("must not start")
    assert _tree(tmp_path) == ["file"]


def test_link_is_followed_and_stays_a_link(tmp_path):
    real = tmp_path / "real"
    real.mkdir()
    (real / "run.json").write_text("old")
    (tmp_path / "link").symlink_to(real, target_is_directory=True)
    with staged_folder(tmp_path / "link", overwrite=True, own_names=OWN) as folder:
        (folder / "run.json").write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (real / "run.json").read_text() == "new"
