"""From a training on a manifest of examinations to a model bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from MultiJointSegLib import anatomy
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.inference.bundle import ModelBundle, save_bundle
from MultiJointSegLib.inference.manifest import DetectionSettings, Preprocessing, SegmentationSettings
from MultiJointSegLib.learning.config import parse_config
from MultiJointSegLib.learning.masks.settings import MaskSettings
from MultiJointSegLib.learning.scheme_training import CONFIG_FILE
from MultiJointSegLib.learning.schemes import plan_runs
from MultiJointSegLib.learning.temperature_sample import SAMPLE_FILE
from MultiJointSegLib.learning.train_shared import AVERAGE_FILE, RECORD_FILE
from MultiJointSegLib.networks.shared_unet import SharedUNet
from MultiJointSegLib.pipeline.model_export import fit_temperatures


def export_run(
    run: Path,
    output: Path,
    *,
    name: str | None = None,
    version: str = "0.1.0",
    license: str = "not stated",  # noqa: A002 - the bundle's own name of it
    card: str | None = None,
    overwrite: bool = False,
) -> ModelBundle:
    """Write the weights of a finished training as a bundle that `segment` and the Slicer module take.

    Temperatures are fitted to the examinations that validated; without any they are 1.

    Parameters
    ----------
    run : Path
        Folder of one run, or of a training whose result is one run.
    output : Path
        Bundle folder.
    name, version, license : str
        Go into the bundle; the name is the run's folder's by default.
    card : str, optional
        Model card, markdown; by default one that says what the run's record says.
    overwrite : bool
        Replace an existing bundle.

    Raises
    ------
    InputError
        If the folder holds no finished run, or several.
    BundleError
        If the bundle cannot be written.
    """
    run = find_run(Path(run))
    record: dict[str, Any] = json.loads((run / RECORD_FILE).read_text(encoding="utf-8"))
    if "data" not in record:
        raise InputError(
            f"'{run}' was not trained on a manifest of examinations; "
            "'python -m MultiJointSegLib.pipeline.model_export' exports runs on tissue maps."
        )
    network = SharedUNet.from_config(record["network"])
    network.load_state_dict(load_file(run / AVERAGE_FILE))
    sample = run / SAMPLE_FILE
    temperatures = fit_temperatures(load_file(sample)) if sample.exists() else (1.0, 1.0)
    detects = record["settings"]["detection_weight"] > 0
    name = name or run.resolve().name
    return save_bundle(
        output,
        network,
        name=name,
        version=version,
        license=license,
        card=card or _card(name, record, detects=detects),
        preprocessing=Preprocessing(**record["preprocessing"]),
        # A head that was never trained must not decide: no score is above 1.
        detection=DetectionSettings(
            temperature=round(temperatures[0], 3), **({} if detects else {"accept_threshold": 1.0})
        ),
        segmentation=SegmentationSettings(temperature=round(temperatures[1], 3)),
        training=_training(record),
        input=record.get("input", "image"),
        mask=None if record.get("mask") is None else MaskSettings(**record["mask"]),
        overwrite=overwrite,
    )


def find_run(folder: Path) -> Path:
    """Folder of the one finished run that a folder is or holds; see `export_run`."""
    if not folder.is_dir():
        raise InputError(f"There is no folder '{folder}'; give the output folder of 'multijointseg train'.")
    if (folder / RECORD_FILE).exists():
        return folder
    config = folder / CONFIG_FILE
    if not config.exists():
        raise InputError(f"'{folder}' holds no training; give the output folder of 'multijointseg train'.")
    plans = plan_runs(parse_config(json.loads(config.read_text(encoding="utf-8"))))
    results = [folder / plan.name for plan in plans if plan.is_result]
    finished = [path for path in results if (path / RECORD_FILE).exists()]
    if len(finished) < len(results):
        unfinished = next(path.name for path in results if path not in finished)
        raise InputError(f"The training in '{folder}' has not ended: '{unfinished}' is missing; train it to the end.")
    if len(finished) > 1:
        names = ", ".join(path.name for path in finished)
        raise InputError(f"'{folder}' holds {len(finished)} networks: {names}; give the folder of one of them.")
    return finished[0]


def _training(record: dict[str, Any]) -> dict[str, Any]:
    """Summary for the bundle; numbers only, since names of examinations may name patients."""
    data = record["data"]
    return {
        "scheme": record["scheme"],
        "examinations": len(data["train"]),
        "validation_examinations": len(data["validation"]),
        "validation": record["validation"],
        **{key: record[key] for key in ("steps", "hours", "device", "processes", "torch", "imagenet")},
        "seed": record["settings"]["seed"],
    }


def _card(name: str, record: dict[str, Any], *, detects: bool) -> str:
    joints = record["network"]["joints"]
    bones = {key: ", ".join(bone.name.lower() for bone in anatomy.joint(key).bones) for key in joints}
    bones_text = "; ".join(f"{key}: {listed}" for key, listed in bones.items())
    count, steps = len(record["data"]["train"]), record["steps"]
    trained = f"Trained with the scheme `{record['scheme']}` on {count} examinations, {steps} steps."
    lines = [f"# {name}", "", f"Segments {bones_text}.", "", trained, ""]
    if not detects:
        lines += ["The joint detection was not trained: name the joint when you segment.", ""]
    dice = record["validation"].get("validation_dice", {})
    if dice:
        lines += [
            f"Dice on slices of {len(record['data']['validation'])} examinations that chose nothing but when to stop:",
            "",
            "| joint | bone | Dice |",
            "|---|---|---|",
        ]
        for key, values in dice.items():
            for bone, value in zip(anatomy.joint(key).bones, values, strict=True):
                lines.append(f"| {key} | {bone.name.lower()} | {'not there' if value is None else f'{value:.3f}'} |")
    else:
        lines.append("No examination was set aside for validation.")
    return "\n".join([*lines, "", "For research use; not a medical device.", ""])
