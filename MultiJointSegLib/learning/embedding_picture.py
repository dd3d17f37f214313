"""The picture of the shared representation: t-SNE of the pooled features at each scale, colored by joint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from MultiJointSegLib.learning.contrastive import MultiScaleContrast
from MultiJointSegLib.learning.diagnostics import linear_probe_accuracy
from MultiJointSegLib.learning.tsne import tsne
from MultiJointSegLib.networks.shared_unet import SharedUNet


@torch.no_grad()
def draw_embeddings(
    network: SharedUNet, contrast: MultiScaleContrast, images: Mapping[str, Tensor], path: Path
) -> dict[int, float]:
    """Write a PNG with a panel for each scale; the title says the joint accuracy of a linear probe.

    Distances between far clusters mean little in t-SNE: read the picture together with the probe and with
    `diagnostics.ContrastDiagnosis.returned`.

    Parameters
    ----------
    network : SharedUNet
        Judged in evaluation mode, and left as it is.
    contrast : MultiScaleContrast
    images : mapping of str to float tensor of shape (b, 3, h, w)
        Slices of each of at least two joints that the network was not trained on; a few dozen of each.
    path : Path
        Written whole or not at all.

    Returns
    -------
    dict of int to float
        Probe accuracy of each scale.
    """
    training = network.training
    network.eval()
    try:
        embeddings, classes = contrast.embeddings(network.features_of(images))
    finally:
        network.train(training)
    figure = Figure(figsize=(3.2 * len(embeddings), 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    accuracy = {}
    for column, (scale, z) in enumerate(zip(contrast.scales, embeddings, strict=True), start=1):
        unit = torch.nn.functional.normalize(z.double(), dim=1).cpu()
        accuracy[scale] = linear_probe_accuracy(z, classes)
        plane = tsne(unit.numpy(), perplexity=min(15.0, (len(unit) - 1) / 3))
        axes = figure.add_subplot(1, len(embeddings), column)
        for index, joint in enumerate(images):
            members = (classes == index).cpu().numpy()
            axes.scatter(plane[members, 0], plane[members, 1], s=10, label=joint, linewidths=0)
        name = "bottleneck" if scale == 0 else f"decoder level {scale}"
        axes.set_title(f"{name}\nlinear probe {100 * accuracy[scale]:.0f} %", fontsize=9)
        axes.set_xticks([])
        axes.set_yticks([])
        if column == 1:
            axes.legend(fontsize=8)
    temporary = path.with_name(f".{path.name}.tmp")
    figure.savefig(temporary, dpi=110, format="png")
    temporary.replace(path)
    return accuracy
