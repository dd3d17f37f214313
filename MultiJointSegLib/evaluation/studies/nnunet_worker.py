"""Trains nnU-Net for a number of seconds and segments; runs in a process of its own, in nnU-Net's own environment.

``PYTHON nnunet_worker.py JOB``

It imports nothing of MultiJointSeg, so that nnU-Net's environment needs nothing but nnU-Net. nnU-Net's schedule is a
number of epochs; here the seconds are given: a few iterations are timed, and the learning rate then falls over as many
iterations as fit into what is left. On a CPU the seconds are those of CPU time, so that other programs do not count.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

_PROCESSES = "nnUNet_n_proc_DA"
_TIMED = 3
"""Iterations that are timed at first; the very first is left out of the estimate, it prepares."""
_CPU_MEMORY_GB = 0.3
"""Memory that nnU-Net plans batches and patches for on a CPU, so that small budgets hold more than a few iterations."""


def main(argv: list[str]) -> None:
    """Do a job; see `nnunet.run_nnunet`."""
    job: dict[str, Any] = json.loads(Path(argv[1]).read_text(encoding="utf-8"))
    began = time.monotonic()
    import torch
    from nnunetv2.experiment_planning import plan_and_preprocess_api as api  # type: ignore[import-not-found]
    from nnunetv2.run.run_training import get_trainer_from_args  # type: ignore[import-not-found]

    torch.set_num_threads(job["threads"])
    torch.manual_seed(job["seed"])
    device = torch.device(job["device"])
    with _threads_for_processes():
        os.environ[_PROCESSES] = "1"  # planning takes it for a number of threads
        api.extract_fingerprints([job["number"]], num_processes=1, show_progress_bar=False)
        memory = _CPU_MEMORY_GB if device.type == "cpu" else None
        api.plan_experiments([job["number"]], gpu_memory_target_in_gb=memory)
        api.preprocess([job["number"]], configurations=("2d",), num_processes=(1,))
        os.environ[_PROCESSES] = "0"  # training takes it for a number of processes
        trainer = get_trainer_from_args(job["dataset"], "2d", "all", device=device)
        trainer.initialize()
        trainer.save_every = sys.maxsize
        trainer.on_train_start()
    usual_epochs = int(trainer.num_epochs)
    prepared = time.monotonic()
    spent, iterations = train(trainer, job["budget_s"], device.type)
    trained = time.monotonic()
    _predict(trainer.output_folder_base, device, job["images"], job["predictions"])
    record = {
        "budget_s": round(job["budget_s"], 2),
        "training_s": round(spent, 2),
        "training_clock_s": round(trained - prepared, 2),
        "preparing_clock_s": round(prepared - began, 2),
        "predicting_clock_s": round(time.monotonic() - trained, 2),
        "iterations": iterations,
        "epochs": round(iterations / trainer.num_iterations_per_epoch, 3),
        "usual_epochs": usual_epochs,
        "batch_size": int(trainer.batch_size),
        "patch_size": [int(n) for n in trainer.configuration_manager.patch_size],
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    Path(job["record"]).write_text(json.dumps(record, indent=1), encoding="utf-8")


def train(trainer: Any, budget_s: float, device: str) -> tuple[float, int]:
    """Train for the seconds given.

    Parameters
    ----------
    trainer : nnU-Net's trainer
        Ready: `on_train_start` was called.
    budget_s : float
    device : str
        "cpu" counts CPU time, others the clock.

    Returns
    -------
    float
        Seconds used. No iteration starts that would not end in time, judged by the slowest one; the first always does.
    int
        Iterations made.
    """
    now = time.process_time if device == "cpu" else time.monotonic
    trainer.network.train()
    start, slowest, made = now(), 0.0, 0
    planned: int | None = None
    while made == 0 or now() - start + slowest <= budget_s:
        if made == _TIMED:
            planned = made + max(1, int((budget_s - (now() - start)) / slowest))
            trainer.num_epochs = planned
            trainer.optimizer, trainer.lr_scheduler = trainer.configure_optimizers()
        if planned is not None:
            trainer.lr_scheduler.step(min(made, planned - 1))
        before = now()
        trainer.train_step(next(trainer.dataloader_train))
        made += 1
        slowest = now() - before if made <= 2 else max(slowest, now() - before)
    spent = now() - start
    trainer.save_checkpoint(str(Path(trainer.output_folder) / "checkpoint_final.pth"))
    return spent, made


@contextmanager
def _threads_for_processes() -> Iterator[None]:
    """Let nnU-Net's pools of processes be threads: starting a process takes longer than preparing a few cases."""

    class Threads:
        Pool = ThreadPool

    before = multiprocessing.get_context
    multiprocessing.get_context = lambda _=None: Threads  # type: ignore[assignment,return-value,misc]
    try:
        yield
    finally:
        multiprocessing.get_context = before


def _predict(folder: str, device: Any, images: list[str], predictions: list[str]) -> None:
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor  # type: ignore[import-not-found]

    predictor = nnUNetPredictor(device=device, perform_everything_on_device=device.type != "cpu", allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(folder, ("all",), "checkpoint_final.pth")
    for path in predictions:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    outputs = [path.removesuffix(".nii.gz") for path in predictions]
    predictor.predict_from_files_sequential([[image] for image in images], outputs)


if __name__ == "__main__":
    main(sys.argv)
