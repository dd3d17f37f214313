"""Options of `revise` that need each other."""

from __future__ import annotations

import pytest

from MultiJointSegLib.cli.main import main


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--run", "run.json"), "--run needs --examination too"),
        (("--dicom-source", "series"), "--dicom-source needs --run and --examination too"),
    ],
)
def test_an_option_without_what_it_needs_is_told(tmp_path, capsys, options: tuple[str, str], said: str) -> None:
    assert main(["revise", "corrected.seg.nrrd", "-o", str(tmp_path / "out"), *options]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
