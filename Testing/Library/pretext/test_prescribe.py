"""The command that proposes planes, with heat maps as a perfect network would give them."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from MultiJointSegLib.cli.main import main
from MultiJointSegLib.learning.pretext import prediction
from MultiJointSegLib.learning.pretext.config import parse_pretrain_config
from MultiJointSegLib.learning.pretext.lines import heat_map
from MultiJointSegLib.learning.pretext.network import PretextNetwork
from MultiJointSegLib.learning.pretext.prepared import CHANNELS, PreparedSeries
from MultiJointSegLib.learning.pretext.pretrained import save_pretrained

SAGITTAL = (0, 1, 0, 0, 0, -1)
CORONAL = (1, 0, 0, 0, 0, -1)
AXIAL = (1, 0, 0, 0, 1, 0)


@pytest.fixture
def a_model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    network = PretextNetwork(["shared"], (8, 8, 8, 8, 8))
    config = parse_pretrain_config({"data": {"folders": ["x"], "pixel_mm": 1.0}})
    learned = {channel: {"line_mm": {"count": 3}} for channel in ("sagittal", "coronal", "axial")}
    record = {"config": config.model_dump(mode="json"), "errors": learned}
    save_pretrained(network, network.state_dict(), folder, record)
    return folder


def test_planes_of_a_study(a_study, a_model: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, axes in enumerate((SAGITTAL, CORONAL, AXIAL), start=1):
        a_study.series(number, axes, (0, 4, 8), shape=(24, 24))

    def perfect(_network: object, series: PreparedSeries, _domain: str, indices: Sequence[int]) -> tuple:
        maps = np.zeros((len(indices), len(CHANNELS), *series.grids[0].shape), np.float32)
        for row, index in enumerate(indices):
            for channel, plane in series.crossing.items():
                maps[row, CHANNELS.index(channel)] = heat_map(series.grids[index], plane, 5.0)
        return maps, np.zeros(len(indices))

    monkeypatch.setattr(prediction, "predict_series", perfect)
    output = tmp_path / "planes.mrk.json"
    command = ["prescribe", str(a_study.folder), "--model", str(a_model), "-o", str(output), "--json"]
    assert main(command) == 0
    shown = json.loads(capsys.readouterr().out)
    assert {p["name"] for p in shown["planes"]} == {"sagittal", "coronal", "axial"}
    for plane in shown["planes"]:
        assert plane["lines"] == 6
        assert plane["angle_to_acquired_deg"] < 1 and plane["distance_to_acquired_mm"] < 0.5
    assert {m["name"] for m in json.loads(output.read_text())["markups"]} == {"sagittal", "coronal", "axial"}
    assert main(command) == 2
    assert "exists already" in capsys.readouterr().err


def test_nothing_found_is_a_refusal(a_study, a_model: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    a_study.series(1, SAGITTAL, (0, 4, 8))

    def nothing(_network: object, series: PreparedSeries, _domain: str, indices: Sequence[int]) -> tuple:
        return np.zeros((len(indices), len(CHANNELS), *series.grids[0].shape)), np.zeros(len(indices))

    monkeypatch.setattr(prediction, "predict_series", nothing)
    output = tmp_path / "planes.mrk.json"
    assert main(["prescribe", str(a_study.folder), "--model", str(a_model), "-o", str(output)]) == 3
    assert "too few lines" in capsys.readouterr().err
    assert not output.exists()


def test_mistakes(a_study, a_model: Path, tmp_path: Path, capsys) -> None:
    a_study.series(1, SAGITTAL, (0, 4, 8))
    assert main(["prescribe", str(a_study.folder), "--model", str(a_model), "-o", "planes.json"]) == 2
    assert ".mrk.json" in capsys.readouterr().err
    record = json.loads((a_model / "pretrained.json").read_text())
    (a_model / "pretrained.json").write_text(json.dumps(record | {"errors": {}}))
    output = str(tmp_path / "p.mrk.json")
    assert main(["prescribe", str(a_study.folder), "--model", str(a_model), "-o", output]) == 2
    assert "learned no lines" in capsys.readouterr().err
