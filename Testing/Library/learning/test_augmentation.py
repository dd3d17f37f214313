"""Random changes of slices: nothing changes when nothing is asked for, and images and labels change together."""

from __future__ import annotations

from dataclasses import replace

import torch

from MultiJointSegLib.learning.augmentation import STILL, AugmentationSettings, blur, deform, shade


def _window(b: int = 2, width: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    """A bright block on the left of the middle, labeled 1; the neighbors are 0.1 and 0.3 brighter everywhere."""
    image = torch.zeros(b, 3, width, width)
    image[:, :, 12:28, 8:18] = 0.5
    image += torch.tensor([0.1, 0.0, 0.3]).view(1, 3, 1, 1)
    classes = torch.zeros(b, width, width, dtype=torch.int64)
    classes[:, 12:28, 8:18] = 1
    return image, classes


def _deformed(settings: AugmentationSettings, size: int = 20, seed: int = 1, b: int = 2, sagittal: bool = False):
    image, classes = _window(b)
    generator = torch.Generator().manual_seed(seed)
    return deform(image, classes, torch.full((b,), sagittal), size, 1.0, settings, generator)


def test_without_change_the_crop_is_the_middle_of_the_window() -> None:
    images, classes = _deformed(STILL)
    window, labels = _window()
    torch.testing.assert_close(images, window[:, :, 10:30, 10:30])
    assert torch.equal(classes, labels[:, 10:30, 10:30])
    unchanged = shade(images, STILL, torch.Generator().manual_seed(1))
    torch.testing.assert_close(unchanged, images)


def test_labels_go_where_the_image_goes() -> None:
    settings = AugmentationSettings(rotation_deg=30, zoom=(0.8, 1.25), elastic_mm=1.0)
    images, classes = _deformed(settings, b=8)
    bright = images[:, 1] > 0.25
    assert (bright == (classes == 1)).float().mean() > 0.97
    assert len({int(c.sum()) for c in classes}) > 4  # each slice has a change of its own


def test_mirror_turns_columns_or_in_sagittal_slices_the_neighbors() -> None:
    settings = replace(STILL, mirror=True)
    window, _ = _window(1)
    straight = window[:, :, 10:30, 10:30]
    for sagittal, mirrored in ((False, straight.flip(3)), (True, straight.flip(1))):
        found = {True: 0, False: 0}
        for seed in range(12):
            images, _ = _deformed(settings, seed=seed, b=1, sagittal=sagittal)
            is_mirrored = torch.allclose(images, mirrored, atol=1e-5)
            assert is_mirrored or torch.allclose(images, straight, atol=1e-5)
            found[is_mirrored] += 1
        assert min(found.values()) >= 2


def test_a_window_holds_every_crop() -> None:
    """Rotated by the largest angle at the smallest zoom, no pixel of the crop lies outside the window."""
    settings = replace(STILL, rotation_deg=30, zoom=(0.7, 0.7))
    size = 20
    width = round(size * settings.window_factor) + 2
    window = torch.ones(16, 3, width, width)
    generator = torch.Generator().manual_seed(0)
    no_classes = torch.zeros(16, width, width, dtype=torch.int64)
    images, _ = deform(window, no_classes, torch.zeros(16, dtype=torch.bool), size, 1.0, settings, generator)
    assert float(images.min()) > 0.99


def test_outside_the_window_is_air() -> None:
    images, classes = _deformed(STILL, size=60)
    assert float(images[:, :, :5].abs().max()) == 0 and int(classes[:, :5].max()) == 0


def test_the_seed_decides_everything() -> None:
    first, again, other = (_deformed(AugmentationSettings(), seed=s)[0] for s in (3, 3, 4))
    assert torch.equal(first, again) and not torch.equal(first, other)
    shaded = [shade(first, AugmentationSettings(), torch.Generator().manual_seed(s)) for s in (3, 3, 4)]
    assert torch.equal(shaded[0], shaded[1]) and not torch.equal(shaded[0], shaded[2])
    assert all(float(s.min()) >= 0 for s in shaded)


def test_blur_keeps_the_mean_and_a_constant() -> None:
    image = torch.zeros(1, 3, 31, 31)
    image[:, :, 15, 15] = 1
    soft = blur(image, 1.5)
    assert abs(float(soft.sum()) - 3) < 1e-4
    assert float(soft.max()) < 0.1
    torch.testing.assert_close(blur(torch.full((1, 2, 9, 9), 0.7), 2.0), torch.full((1, 2, 9, 9), 0.7))
