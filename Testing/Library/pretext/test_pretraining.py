"""Training, its result, and what another network gets of it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from MultiJointSegLib.cli.main import main
from MultiJointSegLib.errors import CancelledError, InputError
from MultiJointSegLib.learning.pretext.config import parse_pretrain_config, read_pretrain_config
from MultiJointSegLib.learning.pretext.network import PretextNetwork, pretext_losses
from MultiJointSegLib.learning.pretext.prepared import PreparedSeries, PreparedStudy
from MultiJointSegLib.learning.pretext.pretrained import load_pretrained, read_pretext_network, save_pretrained
from MultiJointSegLib.learning.pretext.sampling import PretextSampler
from MultiJointSegLib.learning.pretext.slice_grid import Plane, SliceGrid
from MultiJointSegLib.learning.pretext.training import PretextTrainer, PretextTrainingSettings
from MultiJointSegLib.networks.shared_unet import SharedUNet

WIDTHS = (8, 8, 8, 8, 8)
SETTINGS = PretextTrainingSettings(
    steps=4, batch=2, size_px=32, warmup_steps=2, validate_every=2, validation_slices=4, learning_rate=1e-3
)


def small_study(name: str = "one") -> PreparedStudy:
    rng = np.random.default_rng(4)
    grids = tuple(SliceGrid((-30, -30, 4.0 * s), (2, 0, 0), (0, 2, 0), (32, 32)) for s in range(4))
    images = rng.random((4, 1, 32, 32)).astype(np.float16)
    crossing = {"sagittal": Plane((0, 0, 0), (1, 0, 0))}
    series = PreparedSeries("1", "axial", images, grids, np.linspace(0, 1, 4), 1, crossing)
    return PreparedStudy(name, "knee", "left", (series,))


def trainer(folder: Path, settings: PretextTrainingSettings = SETTINGS) -> PretextTrainer:
    torch.manual_seed(3)
    samplers = [PretextSampler([small_study()], sigma_mm=6.0, seed=seed) for seed in (1, 2)]
    return PretextTrainer(PretextNetwork(["shared"], WIDTHS), samplers[0], samplers[1], settings, folder)


def test_resumed_run_equals_a_straight_one(tmp_path: Path) -> None:
    straight = trainer(tmp_path / "straight")
    straight.run()

    class _Stop:
        def __init__(self, at: float, error: type[BaseException]) -> None:
            self.at, self.error = at, error

        def report(self, fraction: float, message: str) -> None:
            if fraction > self.at:
                raise self.error("stopped")

    with pytest.raises(CancelledError):  # by the user, in the first step: it is kept
        trainer(tmp_path / "resumed").run(_Stop(0.2, CancelledError))
    interrupted = trainer(tmp_path / "resumed")
    with pytest.raises(KeyboardInterrupt):  # as by a power cut, in the third step: it goes on from the second
        interrupted.run(_Stop(0.7, KeyboardInterrupt))
    second = trainer(tmp_path / "resumed")
    torch.manual_seed(99)  # whatever the new process draws, the checkpoint decides
    second.run()
    for key, value in straight.average.items():
        assert torch.equal(value, second.average[key]), key
    logs = [(tmp_path / name / "log.jsonl").read_text() for name in ("straight", "resumed")]
    assert logs[0] == logs[1]
    assert [json.loads(row)["step"] for row in logs[0].splitlines()] == [2, 4]


@pytest.mark.parametrize(("weights", "idle"), [((0.0, 1.0), "heat_head"), ((1.0, 0.0), "location_head")])
def test_task_of_weight_zero_gets_no_gradient(tmp_path: Path, weights: tuple[float, float], idle: str) -> None:
    t = trainer(tmp_path, replace(SETTINGS, line_weight=weights[0], location_weight=weights[1]))
    t.losses(t._train.batch(2, 32))["loss"].backward()
    for name, parameter in t.network.named_parameters():
        if name.startswith(idle) or (idle == "heat_head" and name.startswith("trunk.decoder")):
            assert parameter.grad is None, name
        elif name.startswith(("heat_head", "location_head")):
            assert parameter.grad is not None, name


def test_losses_count_only_what_is_there() -> None:
    heat, target = torch.ones(2, 2, 4, 4), torch.zeros(2, 2, 4, 4)
    present = torch.tensor([[True, False], [False, False]])
    line, place = pretext_losses(heat, torch.tensor([0.5, 0.9]), target, present, torch.tensor([0.1, float("nan")]))
    assert float(line) == 1.0
    assert float(place) == pytest.approx(0.16)
    nothing = pretext_losses(
        heat.requires_grad_(), torch.tensor([0.5, 0.9]), target, present & False, torch.full((2,), float("nan"))
    )
    assert [float(v.detach()) for v in nothing] == [0.0, 0.0]


def saved(folder: Path, domains: list[str]) -> PretextNetwork:
    torch.manual_seed(8)
    network = PretextNetwork(domains, WIDTHS)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if value.dtype.is_floating_point:
                value.add_(torch.rand_like(value) * 0.1 + (0.3 if ".domains.1." in name else 0.0))
    folder.mkdir(parents=True, exist_ok=True)
    save_pretrained(network, network.state_dict(), folder, {})
    return network


def test_segmentation_starts_from_encoder_and_decoder(tmp_path: Path) -> None:
    source = saved(tmp_path, ["shared"]).trunk.state_dict()
    network = SharedUNet({"ankle": 3, "knee": 4}, WIDTHS)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    transfer = load_pretrained(network, tmp_path)
    after = network.state_dict()
    assert set(transfer.loaded) == {k for k in after if k.startswith(("encoder.", "decoder."))}
    assert set(transfer.left) == {k for k in after if k.startswith(("heads.", "detector."))}
    for name in transfer.left:
        assert torch.equal(after[name], before[name])
    for name in transfer.loaded:
        own = name.replace(".domains.1.", ".domains.0.").replace(".domains.2.", ".domains.0.")
        assert torch.equal(after[name], source[own]), name


def test_only_the_encoder(tmp_path: Path) -> None:
    saved(tmp_path, ["shared"])
    network = SharedUNet({"knee": 4}, (16, 8, 8, 8, 8))  # another decoder does not matter
    assert all(name.startswith("encoder.") for name in load_pretrained(network, tmp_path, "encoder").loaded)
    with pytest.raises(InputError, match="does not fit the network"):
        load_pretrained(network, tmp_path, "all")
    with pytest.raises(InputError, match="'decoder'"):
        load_pretrained(network, tmp_path, "decoder")  # type: ignore[arg-type]


def test_domains_of_the_same_name_and_the_mean_for_others(tmp_path: Path) -> None:
    source = saved(tmp_path, ["knee", "hip"]).trunk.state_dict()
    network = SharedUNet({"ankle": 3, "hip": 2}, WIDTHS)
    load_pretrained(network, tmp_path)
    norm = "encoder.stem_norm.domains.{}.weight"
    own = network.state_dict()
    assert torch.equal(own[norm.format(1)], source[norm.format(1)])  # hip
    mean = (source[norm.format(0)] + source[norm.format(1)]) / 2
    assert torch.allclose(own[norm.format(0)], mean)  # ankle
    assert torch.allclose(own[norm.format(2)], mean)  # detection


def test_pretrained_network_predicts_the_same_after_reading(tmp_path: Path) -> None:
    network = saved(tmp_path, ["shared"]).eval()
    again, _ = read_pretext_network(tmp_path)
    x = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        for first, second in zip(network(x, "shared"), again(x, "shared"), strict=True):
            assert torch.equal(first, second)


def test_folder_without_a_pretraining(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not the result of a pretraining"):
        load_pretrained(SharedUNet({"knee": 4}, WIDTHS), tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "'data.folders' is missing"),
        ({"data": {"folders": []}}, "'data.folders' is missing"),
        ({"data": {"folders": ["a"], "pixel": 1}}, "nearest known key is 'data.pixel_mm'"),
        ({"data": {"folders": ["a"]}, "targets": {"line_weight": 0, "location_weight": 0}}, "both weights"),
        ({"data": {"folders": ["a"]}, "training": {"size_px": 100}}, "training.size_px"),
    ],
)
def test_configuration_mistakes(content: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_pretrain_config(content)


CONFIG = """
[data]
folders = ["archive"]
pixel_mm = 2.0
validation_share = 0.4
[network]
decoder_channels = [8, 8, 8, 8, 8]
[training]
steps = 2
batch = 2
size_px = 32
validate_every = 1
validation_slices = 2
"""


def test_command_from_an_archive_to_a_report(tmp_path: Path, a_study, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(2):
        a_study.folder = tmp_path / "archive" / f"patient{number}"
        a_study.study = f"1.2.3.{number}"
        a_study.series(1, (0, 1, 0, 0, 0, -1), (0, 3, 6), PatientName="Secret^Name")
        a_study.series(2, (1, 0, 0, 0, 1, 0), (0, 3, 6), SeriesDescription="cor")
    (tmp_path / "config.toml").write_text(CONFIG)
    assert read_pretrain_config(tmp_path / "config.toml").data.folders == (str(tmp_path / "archive"),)
    run = tmp_path / "run"
    assert main(["pretrain", str(tmp_path / "config.toml"), "-o", str(run), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert len(shown["studies"]["train"]) == len(shown["studies"]["held_back"]) == 1
    assert shown["errors"]["all"]["location"]["count"] == 6
    page = (run / "report.html").read_text()
    assert "data:image/png" in page and "described as &#39;cor&#39;" in page and "Secret" not in page
    assert "Secret" not in (run / "pretrained.json").read_text()
    load_pretrained(SharedUNet({"knee": 4}, WIDTHS), run)
    # Again: nothing is trained anew. Another configuration: refused.
    assert main(["pretrain", str(tmp_path / "config.toml"), "-o", str(run), "--quiet"]) == 0
    (tmp_path / "config.toml").write_text(CONFIG.replace("steps = 2", "steps = 3"))
    assert main(["pretrain", str(tmp_path / "config.toml"), "-o", str(run), "--quiet"]) == 2
    assert "another configuration" in capsys.readouterr().err


def test_layers_by_joint_from_an_archive_to_a_training(
    tmp_path: Path, a_study, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, joint in enumerate(("knee", "knee", "ankle", "ankle")):
        a_study.folder = tmp_path / "archive" / f"{joint}{number}"
        a_study.study = f"1.2.3.{number}"
        a_study.series(1, (0, 1, 0, 0, 0, -1), (0, 3, 6))
        a_study.series(2, (1, 0, 0, 0, 1, 0), (0, 3, 6))
        (a_study.folder / "study.json").write_text(json.dumps({"joint": joint}))
    (tmp_path / "config.toml").write_text(CONFIG.replace("[network]", '[network]\ndomains = "joint"'))
    run = tmp_path / "run"
    assert main(["pretrain", str(tmp_path / "config.toml"), "-o", str(run), "--quiet"]) == 0
    network, record = read_pretext_network(run)
    assert network.domains == ("ankle", "knee")
    assert record["errors"]["all"]["location"]["total"] == 12
    norms = [network.state_dict()[f"trunk.encoder.stem_norm.domains.{i}.running_mean"] for i in (0, 1)]
    assert not torch.equal(*norms)
    target = SharedUNet({"knee": 4}, WIDTHS)
    load_pretrained(target, run)
    assert torch.equal(target.state_dict()["encoder.stem_norm.domains.0.running_mean"], norms[1])
    (tmp_path / "archive" / "knee0" / "study.json").unlink()
    assert main(["pretrain", str(tmp_path / "config.toml"), "-o", str(tmp_path / "other"), "--quiet"]) == 2
    assert "study.json" in capsys.readouterr().err
