"""The CMakeLists name every file that Slicer has to package, and no other."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest


def test_lists_equal_the_tree(repository: Path) -> None:
    check = subprocess.run(
        [sys.executable, str(repository / "Testing" / "cmake_lists.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert check.returncode == 0, check.stdout + check.stderr


@pytest.mark.parametrize("folder", ["", "MultiJointSeg"])
def test_listed_files_exist(repository: Path, folder: str) -> None:
    """Slicer's macro stops at a file that does not exist; read independently of the script that writes the lists."""
    text = (repository / folder / "CMakeLists.txt").read_text(encoding="utf-8")
    listed = re.findall(r"begin of list .*\n((?:.*\n)*?) *# end of list", text)
    files = [line.strip() for rows in listed for line in rows.splitlines()]
    assert len(files) > 3
    assert [name for name in files if not (repository / folder / name).is_file()] == []
