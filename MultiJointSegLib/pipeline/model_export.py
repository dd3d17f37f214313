"""From a training run to a model bundle.

``python -m MultiJointSegLib.pipeline.model_export RUN --bank BANK -o Resources/Models/joints3 --card CARD``
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from MultiJointSegLib.inference.bundle import ModelBundle, save_bundle
from MultiJointSegLib.inference.calibration import fit_temperature
from MultiJointSegLib.inference.manifest import DetectionSettings, SegmentationSettings
from MultiJointSegLib.learning.sampler import SliceSampler
from MultiJointSegLib.learning.temperature_sample import DETECTION, temperature_sample
from MultiJointSegLib.learning.tissue_bank import TissueBank
from MultiJointSegLib.learning.train_shared import AVERAGE_FILE, RECORD_FILE
from MultiJointSegLib.learning.validation import Validation
from MultiJointSegLib.networks.shared_unet import SharedUNet

_SLICES = 48
_SIZE_PX = 192


def fit_temperatures(sample: Mapping[str, Tensor]) -> tuple[float, float]:
    """Temperatures of detection and segmentation from what `learning.temperature_sample` collected.

    Returns
    -------
    detection_temperature, segmentation_temperature : float
        At least 1.
    """
    arrays = {name: tensor.numpy() for name, tensor in sample.items()}
    keys = [name.removesuffix(".logits") for name in arrays if name.endswith(".logits")]
    fitted = {key: fit_temperature(arrays[f"{key}.logits"], arrays[f"{key}.classes"]) for key in keys}
    # Phantoms are told apart too easily to learn from them how sure an answer on a patient may be: never sharpen.
    detection = max(1.0, fitted.pop(DETECTION, 1.0))
    # The joints have different numbers of classes; one temperature serves all, as the median of theirs.
    return detection, max(1.0, float(np.median(list(fitted.values()))))


def export(
    run: Path,
    bank: Path,
    output: Path,
    *,
    name: str,
    version: str,
    card: str,
    precision: Literal["f32", "bf16"] = "f32",
    overwrite: bool,
) -> ModelBundle:
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
    precision : {"f32", "bf16"}
        Of inference on CPUs that have both; bf16 only where it was measured to segment as well.
    overwrite : bool
        Replace an existing bundle.
    """
    record: dict[str, Any] = json.loads((run / RECORD_FILE).read_text(encoding="utf-8"))
    network = SharedUNet.from_config(record["network"])
    network.load_state_dict(load_file(run / AVERAGE_FILE))
    generator = torch.Generator().manual_seed(record["settings"]["seed"] + 2)
    sampler = SliceSampler(TissueBank.from_folder(bank / "validation"), list(network.joints), generator)
    validation = Validation(sampler, list(network.joints), _SLICES, _SIZE_PX, detection=True)
    detection, segmentation = fit_temperatures(temperature_sample(network, validation, detection=True))
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
        segmentation=SegmentationSettings(temperature=round(segmentation, 3), precision=precision),
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
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32", help="of CPUs that have both")
    parser.add_argument("--overwrite", action="store_true")
    a = parser.parse_args()
    card = a.card.read_text(encoding="utf-8")
    names = {"name": a.name, "version": a.version, "card": card}
    export(a.run, a.bank, a.output, **names, precision=a.precision, overwrite=a.overwrite)
    print(f"Wrote the bundle {a.output}.")  # noqa: T201


if __name__ == "__main__":
    main()
