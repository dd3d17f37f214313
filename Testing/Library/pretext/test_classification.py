"""Classification of studies: learns what is easy, answers, and says what is wrong with a configuration."""

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from MultiJointSegLib.cli.main import main
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.learning.pretext.classification import SliceClassifier, read_classifier, read_labels
from MultiJointSegLib.learning.pretext.classification_config import parse_classification_config
from MultiJointSegLib.learning.pretext.network import PretextNetwork
from MultiJointSegLib.learning.pretext.pretrained import load_pretrained, save_pretrained

CONFIG = {
    "data": {"folders": ["archive"], "labels": "labels.csv", "pixel_mm": 2.0, "validation_share": 0.34},
    "network": {"initialization": "scratch", "backbone": "unet"},
    "augmentation": {"turn_deg": 0.0, "shift_mm": 0.0, "zoom": [1.0, 1.0]},
    "training": {"steps": 20, "batch": 4, "size_px": 32, "warmup_steps": 5},
}


def archive(folder: Path) -> None:
    """Studies whose images are striped along ("up") or across ("flat")."""
    rng = np.random.default_rng(3)
    rows = ["study,label"]
    for number in range(6):
        up = number % 2 == 0
        i = np.indices((4, 32, 32))[2 if up else 1]
        array = 500 + 400 * np.sin(i * 0.8 + rng.uniform(0, 6)) + rng.normal(0, 40, i.shape)
        image = sitk.GetImageFromArray(array.astype(np.float32))
        image.SetSpacing((2, 2, 5))
        place = folder / "archive" / f"s{number}"
        place.mkdir(parents=True)
        sitk.WriteImage(image, str(place / "axial.nii.gz"))
        rows.append(f"s{number},{'up' if up else 'flat'}")
    (folder / "labels.csv").write_text("\n".join([*rows, "s9,up"]))
    (folder / "config.json").write_text(json.dumps(CONFIG))


def test_command_trains_and_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive(tmp_path)
    run = tmp_path / "run"
    assert main(["classify", str(tmp_path / "config.json"), "-o", str(run), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["classes"] == ["flat", "up"]
    assert record["balanced_accuracy"] == 1.0
    assert {true: sum(row.values()) for true, row in record["confusion"].items()} == {"flat": 1, "up": 1}
    assert record["not_found"] == ["s9"]
    assert main(["classify", str(tmp_path / "archive" / "s2"), "--model", str(run), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["label"] == "up"
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-3)
    assert main(["classify", str(tmp_path / "config.json"), "-o", str(run)]) == 2
    assert "exists already" in capsys.readouterr().err


def test_encoder_comes_from_a_pretraining(tmp_path: Path) -> None:
    source = PretextNetwork(["shared"], (8, 8, 8, 8, 8))
    save_pretrained(source, source.state_dict(), tmp_path, {})
    network = SliceClassifier(3, "efficientnet_lite0")
    load_pretrained(network.shared, tmp_path, "encoder")
    name = "encoder.blocks.4.expand.weight"
    assert torch.equal(network.shared.state_dict()[name], source.trunk.state_dict()[name])
    assert network(torch.rand(2, 3, 32, 32)).shape == (2, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("study,class\na,b\n", "columns 'study' and 'label'"),
        ("study,label\na,b\na,c\n", "names the study 'a' twice"),
        ("study,label\na,\n", "without study or label"),
    ],
)
def test_mistakes_in_the_table(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_labels(tmp_path / "t.csv")


def test_mistakes_in_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'data\.labels' are needed"):
        parse_classification_config({"data": {"folders": ["a"]}})
    with pytest.raises(InputError, match="nearest known key"):
        parse_classification_config({"data": {"folders": ["a"], "labels": "b", "view": ["sagittal"]}})
    with pytest.raises(InputError, match="not a trained classifier"):
        read_classifier(tmp_path)


def test_one_study_of_a_class_is_too_few(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive(tmp_path)
    (tmp_path / "labels.csv").write_text("study,label\ns0,up\ns1,flat\ns2,up\n")
    assert main(["classify", str(tmp_path / "config.json"), "-o", str(tmp_path / "run")]) == 2
    assert "two studies each" in capsys.readouterr().err
