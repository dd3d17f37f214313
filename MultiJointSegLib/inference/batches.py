"""Slices through the network in batches that fit into memory, with a way out when they do not."""

from __future__ import annotations

import gc
from dataclasses import replace

import numpy as np
import torch

from MultiJointSegLib.errors import CancelledError, MultiJointSegError
from MultiJointSegLib.inference.bundle import ModelBundle
from MultiJointSegLib.inference.device import DeviceChoice
from MultiJointSegLib.inference.runtime import DETECT, Runtime, TorchRuntime, create_runtime
from MultiJointSegLib.progress import Progress, SilentProgress

BYTES_PER_PIXEL = 700
"""Working memory per pixel of a batch: the peak measured is 470 in torch, 490 in OpenVINO, 360 in ONNX Runtime."""

CPU_BUDGET_BYTES = 1 << 30
LARGEST_BATCH = {"cpu": 8, "cuda": 32, "mps": 16}
"""Larger batches gain nothing there."""

_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "bad alloc", "bad_alloc", "allocate")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception of any runtime says that memory ran out."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _OUT_OF_MEMORY)


class BatchRunner:
    """Runs the network's functions over any number of slices.

    When memory runs out the batch is halved; when a single slice does not fit on a GPU, or a runtime fails, the rest
    is computed by torch on the CPU. What happened is appended to `warnings`; `choice` says what is used now.

    Parameters
    ----------
    bundle : ModelBundle
        The model.
    choice : DeviceChoice
        Where to compute.
    precision : str
        See `runtime.create_runtime`.
    memory_bytes : int, optional
        Memory for a batch; by default 1 GiB on a CPU and half of what is free on a GPU.
    """

    def __init__(
        self, bundle: ModelBundle, choice: DeviceChoice, *, precision: str = "f32", memory_bytes: int | None = None
    ) -> None:
        self._bundle = bundle
        self.choice = choice
        self._memory_bytes = memory_bytes
        self._limit = LARGEST_BATCH[choice.device]
        self.runtime: Runtime
        self.runtime, self.warnings = create_runtime(bundle, choice, precision=precision)
        self._now(self.runtime.name, choice.device)

    def batch_size(self, height: int, width: int) -> int:
        """Slices of that size per batch."""
        budget = self._memory_bytes
        if budget is None:
            budget = CPU_BUDGET_BYTES
            if self.choice.device == "cuda":
                budget = torch.cuda.mem_get_info()[0] // 2
        return max(1, min(self._limit, budget // (BYTES_PER_PIXEL * height * width)))

    def run(
        self, name: str, images: np.ndarray, *, progress: Progress | None = None, message: str = "Segmenting"
    ) -> np.ndarray:
        """Compute one function for all slices.

        Parameters
        ----------
        name : str
            Joint key, or `runtime.DETECT`.
        images : float32 ndarray of shape (s, 3, h, w)
            Height and width multiples of 32.
        progress : Progress, optional
            Told before every batch; may cancel.

        Returns
        -------
        float32 ndarray of shape (s, classes, h, w), or (s, classes) for detection

        Raises
        ------
        MultiJointSegError
            If a single slice does not fit into memory on the CPU, or torch on the CPU fails.
        CancelledError
            If the user cancelled.
        """
        progress = progress or SilentProgress()
        total, done, result = len(images), 0, None
        while done < total:
            progress.report(done / total, f"{message}: slice {done + 1} of {total}")
            part = images[done : done + self.batch_size(*images.shape[2:])]
            try:
                answer = self._compute(name, part)
            except CancelledError:
                raise
            except Exception as error:
                self._make_way(error, len(part))
                continue
            if result is None:
                result = np.empty((total, *answer.shape[1:]), np.float32)
            result[done : done + len(part)] = answer
            done += len(part)
        if result is None:
            raise MultiJointSegError("There are no slices to compute.")
        return result

    def _compute(self, name: str, part: np.ndarray) -> np.ndarray:
        part = np.ascontiguousarray(part)
        return self.runtime.detect(part) if name == DETECT else self.runtime.segment(part, name)

    def _make_way(self, error: Exception, batch: int) -> None:
        """Change what can be changed after a failure; raise when nothing is left to change."""
        on_cpu_torch = self.runtime.name == "torch" and self.choice.device == "cpu"
        if is_out_of_memory(error):
            if batch > 1:
                self._limit = max(1, batch // 2)
                _free_memory(self.choice.device)
                self._warn(f"Memory ran out; the slices are computed {self._limit} at a time.")
                return
            if on_cpu_torch:
                raise MultiJointSegError(
                    "The computer's memory does not suffice for a single slice; close other programs or use a "
                    "computer with more memory."
                ) from error
            self._to_cpu_torch("Memory ran out even for a single slice; the computation goes on with torch on the CPU.")
            return
        if on_cpu_torch:
            raise MultiJointSegError(f"The network could not be computed: {error}") from error
        where = f"'{self.runtime.name}' on {self.choice.device}"
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        self._to_cpu_torch(f"The runtime {where} failed ({first_line}); the computation goes on with torch on the CPU.")

    def _to_cpu_torch(self, why: str) -> None:
        self._limit = min(self._limit, LARGEST_BATCH["cpu"])
        self.runtime = TorchRuntime(self._bundle, "cpu", self.choice.threads)
        self._now("torch", "cpu")
        _free_memory("cuda")
        self._warn(why)

    def _now(self, runtime: str, device: str) -> None:
        """Keep `choice` true after a fallback."""
        if (runtime, device) != (self.choice.runtime, self.choice.device):
            reason = f"{device.upper()} with {runtime}, because the runtime '{self.choice.runtime}' failed."
            self.choice = replace(self.choice, runtime=runtime, device=device, reason=reason)

    def _warn(self, sentence: str) -> None:
        if sentence not in self.warnings:
            self.warnings.append(sentence)


def _free_memory(device: str) -> None:
    gc.collect()
    if device == "cuda" and torch.cuda.is_available():
        torch.cuda.empty_cache()


def padded(images: np.ndarray, multiple: int) -> np.ndarray:
    """Slices (s, 3, h, w) with rows and columns of zeros (air) after the last, up to a multiple; no copy if none."""
    height, width = images.shape[2:]
    more = (-height % multiple, -width % multiple)
    return np.pad(images, ((0, 0), (0, 0), (0, more[0]), (0, more[1]))) if any(more) else images
