"""The contrastive loss equals values by hand; scales, weights and heads do what they say."""

import inspect
import math
import sys

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from MultiJointSegLib.learning.contrastive import MultiScaleContrast, pooled, supervised_contrastive_loss

AABB = torch.tensor([0, 0, 1, 1])
CROSS = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], dtype=torch.float64)


def _double_loop(embeddings: Tensor, classes: Tensor, temperature: float) -> float:
    """The definition, written out; anchors alone in their class are left out."""
    z = [[float(v) for v in row / row.norm()] for row in embeddings]
    c = classes.tolist()

    def exponential(i: int, j: int) -> float:
        return math.exp(sum(a * b for a, b in zip(z[i], z[j], strict=True)) / temperature)

    by_anchor = []
    for i in range(len(z)):
        positives = [p for p in range(len(z)) if p != i and c[p] == c[i]]
        if positives:
            total = sum(exponential(i, a) for a in range(len(z)) if a != i)
            by_anchor.append(-sum(math.log(exponential(i, p) / total) for p in positives) / len(positives))
    return sum(by_anchor) / len(by_anchor)


@pytest.mark.parametrize(("temperature", "value"), [(1.0, 0.551445), (0.1, 9.0796e-5)])
def test_two_perpendicular_pairs_by_hand(temperature: float, value: float) -> None:
    loss = float(supervised_contrastive_loss(CROSS, AABB, temperature))
    assert loss == pytest.approx(math.log(1 + 2 * math.exp(-1 / temperature)), rel=1e-10)
    assert loss == pytest.approx(value, rel=1e-5)


def test_equal_embeddings_give_log_3() -> None:
    assert float(supervised_contrastive_loss(torch.ones(4, 5, dtype=torch.float64), AABB)) == pytest.approx(math.log(3))


@pytest.fixture
def random_samples() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(9, 6, generator=generator, dtype=torch.float64), torch.tensor([2, 0, 1, 0, 2, 2, 1, 0, 3])


@pytest.mark.parametrize("temperature", [0.07, 0.5, 2.0])
def test_equals_the_double_loop(random_samples: tuple[Tensor, Tensor], temperature: float) -> None:
    loss = float(supervised_contrastive_loss(*random_samples, temperature))
    assert loss == pytest.approx(_double_loop(*random_samples, temperature), abs=1e-12)


def test_gradient_is_right(random_samples: tuple[Tensor, Tensor]) -> None:
    z, classes = random_samples
    assert torch.autograd.gradcheck(lambda x: supervised_contrastive_loss(x, classes, 0.5), z.requires_grad_())


def test_order_rotation_and_length_do_not_matter(random_samples: tuple[Tensor, Tensor]) -> None:
    z, classes = random_samples
    loss = supervised_contrastive_loss(z, classes)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(1))
    rotation = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(2)))[0]
    length = torch.linspace(0.1, 9, 9, dtype=torch.float64)[:, None]
    torch.testing.assert_close(supervised_contrastive_loss(z[order], classes[order]), loss, rtol=0, atol=1e-12)
    torch.testing.assert_close(supervised_contrastive_loss(z @ rotation, classes), loss, rtol=0, atol=1e-12)
    torch.testing.assert_close(supervised_contrastive_loss(z * length, classes), loss, rtol=0, atol=1e-12)


def test_a_sample_alone_in_its_class_pushes_the_others_only() -> None:
    alone = torch.cat([CROSS, CROSS.new_tensor([[-1.0, 0.0]])])
    loss = float(supervised_contrastive_loss(alone, torch.tensor([0, 0, 1, 1, 2]), 1.0))
    e = math.exp
    by_hand = (math.log((e(1) + 2 + e(-1)) / e(1)) + math.log((e(1) + 2 + 1) / e(1))) / 2
    assert loss == pytest.approx(by_hand, rel=1e-12)


def test_only_lonely_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="at least two samples"):
        supervised_contrastive_loss(CROSS, torch.arange(4))
    with pytest.raises(ValueError, match="temperature"):
        supervised_contrastive_loss(CROSS, AABB, 0.0)


CHANNELS = (6, 4, 5)


