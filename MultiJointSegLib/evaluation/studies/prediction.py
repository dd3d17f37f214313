"""Label maps from a network in memory, for examinations whose joint is known."""

from __future__ import annotations

import numpy as np
import torch

from MultiJointSegLib import anatomy
from MultiJointSegLib.imaging.canonical import canonical_slices
from MultiJointSegLib.imaging.intensity import normalize_intensity
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.inference.batches import padded
from MultiJointSegLib.inference.manifest import Preprocessing, SegmentationSettings
from MultiJointSegLib.inference.postprocess import clean_classes
from MultiJointSegLib.inference.result import label_volume
from MultiJointSegLib.networks.shared_unet import SharedUNet

_BATCH = 16


@torch.no_grad()
def predict_labels(
    network: SharedUNet, volume: Volume, joint: str, preprocessing: Preprocessing, device: torch.device
) -> Volume:
    """Segment an examination as `inference.segmenter.Segmenter` does, without detection and evidence.

    Parameters
    ----------
    network : SharedUNet
        In evaluation mode, on the device.
    volume : Volume
    joint : str
    preprocessing : Preprocessing
        As the network was trained.
    device : torch.device

    Returns
    -------
    Volume
        uint8, the catalog's labels, on the examination's grid.
    """
    slices = canonical_slices(
        normalize_intensity(volume),
        pixel_mm=preprocessing.pixel_mm,
        minimum_pitch_mm=preprocessing.minimum_pitch_mm,
        neighbor_mm=preprocessing.neighbor_mm,
    )
    count, height, width = len(slices.images), *slices.images.shape[2:]
    images = padded(slices.images, preprocessing.size_multiple)
    parts = []
    for start in range(0, count, _BATCH):
        batch = torch.from_numpy(np.ascontiguousarray(images[start : start + _BATCH])).to(device)
        parts.append(network(batch, joint).float().softmax(1)[:, :, :height, :width].cpu().numpy())
    classes, _ = slices.grid.argmax_to_native(np.concatenate(parts))
    bones = anatomy.joint(joint).bones
    radius = SegmentationSettings().closing_radius_mm
    cleaned = clean_classes(
        classes,
        volume.spacing_mm[::-1],
        count=len(bones),
        closing_radius_mm=radius,
        both_sides=anatomy.joint(joint).both_sides,
        in_parts=anatomy.joint(joint).classes_in_parts,
    )
    return label_volume(cleaned, bones, volume.geometry)
