"""The prior judges shapes: nothing for the truth, more for more holes and islands, and it stays as it is."""

import copy
import inspect
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from MultiJointSegLib.learning.prior import (
    AnatomicalPrior,
    AutoencoderSettings,
    load_shape_autoencoder,
    one_hot,
    reconstruction_dice,
    save_shape_autoencoder,
    train_shape_autoencoder,
)
from MultiJointSegLib.networks.shape_autoencoder import ShapeAutoencoder
from MultiJointSegLib.networks.shared_unet import SharedUNet

JOINTS = {"knee": 2, "shoulder": 1}
SIZE = 32


def _discs(joint: str, count: int, generator: torch.Generator) -> Tensor:
    """A disc for each bone of the joint, one beside the other, of random place and size."""
    row, column = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    target = torch.zeros(count, SIZE, SIZE, dtype=torch.int64)
    for n in range(count):
        for bone in range(JOINTS[joint]):
            u, v, w = torch.rand(3, generator=generator)
            center = (SIZE * (0.35 + 0.3 * u), SIZE * (bone + 0.4 + 0.2 * v) / JOINTS[joint])
            target[n][(row - center[0]) ** 2 + (column - center[1]) ** 2 < (4 + 3 * w) ** 2] = bone + 1
    return target


@pytest.fixture(scope="module", params=["domain layers", "padded"])
def a_trained_autoencoder(request: pytest.FixtureRequest) -> ShapeAutoencoder:
    torch.manual_seed(0)
    autoencoder = ShapeAutoencoder(JOINTS, (8, 16, 16), 8, domain_layers=request.param == "domain layers")
    generator = torch.Generator().manual_seed(1)
    losses = train_shape_autoencoder(
        autoencoder, lambda joint: _discs(joint, 4, generator), AutoencoderSettings(steps=90, learning_rate=1e-2)
    )
    assert len(losses) == 90 and losses[-1] < 0.5 * losses[0]
    assert not autoencoder.training
    return autoencoder


def test_one_autoencoder_reconstructs_unseen_shapes_of_all_joints(a_trained_autoencoder: ShapeAutoencoder) -> None:
    unseen = {joint: _discs(joint, 8, torch.Generator().manual_seed(99)) for joint in JOINTS}
    dice = reconstruction_dice(a_trained_autoencoder, unseen)
    assert {joint: len(values) for joint, values in dice.items()} == JOINTS
    assert min(value for values in dice.values() for value in values) > 0.8


def test_truth_is_not_penalized(a_trained_autoencoder: ShapeAutoencoder) -> None:
    prior = AnatomicalPrior(a_trained_autoencoder)
    for joint, bones in JOINTS.items():
        target = _discs(joint, 2, torch.Generator().manual_seed(5))
        assert float(prior.penalty(one_hot(target, bones + 1), target, joint)) == 0
        confident = 60 * one_hot(target, bones + 1)
        assert float(prior(confident, target, joint)) < 1e-12


def test_penalty_grows_with_holes_and_with_islands(a_trained_autoencoder: ShapeAutoencoder) -> None:
    prior = AnatomicalPrior(a_trained_autoencoder)
    row, column = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    target = ((row - 14) ** 2 + (column - 16) ** 2 < 8**2).long()[None]

    def penalty(center: tuple[int, int], radius: float, value: int) -> float:
        corrupted = target.clone()
        corrupted[:, (row - center[0]) ** 2 + (column - center[1]) ** 2 < radius**2] = value
        return float(prior.penalty(one_hot(corrupted, 2), target, "shoulder"))

    holes = [penalty((14, 16), radius, 0) for radius in (0, 1.5, 3, 5)]
    islands = [penalty((27, 27), radius, 1) for radius in (0, 1.5, 2.5, 4)]
    assert holes[0] == islands[0] == 0
    assert holes == sorted(holes) and len(set(holes)) == 4
    assert islands == sorted(islands) and len(set(islands)) == 4


