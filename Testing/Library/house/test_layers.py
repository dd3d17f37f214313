"""Imports go one way, the library knows neither Slicer nor Qt, and nothing that runs code is loaded as data."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

LAYERS: list[set[str]] = [
    {"__main__"},
    {"cli"},
    {"pipeline"},
    {"report"},
    {"evaluation", "annotation"},
    {"inference"},
    {"learning"},
    {"morphology"},
    {"surface"},
    {"networks"},
    {"phantom"},
    {"imaging"},
    {"anatomy"},
    {"progress", "resources"},
    {"errors"},
    {"__init__"},
]
"""Rooms of the library from top to bottom; a room imports itself and what lies below it."""

RANK = {room: rank for rank, rooms in enumerate(LAYERS) for room in rooms}
UNPICKLERS = {"torch.load", "torch.hub.load_state_dict_from_url"}
GUI_PACKAGES = {"slicer", "qt", "ctk", "PySide6", "PyQt5", "PyQt6"}


def room_of(path: Path, library: Path) -> str:
    return path.relative_to(library).parts[0].removesuffix(".py")


def test_every_room_has_a_layer(repository: Path) -> None:
    library = repository / "MultiJointSegLib"
    rooms = {room_of(path, library) for path in library.rglob("*.py")}
    assert rooms <= RANK.keys()


def test_rooms_import_only_what_lies_below(repository: Path, imported_names: Callable[[Path, bool], set[str]]) -> None:
    library = repository / "MultiJointSegLib"
    wrong = []
    for path in sorted(library.rglob("*.py")):
        room = room_of(path, library)
        for name in sorted(imported_names(path, False)):
            parts = name.split(".")
            if parts[0] != "MultiJointSegLib" or len(parts) < 2 or parts[1] not in RANK:
                continue
            if parts[1] != room and RANK[parts[1]] <= RANK[room]:
                wrong.append(f"{path.relative_to(repository)} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_library_imports_neither_slicer_nor_qt(
    repository: Path, imported_names: Callable[[Path, bool], set[str]]
) -> None:
    wrong = [
        f"{path.relative_to(repository)} imports {name}"
        for path in sorted((repository / "MultiJointSegLib").rglob("*.py"))
        for name in sorted(imported_names(path, False))
        if name.split(".")[0] in GUI_PACKAGES
    ]
    assert not wrong, "\n".join(wrong)


def test_only_pipeline_and_cli_use_the_scene(
    repository: Path, imported_names: Callable[[Path, bool], set[str]]
) -> None:
    library = repository / "MultiJointSegLib"
    users = {
        room_of(path, library)
        for path in library.rglob("*.py")
        if any(name.split(".")[0] == "MultiJointSegSlicer" for name in imported_names(path, False))
    }
    assert users <= {"pipeline", "cli"}


def test_scene_uses_no_qt(repository: Path, imported_names: Callable[[Path, bool], set[str]]) -> None:
    wrong = [
        f"{path.relative_to(repository)} imports {name}"
        for path in sorted((repository / "MultiJointSeg" / "MultiJointSegSlicer" / "scene").rglob("*.py"))
        for name in sorted(imported_names(path, False))
        if name.split(".")[0] in GUI_PACKAGES - {"slicer"}
    ]
    assert not wrong, "\n".join(wrong)


def test_weights_are_never_unpickled(repository: Path) -> None:
    wrong = []
    for path in sorted(repository.glob("MultiJointSeg*/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            guarded = any(k.arg == "weights_only" and ast.unparse(k.value) == "True" for k in node.keywords)
            if called.startswith("pickle.") or (called in UNPICKLERS and not guarded):
                wrong.append(f"{path.relative_to(repository)}:{node.lineno} calls {called}")
    assert not wrong, "\n".join(wrong)
