"""From a training run to a model bundle.

``python -m MultiJointSegLib.pipeline.model_export RUN --bank BANK -o Resources/Models/joints3 --card CARD``
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from MultiJointSegLib.inference.bundle import ModelBundle, save_bundle
from MultiJointSegLib.inference.calibration import fit_temperature
from MultiJointSegLib.inference.manifest import DetectionSettings, SegmentationSettings
from MultiJointSegLib.learning.sampler import SliceSampler
from MultiJointSegLib.learning.tissue_bank import TissueBank
from MultiJointSegLib.learning.train_shared import AVERAGE_FILE, RECORD_FILE
from MultiJointSegLib.networks.shared_unet import SharedUNet

_SLICES = 48
_SIZE_PX = 192
_EVERY_PIXEL = 17
"""Every 17th pixel is enough for one temperature."""


@torch.no_grad()
def calibrate(network: SharedUNet, validation: SliceSampler) -> tuple[float, float]:
    """Temperatures of detection and segmentation on slices of maps that were not trained on.

    Returns
    -------
    detection_temperature, segmentation_temperature : float
        At least 1.
    """
    network.eval()
    batches = {key: validation.joint_batch(key, _SLICES, _SIZE_PX) for key in network.joints}
    other = validation.other_batch(_SLICES, _SIZE_PX)
    shown = [network.detect(batch.images).numpy() for batch in batches.values()] + [network.detect(other).numpy()]
    target = [validation.detection_targets(b, index).numpy() for index, b in enumerate(batches.values())]
    target.append(np.full(_SLICES, len(batches)))
    logits, classes = np.concatenate(shown), np.concatenate(target)
    detection = fit_temperature(logits[classes >= 0], classes[classes >= 0])
    # The joints have different numbers of classes; one temperature serves all, as the median of theirs.
    temperatures = []
    for key, batch in batches.items():
        pixels = network(batch.images, key).movedim(1, -1).reshape(-1, network.joints[key] + 1)[::_EVERY_PIXEL]
        temperatures.append(fit_temperature(pixels.numpy(), batch.target.reshape(-1)[::_EVERY_PIXEL].numpy()))
    # Phantoms are told apart too easily to learn from them how sure an answer on a patient may be: never sharpen.
    return max(1.0, detection), max(1.0, float(np.median(temperatures)))


def export(run: Path, bank: Path, output: Path, *, name: str, version: str, card: str, overwrite: bool) -> ModelBundle:
    """Write the averaged weights of a finished run as a bundle with fitted temperatures.

    Parameters
    ----------
    run : Path
        Folder of `learning.train_shared`.
    bank : Path
        Folder of `learning.bank_building`; its validation part fits the temperatures.
    output : Path
        Bundle folder.
    name, version, card : str
        Go into the bundle; the card is markdown.
    overwrite : bool
        Replace an existing bundle.
    """
    record: dict[str, Any] = json.loads((run / RECORD_FILE).read_text(encoding="utf-8"))
    network = SharedUNet.from_config(record["network"])
    network.load_state_dict(load_file(run / AVERAGE_FILE))
    generator = torch.Generator().manual_seed(record["settings"]["seed"] + 2)
    validation = SliceSampler(TissueBank.from_folder(bank / "validation"), list(network.joints), generator)
    detection, segmentation = calibrate(network, validation)
    maps = record["maps"]["train"]
    training = {
        "steps": record["settings"]["steps"],
        "seed": record["settings"]["seed"],
        "hours": record["hours"],
        "device": record["device"],
        "threads": record["threads"],
        "torch": record["torch"],
        "maps": {kind: sum(m.startswith(kind) for m in maps) for kind in ("procedural", "real", "ct", "hip", "other")},
    }
    return save_bundle(
        output,
        network,
        name=name,
        version=version,
        license="Apache-2.0",
        card=card,
        detection=DetectionSettings(temperature=round(detection, 3)),
        segmentation=SegmentationSettings(temperature=round(segmentation, 3)),
        training=training,
        overwrite=overwrite,
    )


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--bank", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--name", default="joints3")
    parser.add_argument("--version", default="0.1.0")
    parser.add_argument("--card", type=Path, required=True, help="model card, markdown")
    parser.add_argument("--overwrite", action="store_true")
    a = parser.parse_args()
    card = a.card.read_text(encoding="utf-8")
    export(a.run, a.bank, a.output, name=a.name, version=a.version, card=card, overwrite=a.overwrite)
    print(f"Wrote the bundle {a.output}.")  # noqa: T201


if __name__ == "__main__":
    main()