def test_a_step_of_the_segmenter_leaves_the_prior_as_it_is(a_trained_autoencoder: ShapeAutoencoder) -> None:
    torch.manual_seed(0)
    prior = AnatomicalPrior(copy.deepcopy(a_trained_autoencoder))
    before = {k: v.clone() for k, v in prior.state_dict().items()}
    network = SharedUNet(JOINTS, (8, 8, 8, 8, 8), backbone="unet").train()
    prior.train()  # as a caller may who trains everything
    optimizer = torch.optim.SGD([*network.parameters(), *prior.parameters()], 0.1)
    prior(
        network(torch.randn(2, 3, 32, 32), "knee"), _discs("knee", 2, torch.Generator().manual_seed(5)), "knee"
    ).backward()
    optimizer.step()
    reached = [name for name, p in network.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0]
    assert "encoder.levels.0.first.weight" in reached and "heads.knee.weight" in reached
    assert all(p.grad is None for p in prior.parameters())
    assert all(torch.equal(value, before[key]) for key, value in prior.state_dict().items())
    assert not any(module.training for module in prior.modules())


def test_penalty_is_an_average_over_the_code() -> None:
    """Twice the image side by side: the same penalty, not twice (away from the seam, so with empty borders)."""
    torch.manual_seed(0)
    prior = AnatomicalPrior(ShapeAutoencoder({"shoulder": 1}, (4, 4), 4))
    target = torch.zeros(1, SIZE, SIZE, dtype=torch.int64)
    wrong = target.clone()
    wrong[:, 12:20, 12:20] = 1
    once = prior.penalty(one_hot(wrong, 2), target, "shoulder")
    twice = prior.penalty(one_hot(torch.cat([wrong, wrong], 2), 2), torch.cat([target, target], 2), "shoulder")
    assert float(once) > 0
    torch.testing.assert_close(twice, once)


def test_one_prior_for_each_joint() -> None:
    priors = {joint: ShapeAutoencoder({joint: bones}, (4, 4), 4) for joint, bones in JOINTS.items()}
    prior = AnatomicalPrior(priors)
    target = _discs("knee", 1, torch.Generator().manual_seed(0))
    assert float(prior.penalty(one_hot(target, 3), target, "knee")) == 0
    with pytest.raises(KeyError, match="knee, shoulder"):
        prior.penalty(one_hot(target, 3), target, "ankle")


def test_written_and_read_back(a_trained_autoencoder: ShapeAutoencoder, tmp_path: Path) -> None:
    save_shape_autoencoder(a_trained_autoencoder, tmp_path / "prior.safetensors")
    again = load_shape_autoencoder(tmp_path / "prior.safetensors")
    x = one_hot(_discs("knee", 1, torch.Generator().manual_seed(0)), 3)
    assert torch.equal(again(x, "knee"), a_trained_autoencoder(x, "knee"))
    assert [p.name for p in tmp_path.iterdir()] == ["prior.safetensors"]


@pytest.mark.parametrize(
    ("bug", "caught_by"),
    [
        ("gradient cut", test_a_step_of_the_segmenter_leaves_the_prior_as_it_is),
        ("not frozen", test_a_step_of_the_segmenter_leaves_the_prior_as_it_is),
        ("statistics go on", test_a_step_of_the_segmenter_leaves_the_prior_as_it_is),
        ("sum instead of mean", test_penalty_is_an_average_over_the_code),
    ],
)
def test_planted_bugs_are_caught(bug: str, caught_by: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    right = AnatomicalPrior.penalty
    if bug == "gradient cut":
        monkeypatch.setattr(AnatomicalPrior, "penalty", lambda prior, p, *rest: right(prior, p.detach(), *rest))
    elif bug == "not frozen":
        monkeypatch.setattr(AnatomicalPrior, "requires_grad_", lambda prior, flag: prior)
    elif bug == "statistics go on":
        monkeypatch.setattr(AnatomicalPrior, "train", torch.nn.Module.train)
    else:
        monkeypatch.setattr(AnatomicalPrior, "penalty", lambda prior, p, *rest: right(prior, p, *rest) * p.numel())
    autoencoder = ShapeAutoencoder(JOINTS, (4, 4), 4).eval()
    arguments = (autoencoder,) if "a_trained_autoencoder" in inspect.signature(caught_by).parameters else ()
    with pytest.raises((AssertionError, RuntimeError)):
        caught_by(*arguments)
