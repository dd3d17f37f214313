"""nnU-Net as a peer: the cases it is given, its seconds, and its answers. Its own process is stood in."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from MultiJointSegLib import anatomy
from MultiJointSegLib.errors import InputError, MultiJointSegError
from MultiJointSegLib.evaluation.studies import nnunet, nnunet_worker
from MultiJointSegLib.evaluation.studies.cell_run import CELL_RECORD
from MultiJointSegLib.evaluation.studies.run import PEER, report_study, run_study
from MultiJointSegLib.imaging.reading import read_label_map, read_volume
from MultiJointSegLib.imaging.writing import write_volume
from MultiJointSegLib.learning.manifest import read_dataset

HERE = nnunet.NnUNet(sys.executable, "2.8.1")


def test_cases_in_its_layout_and_back(a_study_file) -> None:
    out = a_study_file.parent / "raw"
    examinations = read_dataset(a_study_file.with_name("dataset.json")).examinations
    folder = nnunet.export_dataset(examinations[:2], "knee", out, 7)
    assert folder == out / "Dataset007_knee"
    layout = json.loads((folder / "dataset.json").read_text())
    assert layout["labels"] == {"background": 0, "femur": 1, "fibula": 2, "patella": 3, "tibia": 4}
    assert layout["numTraining"] == 2 and layout["file_ending"] == ".nii.gz"
    assert sorted(p.name for p in (folder / "imagesTr").iterdir()) == ["knee0_0000.nii.gz", "knee1_0000.nii.gz"]
    truth = read_label_map(a_study_file.with_name("knee0_labels.nii.gz"))
    image = read_volume(folder / "imagesTr" / "knee0_0000.nii.gz")
    assert image.geometry.same_grid(truth.geometry)
    classes = read_label_map(folder / "labelsTr" / "knee0.nii.gz")
    for index, bone in enumerate(anatomy.joint("knee").bones, start=1):
        assert np.array_equal(classes.array == index, truth.array == bone.label)
    back = nnunet.labels_of_classes(classes, "knee")
    assert np.array_equal(back.array, truth.array) and back.geometry.same_grid(truth.geometry)


class _Trainer:
    """As much of nnU-Net's trainer as is asked for; an iteration takes 10 ms, the first 60."""

    def __init__(self, folder: Path) -> None:
        self.output_folder, self.num_epochs = str(folder), 1000
        self.rates: list[float] = []
        self.network = SimpleNamespace(train=lambda: None)
        self.dataloader_train = iter(range(10**6))
        self.optimizer, self.lr_scheduler = self.configure_optimizers()
        self.rate = 1.0

    def configure_optimizers(self) -> tuple[None, SimpleNamespace]:
        planned = self.num_epochs

        def step(at: int) -> None:
            assert 0 <= at < planned  # nnU-Net's schedule has no rate beyond its end
            self.rate = 1 - at / planned

        return None, SimpleNamespace(step=step)

    def train_step(self, _: int) -> None:
        time.sleep(0.01 if self.rates else 0.06)
        self.rates.append(self.rate)

    def save_checkpoint(self, path: str) -> None:
        Path(path).write_text("weights")


def test_seconds_are_kept_and_the_learning_rate_falls_over_them(tmp_path) -> None:
    trainer = _Trainer(tmp_path)
    spent, made = nnunet_worker.train(trainer, 0.5, "cuda")
    assert made == len(trainer.rates) and 5 <= made <= 45
    assert spent <= 0.55
    assert all(a >= b for a, b in zip(trainer.rates, trainer.rates[1:], strict=False))
    assert trainer.rates[-1] < 0.5 and (tmp_path / "checkpoint_final.pth").exists()


def test_an_iteration_is_always_made(tmp_path) -> None:
    trainer = _Trainer(tmp_path)
    assert nnunet_worker.train(trainer, 0.001, "cuda")[1] == 1
    assert (tmp_path / "checkpoint_final.pth").exists()


def test_time_of_the_processor_on_a_cpu(tmp_path) -> None:
    """Iterations that sleep cost no CPU time, so many more fit in."""
    made = nnunet_worker.train(_Trainer(tmp_path), 0.005, "cpu")[1]
    assert made > 3


