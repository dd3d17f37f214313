"""nnU-Net v2 as a peer: the same examinations, the same seconds of training, the same report.

nnU-Net knows one data set at a time, so each scored joint gets a network of its own, as in the scheme "individual".
It runs in a process of its own (`nnunet_worker`), by the Python of an environment that has ``nnunetv2``.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from MultiJointSegLib import anatomy
from MultiJointSegLib.errors import InputError, MultiJointSegError
from MultiJointSegLib.evaluation.studies.cell_run import CELL_RECORD, prediction_path
from MultiJointSegLib.evaluation.studies.config import StudyConfig
from MultiJointSegLib.evaluation.studies.design import Cell, Condition
from MultiJointSegLib.imaging.atomic import atomic_write
from MultiJointSegLib.imaging.reading import read_label_map
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.imaging.writing import write_volume
from MultiJointSegLib.learning.dataset_check import read_examination
from MultiJointSegLib.learning.manifest import Examination
from MultiJointSegLib.progress import Progress

NAME = "nnU-Net"
SUFFIX = ".nii.gz"
_WORKER = Path(__file__).with_name("nnunet_worker.py")
_VERSION = "from importlib.metadata import version; print(version('nnunetv2'))"


@dataclass(frozen=True, slots=True)
class NnUNet:
    """nnU-Net as it is installed: a Python interpreter, and the version of ``nnunetv2`` that it has."""

    python: str
    version: str


def find_nnunet(python: str) -> NnUNet:
    """nnU-Net in the environment of a Python interpreter.

    Raises
    ------
    InputError
        If the interpreter cannot be run or has no ``nnunetv2``.
    """
    try:
        asked = subprocess.run([python, "-c", _VERSION], capture_output=True, text=True, check=False)
    except OSError as error:
        raise InputError(f"'{python}' cannot be run ({error.strerror}); give the Python of an environment.") from error
    if asked.returncode:
        raise InputError(f"'{python}' has no nnU-Net; run \"{python} -m pip install nnunetv2\" or give another Python.")
    return NnUNet(python, asked.stdout.strip())


def run_nnunet(
    peer: NnUNet,
    study: StudyConfig,
    condition: Condition,
    examinations: Mapping[str, Examination],
    runs: Path,
    folder: Path,
    number: int,
    device: str,
    progress: Progress,
) -> list[dict[str, Any]]:
    """Train nnU-Net for each scored joint under a condition and segment what is tested; what is done is kept.

    Each joint gets the seconds that the study's first scheme trained under the condition, divided by the joints it
    trained for: on a CPU seconds of CPU time, otherwise of the clock. Planning, preparing and segmenting come on top.

    Parameters
    ----------
    peer : NnUNet
    study : StudyConfig
        Its first scheme must be trained under the condition.
    condition : Condition
    examinations : mapping of str to Examination
        All of the study, by name.
    runs : Path
        Folder of the study's trainings.
    folder : Path
        Of nnU-Net; predictions come where `prediction_path` says, in a folder for each condition.
    number : int
        Of the first data set; each joint needs one of its own.
    device : str
        "cpu", "cuda" or "mps".
    progress : Progress
        May cancel before each joint.

    Returns
    -------
    list of dict
        For every joint: seconds, iterations, epochs, and how nnU-Net planned.

    Raises
    ------
    MultiJointSegError
        If nnU-Net fails; the message names its log.
    """
    budget_s, threads = _budget(study, condition, runs, device)
    records = []
    for index, joint in enumerate(study.scored):
        progress.report(index / len(study.scored), f"{NAME}: {joint}, {budget_s:.0f} s of training")
        place = folder / condition.key
        path = place / f"{joint}.json"
        if not path.exists():
            settings = {"budget_s": budget_s, "threads": threads, "device": device, "seed": study.seed}
            record = _run_joint(peer, condition, joint, examinations, folder, number + index, settings)
            _write_json(path, record)
        records.append(json.loads(path.read_text(encoding="utf-8")))
    return records


def _budget(study: StudyConfig, condition: Condition, runs: Path, device: str) -> tuple[float, int]:
    record = json.loads((runs / Cell(study.schemes[0], condition).key / CELL_RECORD).read_text(encoding="utf-8"))
    hours = sum(run["cpu_hours" if device == "cpu" else "hours"] for run in record["runs"])
    joints = {key for run in record["runs"] for key in run["joints"]}
    return 3600 * hours / len(joints), max(run["threads"] for run in record["runs"])


def _run_joint(
    peer: NnUNet,
    condition: Condition,
    joint: str,
    examinations: Mapping[str, Examination],
    folder: Path,
    number: int,
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    place = folder / condition.key
    train, tested = (
        [examinations[name] for name in names if examinations[name].joint == joint]
        for names in (condition.train, condition.test)
    )
    dataset = export_dataset(train, joint, folder / "raw", number)
    (place / "predictions").mkdir(parents=True, exist_ok=True)
    images = [_export_image(e, folder / "tested" / f"{e.name}_0000{SUFFIX}") for e in tested]
    answers = [place / "classes" / f"{e.name}{SUFFIX}" for e in tested]
    answer = place / f"{joint}_worker.json"
    job = {
        "dataset": dataset.name,
        "number": number,
        "images": [str(image.resolve()) for image in images],
        "predictions": [str(path.resolve()) for path in answers],
        "record": str(answer.resolve()),
        **settings,
    }
    job_path = place / f"{joint}_job.json"
    _write_json(job_path, job)
    _call_worker(peer.python, job_path, folder)
    for examination, path in zip(tested, answers, strict=True):
        write_volume(labels_of_classes(read_label_map(path), joint), prediction_path(place, examination.name))
    done = json.loads(answer.read_text(encoding="utf-8"))
    facts = {
        "version": peer.version,
        "device": settings["device"],
        "condition": condition.key,
        "joint": joint,
        "train": [e.name for e in train],
    }
    return {**facts, **done}


def export_dataset(examinations: Sequence[Examination], joint: str, raw: Path, number: int) -> Path:
    """Write examinations of a joint in nnU-Net's layout: imagesTr, labelsTr with classes 1..n, dataset.json.

    Returns
    -------
    Path
        Folder of the data set, ``DatasetNNN_JOINT`` in `raw`.
    """
    folder = raw / f"Dataset{number:03d}_{joint}"
    for part in ("imagesTr", "labelsTr"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    bones = anatomy.joint(joint).bones
    classes = np.zeros(256, np.uint8)
    for index, bone in enumerate(bones, start=1):
        classes[bone.label] = index
    for examination in examinations:
        image, labels = read_examination(examination)
        write_volume(image, folder / "imagesTr" / f"{examination.name}_0000{SUFFIX}")
        write_volume(labels.with_array(classes[labels.array]), folder / "labelsTr" / f"{examination.name}{SUFFIX}")
    content = {
        "channel_names": {"0": "MRI"},  # any name but CT: nnU-Net then normalizes each image by itself
        "labels": {"background": 0, **{bone.key: index for index, bone in enumerate(bones, start=1)}},
        "numTraining": len(examinations),
        "file_ending": SUFFIX,
    }
    _write_json(folder / "dataset.json", content)
    return folder


def labels_of_classes(classes: Volume, joint: str) -> Volume:
    """The catalog's labels from nnU-Net's classes 0..n of a joint."""
    labels = np.array([0, *anatomy.joint(joint).labels], np.uint8)
    return classes.with_array(labels[classes.array])


def _export_image(examination: Examination, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        write_volume(read_examination(examination)[0], path)
    return path


def _call_worker(python: str, job: Path, folder: Path) -> None:
    own = {f"nnUNet_{part}": str((folder / part).resolve()) for part in ("raw", "preprocessed", "results")}
    for place in own.values():
        Path(place).mkdir(parents=True, exist_ok=True)
    # The worker's neighbors must not be taken for modules of nnU-Net's environment, nor packages of ours.
    environment = {**os.environ, **own, "nnUNet_compile": "f", "PYTHONSAFEPATH": "1"}
    environment.pop("PYTHONPATH", None)
    log = job.with_suffix(".log")
    with log.open("w", encoding="utf-8") as stream:
        code = subprocess.call([python, str(_WORKER), str(job)], env=environment, stdout=stream, stderr=stream)
    if code:
        raise MultiJointSegError(f"nnU-Net failed (exit code {code}); its own words are in '{log}'.")


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")
