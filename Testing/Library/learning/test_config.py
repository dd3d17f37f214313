"""Configurations: read from TOML and JSON, unknown keys refused with the nearest known one."""

import json
from dataclasses import fields
from pathlib import Path

import pytest

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.learning.config import LearningConfig, OptimizationConfig, known_keys, parse_config, read_config
from MultiJointSegLib.learning.training_settings import TrainingSettings

TOML = """
scheme = "shared_multiscale"   # everything else is the default
joints = ["knee", "hip"]
[network]
backbone = "attention_unet"
[contrast]
temperature = 0.5
scales = [0, 2]
"""


def test_toml_and_json_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(TOML)
    config = read_config(tmp_path / "a.toml")
    assert config.scheme == "shared_multiscale"
    assert config.joints == ("knee", "hip")
    assert config.network.backbone == "attention_unet"
    assert (config.contrast.temperature, config.contrast.scales) == (0.5, (0, 2))
    (tmp_path / "a.json").write_text(config.model_dump_json())
    assert read_config(tmp_path / "a.json") == config


def test_empty_configuration_is_the_default() -> None:
    assert parse_config({}) == LearningConfig()
    assert parse_config({}).scheme == "all"


@pytest.mark.parametrize(
    ("content", "unknown", "nearest"),
    [
        ({"shceme": "all"}, "shceme", "scheme"),
        ({"contrast": {"temprature": 1.0}}, "contrast.temprature", "contrast.temperature"),
        ({"temperature": 1.0}, "temperature", "contrast.temperature"),
        ({"training": {"stepps": 5}}, "training.stepps", "training.steps"),
        ({"prior": {"stepps": 5}}, "prior.stepps", "prior.steps"),
        ({"network": {"back_bone": "unet"}, "seed": "wrong too"}, "network.back_bone", "network.backbone"),
    ],
)
def test_unknown_key_is_refused_with_the_nearest_known_one(content: dict, unknown: str, nearest: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_config(content, "hospital.toml")
    assert str(caught.value) == f"hospital.toml: there is no key '{unknown}'; the nearest known key is '{nearest}'."


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ({"scheme": "best"}, "scheme"),
        ({"joints": ["elbow"]}, "joints"),
        ({"joints": ["knee", "knee"]}, "joints"),
        ({"joints": []}, "joints"),
        ({"contrast": {"temperature": 0}}, "contrast.temperature"),
        ({"contrast": {"scales": "some"}}, "contrast.scales"),
        ({"contrast": {"weight": -1}}, "contrast.weight"),
        ({"prior": {"weight": "much"}}, "prior.weight"),
        ({"training": {"sizes_px": [100]}}, "training.sizes_px"),
        ({"training": {"slices_per_joint": 1}}, "training.slices_per_joint"),
        ({"training": {"steps": 2.5}}, "training.steps"),
        ({"network": {"decoder_channels": [8, 8]}}, "network.decoder_channels"),
    ],
)
def test_unusable_value_is_refused_with_its_key(content: dict, key: str) -> None:
    with pytest.raises(InputError, match=rf"^configuration: '{key}(\.\d+)?' is .+: .+\.$"):
        parse_config(content)


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    for name, text, complaint in (
        ("a.toml", "scheme = ", "not valid TOML"),
        ("a.json", "{", "not valid JSON"),
        ("b.json", "[]", "a table of keys and values"),
        ("a.yaml", "", "neither"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError, match=complaint):
            read_config(tmp_path / name)
    with pytest.raises(InputError, match="cannot be read"):
        read_config(tmp_path / "missing.toml")


def test_training_keys_are_the_training_loop_s() -> None:
    theirs = {field.name: field.default for field in fields(TrainingSettings)}
    ours = OptimizationConfig().model_dump()
    assert ours == {name: theirs[name] for name in ours}


def test_known_keys_cover_a_full_configuration() -> None:
    content = json.loads(LearningConfig().model_dump_json())
    flat = set(content) | {f"{section}.{key}" for section, v in content.items() if isinstance(v, dict) for key in v}
    assert set(known_keys()) == flat