def _levels() -> dict[str, list[Tensor]]:
    generator = torch.Generator().manual_seed(4)
    return {
        joint: [
            torch.randn(count, c, 2 + s, 2 + s, generator=generator).requires_grad_() for s, c in enumerate(CHANNELS)
        ]
        for joint, count in (("knee", 3), ("ankle", 2))
    }


@pytest.mark.parametrize("projection", ["identity", "mlp"])
def test_multi_scale_is_the_mean_of_the_single_scales(projection: str) -> None:
    torch.manual_seed(0)
    contrast = MultiScaleContrast(CHANNELS, projection=projection, projection_channels=7)
    total, by_scale = contrast(_levels())
    assert list(by_scale) == [0, 1, 2]
    torch.testing.assert_close(total, torch.stack(list(by_scale.values())).mean())
    if projection == "identity":
        z = torch.cat([F.relu(f[1]).mean((2, 3)) for f in _levels().values()])
        torch.testing.assert_close(by_scale[1], supervised_contrastive_loss(z, torch.tensor([0, 0, 0, 1, 1])))


def test_weights_are_of_the_scales_named() -> None:
    everything = MultiScaleContrast(CHANNELS)(_levels())[1]
    total, by_scale = MultiScaleContrast(CHANNELS, [2, 0], [3.0, 1.0])(_levels())
    assert set(by_scale) == {0, 2}
    torch.testing.assert_close(total, 0.75 * everything[2] + 0.25 * everything[0])


@pytest.mark.parametrize("projection", ["identity", "mlp"])
def test_gradient_reaches_each_level_and_head(projection: str) -> None:
    levels = _levels()
    contrast = MultiScaleContrast(CHANNELS, projection=projection)
    contrast(levels)[0].backward()
    assert all(f.grad is not None and f.grad.abs().sum() > 0 for features in levels.values() for f in features)
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in contrast.parameters())
    assert (sum(1 for _ in contrast.parameters()) > 0) == (projection == "mlp")


@pytest.mark.parametrize(
    ("scales", "weights"), [([], None), ([0, 0], None), ([3], None), ([0, 1], [1.0]), ([0], [0.0]), ([0], [-1.0])]
)
def test_impossible_scales_are_refused(scales: list[int], weights: list[float] | None) -> None:
    with pytest.raises(ValueError, match="scale"):
        MultiScaleContrast(CHANNELS, scales, weights)


def test_features_are_pooled_after_the_rectification() -> None:
    """The mean of what leaves a batch normalization is its shift, whatever the image: it must not be the embedding."""
    norm = torch.nn.BatchNorm2d(3)
    beta = torch.tensor([0.5, -1.0, 2.0])
    with torch.no_grad():
        norm.bias.copy_(beta)
    a, b = (norm(torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(s)) ** 3 * s) for s in (1, 2))
    torch.testing.assert_close(a.mean((0, 2, 3)), beta, atol=1e-4, rtol=0)
    torch.testing.assert_close(b.mean((0, 2, 3)), beta, atol=1e-4, rtol=0)
    assert float((pooled(a).mean(0) - beta).abs().max().detach()) > 0.1
    assert float(pooled(a).min().detach()) >= 0


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("similarity.masked_fill(itself, -torch.inf)", "similarity"),  # the sample itself in the denominator
        (" & ~itself", ""),  # the sample as its own positive
        (" / temperature", ""),
        (" / count[count > 0]", ""),  # the sum over the positives instead of the mean
        ("F.normalize(embeddings, dim=1)", "embeddings"),
        ("classes[:, None] ==", "classes[:, None] !="),
    ],
)
def test_planted_bugs_are_caught(
    right: str, wrong: str, random_samples: tuple[Tensor, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = inspect.getsource(supervised_contrastive_loss)
    assert right in source
    namespace = dict(vars(sys.modules[supervised_contrastive_loss.__module__]))
    exec(source.replace(right, wrong), namespace)
    monkeypatch.setitem(globals(), "supervised_contrastive_loss", namespace["supervised_contrastive_loss"])
    with pytest.raises(AssertionError):
        test_equals_the_double_loop(random_samples, 0.5)