def test_a_python_without_it_is_refused(tmp_path) -> None:
    with pytest.raises(InputError, match="cannot be run"):
        nnunet.find_nnunet(str(tmp_path / "python"))
    script = tmp_path / "bare"
    script.write_text("#!/bin/sh\nexit 1\n")
    script.chmod(0o755)
    with pytest.raises(InputError, match="has no nnU-Net; run"):
        nnunet.find_nnunet(str(script))
    script.write_text("#!/bin/sh\necho 2.8.1\n")
    assert nnunet.find_nnunet(str(script)) == nnunet.NnUNet(str(script), "2.8.1")


def test_a_failure_names_its_log(tmp_path) -> None:
    job = tmp_path / "knee_job.json"
    job.write_text("{}")
    script = tmp_path / "failing"
    script.write_text("#!/bin/sh\necho 'out of memory'\nexit 3\n")
    script.chmod(0o755)
    with pytest.raises(MultiJointSegError, match=r"exit code 3.*knee_job\.log"):
        nnunet._call_worker(str(script), job, tmp_path)
    assert job.with_suffix(".log").read_text() == "out of memory\n"


def test_a_study_with_it(a_study_file, tmp_path, monkeypatch) -> None:
    """Its process is stood in by one that answers with the truth: that must come out as a Dice of 1 in the report."""
    content = json.loads(a_study_file.read_text())
    content["schemes"] = ["shared_norm"]
    study = a_study_file.with_name("with_nnunet.json")
    study.write_text(json.dumps(content))
    out, jobs = tmp_path / "out", []

    def answer(python: str, path: Path, folder: Path) -> None:
        job = json.loads(path.read_text())
        jobs.append(job)
        dataset = folder / "raw" / job["dataset"]
        for image, prediction in zip(job["images"], job["predictions"], strict=True):
            name = Path(image).name.removesuffix("_0000.nii.gz")
            assert not (dataset / "imagesTr" / f"{name}_0000.nii.gz").exists()  # what is tested does not train
            truth = read_label_map(study.with_name(f"{name}_labels.nii.gz"))
            classes = np.zeros(256, np.uint8)
            classes[list(anatomy.joint("knee").labels)] = range(1, 5)
            Path(prediction).parent.mkdir(parents=True, exist_ok=True)
            write_volume(truth.with_array(classes[truth.array]), Path(prediction))
        record = {
            "budget_s": job["budget_s"], "training_s": job["budget_s"], "preparing_clock_s": 20.0,
            "predicting_clock_s": 4.0, "iterations": 7, "epochs": 0.028, "usual_epochs": 1000, "batch_size": 5,
            "patch_size": [64, 64], "threads": job["threads"],
        }  # fmt: skip
        Path(job["record"]).write_text(json.dumps(record))

    monkeypatch.setattr(nnunet, "_call_worker", answer)
    found = run_study(study, out, peer=HERE)
    assert found is not None and len({job["dataset"] for job in jobs}) == 3
    cells = {key: json.loads((out / "runs" / f"{key}_shared_norm" / CELL_RECORD).read_text()) for key in ("fold1",)}
    assert jobs[0]["budget_s"] == pytest.approx(3600 * cells["fold1"]["runs"][0]["cpu_hours"])
    assert json.loads((out / PEER / "fold1" / "knee.json").read_text())["train"] == cells["fold1"]["train"]
    own = [s for s in found.scores if s.method == nnunet.NAME]
    assert len(own) == 3 and all(m.dice == 1 for s in own for m in s.bones.values())
    assert {(c.method, c.reference) for c in found.comparisons} == {(nnunet.NAME, "shared_norm")}
    table = (out / "table.md").read_text()
    assert "7 iterations of 5 patches, 0.028 of the 1000 epochs" in table and "not what nnU-Net reaches" in table
    run_study(study, out, peer=HERE)
    assert len(jobs) == 3  # what is done is not done again
    (out / PEER / "fold2" / "knee.json").unlink()  # not on all that the schemes were tested on: left out
    again = report_study(study, out)
    assert {s.method for s in again.scores} == {"shared_norm"}
