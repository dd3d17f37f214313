"""Pictures of a study besides those of its evaluation: the shared representation."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file

from MultiJointSegLib.evaluation.studies.config import StudyConfig
from MultiJointSegLib.evaluation.studies.design import Cell, cell_config
from MultiJointSegLib.learning.contrastive import MultiScaleContrast
from MultiJointSegLib.learning.embedding_picture import draw_embeddings
from MultiJointSegLib.learning.examination_data import Split, load_split
from MultiJointSegLib.learning.manifest import Examination
from MultiJointSegLib.learning.schemes import SCHEMES
from MultiJointSegLib.learning.train_shared import AVERAGE_FILE, RECORD_FILE
from MultiJointSegLib.networks.shared_unet import SharedUNet

_SLICES = 24
_SCALES = (0, 2, 4)
PICTURE = "embeddings.png"


def study_pictures(
    study: StudyConfig, work: Sequence[Cell], examinations: Mapping[str, Examination], runs: Path, cache: Path
) -> tuple[tuple[str, str], ...]:
    """t-SNE of unseen slices by each shared scheme, under the first condition that tests several joints.

    Returns
    -------
    tuple of (str, str)
        Caption and data address; empty where no condition tests two joints.
    """
    found = []
    for cell in work:
        joints = {examinations[name].joint for name in cell.condition.test}
        if cell.condition.key != work[0].condition.key or not SCHEMES[cell.scheme].shared or len(joints) < 2:
            continue
        path = runs / cell.key / PICTURE
        if not path.exists():
            _draw(study, cell, [examinations[name] for name in cell.condition.test], runs / cell.key, cache, path)
        address = base64.b64encode(path.read_bytes()).decode("ascii")
        caption = f"{cell.scheme}: unseen slices in the shared representation (t-SNE), by joint"
        found.append((caption, f"data:image/png;base64,{address}"))
    return tuple(found)


def _draw(study: StudyConfig, cell: Cell, tested: Sequence[Examination], folder: Path, cache: Path, path: Path) -> None:
    run = folder / cell.scheme
    network = SharedUNet.from_config(json.loads((run / RECORD_FILE).read_text(encoding="utf-8"))["network"])
    network.load_state_dict(load_file(run / AVERAGE_FILE))
    config = cell_config(study, cell)
    _, data = load_split(config, Split((), tuple(tested)), cache, torch.device("cpu"))
    assert data is not None
    joints = [key for key in network.joints if key in {e.joint for e in tested}]
    source = data.source(joints, study.seed)
    size = min(config.training.sizes_px)
    images = {key: source.joint_batch(key, _SLICES, size).images for key in joints}
    channels = [network.encoder.channels[-1], *network.decoder_channels]
    draw_embeddings(network, MultiScaleContrast(channels, _SCALES), images, path)
