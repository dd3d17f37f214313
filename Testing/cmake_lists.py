"""Writes the file lists of the CMakeLists from the tree, or with --check says what differs (exit code 1).

Slicer packages only the files that a CMakeLists names. A list stands between the comments ``# begin of list PATTERNS``
and ``# end of list``; the patterns are comma-separated, relative to the folder of the CMakeLists, and match files at
any depth. A pattern that ends in ``*.py`` lists Python files, any other lists everything else.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CMAKE_FILES = (ROOT / "CMakeLists.txt", ROOT / "MultiJointSeg" / "CMakeLists.txt")
_LIST = re.compile(r"(?P<indent> *)# begin of list (?P<patterns>.+)\n(?P<body>(?:.*\n)*?) *# end of list\n")


def listed_files(folder: Path, patterns: str) -> list[str]:
    """Paths relative to `folder`, sorted, of the files on disk that the patterns match."""
    found = set()
    for pattern in patterns.split(","):
        parent, _, name = pattern.strip().rpartition("/")
        for path in (folder / parent).rglob(name):
            relative = path.relative_to(folder)
            hidden = any(part.startswith(".") or part == "__pycache__" for part in relative.parts)
            generated = path.suffix in (".pyc", ".partial")
            if path.is_file() and not hidden and not generated and (path.suffix == ".py") == name.endswith(".py"):
                found.add(relative.as_posix())
    return sorted(found)


def with_lists(cmake_file: Path) -> str:
    """Text of a CMakeLists with its lists as the tree is now."""

    def replace(match: re.Match[str]) -> str:
        indent, patterns = match["indent"], match["patterns"]
        rows = "".join(f"{indent}{name}\n" for name in listed_files(cmake_file.parent, patterns))
        return f"{indent}# begin of list {patterns}\n{rows}{indent}# end of list\n"

    return _LIST.sub(replace, cmake_file.read_text(encoding="utf-8"))


def differences(cmake_file: Path) -> list[str]:
    """Files missing from (+) and files too many in (-) the lists of a CMakeLists."""
    now = set(cmake_file.read_text(encoding="utf-8").splitlines())
    wanted = set(with_lists(cmake_file).splitlines())
    name = cmake_file.relative_to(ROOT).as_posix()
    return [f"{name}: +{line.strip()}" for line in sorted(wanted - now)] + [
        f"{name}: -{line.strip()}" for line in sorted(now - wanted)
    ]


def main(arguments: list[str]) -> int:
    """Write the lists, or check them; returns the exit code."""
    if arguments == ["--check"]:
        stale = [f for f in CMAKE_FILES if with_lists(f) != f.read_text(encoding="utf-8")]
        for line in (line for cmake_file in stale for line in differences(cmake_file)):
            print(line)
        print("Run `make cmake-lists`." if stale else "The lists equal the tree.")
        return 1 if stale else 0
    if arguments:
        print("Usage: cmake_lists.py [--check]")
        return 2
    for cmake_file in CMAKE_FILES:
        cmake_file.write_text(with_lists(cmake_file), encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
