"""A training from its configuration file: splits, early stopping, cancelling, going on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from MultiJointSegLib.errors import CancelledError, InputError
from MultiJointSegLib.imaging.writing import write_volume
from MultiJointSegLib.learning.config import parse_config
from MultiJointSegLib.learning.examination_data import read_split
from MultiJointSegLib.learning.manifest_training import train_from_file
from MultiJointSegLib.progress import CallbackProgress

CONFIG: dict = {
    "scheme": "individual",
    "network": {"backbone": "unet", "decoder_channels": [8, 8, 8, 8, 8]},
    "training": {
        "steps": 4,
        "slices_per_joint": 2,
        "sizes_px": [32],
        "warmup_steps": 1,
        "detection_weight": 0,
        "validate_every": 1,
        "validation_slices": 2,
        "validation_size_px": 32,
        "bfloat16": False,
    },
    "data": {"manifest": "dataset.json", "cache": "cache", "pixel_mm": 4.0},
}


@pytest.fixture(scope="module")
def a_dataset(a_small_knee, tmp_path_factory) -> Path:
    """Four knees in a folder with their manifest, without splits."""
    folder = tmp_path_factory.mktemp("dataset")
    image, labels = a_small_knee
    write_volume(labels, folder / "labels.nii.gz")
    entries = []
    for n in range(4):
        noisy = image.array + np.random.default_rng(n).normal(0, 10, image.array.shape)
        write_volume(image.with_array(noisy.astype(np.int16)), folder / f"knee{n}.nii.gz")
        (folder / f"knee{n}_labels.nii.gz").write_bytes((folder / "labels.nii.gz").read_bytes())
        entry = {"image": f"knee{n}.nii.gz", "label": f"knee{n}_labels.nii.gz", "joint": "knee", "subject": f"s{n}"}
        entries.append(entry)
    (folder / "dataset.json").write_text(json.dumps({"name": "knees", "examinations": entries}))
    return folder


def _write(folder: Path, name: str, **training: object) -> Path:
    path = folder / f"{name}.json"
    path.write_text(json.dumps({**CONFIG, "training": {**CONFIG["training"], **training}}))
    return path


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "knee" / "average.safetensors")


def _set_splits(folder: Path, splits: list[str | None]) -> Path:
    content = json.loads((folder / "dataset.json").read_text())
    for entry, split in zip(content["examinations"], splits, strict=True):
        entry.update({} if split is None else {"split": split})
    (folder / "split.json").write_text(json.dumps(content))
    return folder / "split.json"


def test_cancelled_training_goes_on_to_the_same_end(a_dataset, tmp_path) -> None:
    path = _write(a_dataset, "plain")
    straight = train_from_file(path, tmp_path / "straight")
    assert (len(straight.train), len(straight.validation)) == (3, 1)
    assert not set(straight.train) & set(straight.validation)
    seen: list[str] = []
    stop = CallbackProgress(lambda _, message: seen.append(message), lambda: "step 2" in "".join(seen))
    with pytest.raises(CancelledError):
        train_from_file(path, tmp_path / "cut", progress=stop)
    assert not (tmp_path / "cut" / "knee" / "run.json").exists()
    messages: list[str] = []
    train_from_file(path, tmp_path / "cut", progress=CallbackProgress(lambda _, message: messages.append(message)))
    assert not any("step 2 " in message for message in messages)  # what was learned is not learned again
    assert any("step 4 of 4" in message and "min left" in message for message in messages)
    ours, theirs = _weights(tmp_path / "cut"), _weights(tmp_path / "straight")
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    record = json.loads((tmp_path / "cut" / "knee" / "run.json").read_text())
    assert record["preprocessing"]["pixel_mm"] == 4.0 and record["steps"] == 4
    assert record["data"]["validation"] == straight.validation
    before = (tmp_path / "cut" / "knee" / "run.json").stat().st_mtime_ns
    train_from_file(path, tmp_path / "cut")
    assert (tmp_path / "cut" / "knee" / "run.json").stat().st_mtime_ns == before


def test_early_stopping_keeps_the_best_weights(a_dataset, tmp_path, monkeypatch) -> None:
    """The validation gets worse after the second step: training ends two validations later, with those weights."""
    dice = iter([0.3, 0.8, 0.5, 0.6, 0.9, 0.9, 0.9])
    kept: list[dict[str, torch.Tensor]] = []

    def measure(self, network, contrast=None):
        kept.append({key: value.clone() for key, value in network.state_dict().items()})
        return {"validation_dice": {"knee": [next(dice)]}}

    monkeypatch.setattr("MultiJointSegLib.learning.validation.Validation.measure", measure)
    train_from_file(_write(a_dataset, "patient", patience=2, steps=7), tmp_path / "run")
    rows = [json.loads(line) for line in (tmp_path / "run" / "knee" / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    saved = _weights(tmp_path / "run")
    assert all(torch.equal(saved[key], kept[1][key]) for key in saved)
    assert not all(torch.equal(saved[key], kept[3][key]) for key in saved)


def test_patience_without_validation_is_refused(a_dataset, tmp_path) -> None:
    _set_splits(a_dataset, ["train"] * 4)
    content = {**CONFIG, "data": {**CONFIG["data"], "manifest": "split.json"}}
    content["training"] = {**CONFIG["training"], "patience": 2}
    path = a_dataset / "refused.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="no examination is set aside"):
        train_from_file(path, tmp_path / "run")


def _split(folder: Path, **changes: object):
    config = parse_config({**CONFIG, **changes})
    return read_split(config, folder)


def test_splits_of_the_manifest_are_kept(a_dataset) -> None:
    _set_splits(a_dataset, ["train", "validation", "test", "train"])
    config, _, split = _split(a_dataset, data={"manifest": "split.json"})
    assert config.joints == ("knee",)  # the manifest's, since the configuration names none
    assert [e.name for e in split.train] == ["knee0", "knee3"]
    assert [e.name for e in split.validation] == ["knee1"]


def test_folds_choose_who_trains(a_dataset) -> None:
    fold = {"train": ["knee0"], "validation": ["knee1"], "test": ["knee2", "knee3"]}
    (a_dataset / "folds.json").write_text(json.dumps({"folds": [fold]}))
    _, _, split = _split(a_dataset, data={"manifest": "dataset.json", "folds": "folds.json"})
    assert [e.name for e in split.train] == ["knee0"] and [e.name for e in split.validation] == ["knee1"]
    with pytest.raises(InputError, match=r"data\.fold is 2, but folds\.json holds 1"):
        _split(a_dataset, data={"manifest": "dataset.json", "folds": "folds.json", "fold": 2})


def test_what_the_configuration_lacks_is_named(a_dataset) -> None:
    with pytest.raises(InputError, match="names no examinations"):
        _split(a_dataset, data={})
    with pytest.raises(InputError, match=r"'shoulder', but dataset\.json lists no examination"):
        _split(a_dataset, joints=["shoulder"])
    _set_splits(a_dataset, ["test"] * 4)
    with pytest.raises(InputError, match="no examination of the knee in the part 'train'"):
        _split(a_dataset, data={"manifest": "split.json"})
