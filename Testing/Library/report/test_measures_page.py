"""The page that defines every measure."""

from __future__ import annotations

import re

import pytest

from MultiJointSegLib.errors import MultiJointSegError
from MultiJointSegLib.report import measures_page
from MultiJointSegLib.resources import resource_path


def pictures_named(text: str) -> list[str]:
    return re.findall(r"!\[[^]]*\]\(([^)]+)\)", text)


def test_the_page_that_comes_with_it_shows_all_its_pictures() -> None:
    folder = resource_path("Measures", "README.md").parent
    named = pictures_named((folder / "README.md").read_text(encoding="utf-8"))
    assert len(named) > 60
    assert set(named) >= {"knee/femur_sulcus_angle.png", "shoulder/glenoid_version.png", "ankle/talus_length.png"}
    assert all((folder / name).is_file() for name in named)


def test_every_measure_has_a_row_with_its_definition(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measures_page, "_SPACING_MM", 2.0)
    try:
        page = measures_page.write_measures_page(tmp_path, ["ankle"])
    except MultiJointSegError as error:
        pytest.skip(f"Nothing can be drawn here: {error}")
    text = page.read_text(encoding="utf-8")
    rows = {
        cells[1].strip(): cells for cells in (line.split("|") for line in text.splitlines() if line.startswith("| "))
    }
    assert rows["Talus: Length"][2].strip() == "mm" and "dome axis" in rows["Talus: Length"][3]
    assert "metatarsal heads" in rows["Calcaneus: Calcaneal pitch"][5]  # the reason stands where the picture would
    named = pictures_named(text)
    assert named and all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in named)
