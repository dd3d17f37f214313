"""Which device and which runtime to compute on, and a sentence that says why. Light: torch only when asked about."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from MultiJointSegLib.errors import InputError

DEVICES = ("auto", "cpu", "cuda", "mps")
RUNTIMES = ("auto", "torch", "openvino", "onnx")
CORES_BEFORE_ONE_IS_LEFT_FREE = 4
"""With more cores than this one is left to the rest of the computer, so that a viewer stays responsive."""


@dataclass(frozen=True, slots=True)
class DeviceChoice:
    """Where to compute: `device` is "cpu", "cuda" or "mps"; `runtime` is "torch", "openvino" or "onnx"."""

    device: str
    runtime: str
    reason: str
    threads: int = 1


def choose_device(request: str = "auto", *, runtime: str = "auto") -> DeviceChoice:
    """Choose device and runtime.

    Parameters
    ----------
    request : str
        "auto" (CUDA, else Apple's MPS, else the CPU), "cpu", "cuda" or "mps".
    runtime : str
        "auto": torch on a GPU; on a CPU OpenVINO where installed, else ONNX Runtime where usable, else torch.
        Or one of these by name.

    Raises
    ------
    InputError
        If the request is unknown, or the device or runtime asked for by name is not there.
    """
    if request not in DEVICES:
        raise InputError(f"Unknown device '{request}'; known are {', '.join(DEVICES)}.")
    if runtime not in RUNTIMES:
        raise InputError(f"Unknown runtime '{runtime}'; known are {', '.join(RUNTIMES)}.")
    threads = available_threads()
    if request in ("cuda", "mps"):
        name = _gpu(request)
        if name is None:
            raise InputError(f"The device '{request}' was asked for, but torch finds none; use 'cpu' or 'auto'.")
        return DeviceChoice(request, _gpu_runtime(runtime), f"{name}, as asked for.", threads)
    why = "as asked for"
    if request == "auto":
        for device in ("cuda", "mps"):
            name = _gpu(device)
            if name is not None and runtime in ("auto", "torch"):
                return DeviceChoice(device, "torch", f"{name}: the fastest device found.", threads)
        why = "no usable GPU was found" if runtime in ("auto", "torch") else f"the runtime '{runtime}' works on it"
    chosen, remark = _cpu_runtime(runtime)
    return DeviceChoice(
        "cpu", chosen, f"CPU with {threads} thread{'s' if threads > 1 else ''} ({why}), {remark}.", threads
    )


def available_threads() -> int:
    """Threads to compute with: the cores this process may use, less one if there are more than four.

    Respects the CPU affinity, a container's CPU quota (cgroup 1 and 2) and ``OMP_NUM_THREADS``.
    """
    cores = _affinity()
    quota = _cgroup_cores()
    if quota is not None:
        cores = min(cores, quota)
    if cores > CORES_BEFORE_ONE_IS_LEFT_FREE:
        cores -= 1
    limit = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    if limit.isdigit() and int(limit) > 0:
        cores = min(cores, int(limit))
    return max(cores, 1)


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1


def _cgroup_cores(root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Cores that a container's CPU quota allows, rounded up; None without a quota."""
    try:
        quota, period = (root / "cpu.max").read_text().split()[:2]
    except (OSError, ValueError):
        try:
            quota = (root / "cpu" / "cpu.cfs_quota_us").read_text().strip()
            period = (root / "cpu" / "cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    try:
        cores = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):  # "max": no quota
        return None
    return math.ceil(cores) if cores > 0 else None


def _gpu(device: str) -> str | None:
    """Name of a GPU that torch can use; None without one."""
    try:
        import torch

        if device == "cuda" and torch.cuda.is_available():
            torch.zeros(1, device="cuda")  # a driver that is too old shows only here
            return str(torch.cuda.get_device_name(0))
        if device == "mps" and torch.backends.mps.is_available():
            return "Apple GPU"
    except (ImportError, RuntimeError, AssertionError):
        return None
    return None


def _gpu_runtime(runtime: str) -> str:
    if runtime not in ("auto", "torch"):
        raise InputError(f"The runtime '{runtime}' works on the CPU only; use 'torch' on a GPU.")
    return "torch"


def openvino_usable() -> bool:
    """Whether OpenVINO is installed (it is imported only when it is used)."""
    return find_spec("openvino") is not None


def onnx_usable() -> bool:
    """Whether ONNX Runtime is installed, and the package onnx that torch's export needs."""
    return find_spec("onnxruntime") is not None and find_spec("onnx") is not None


def _cpu_runtime(runtime: str) -> tuple[str, str]:
    if runtime == "torch":
        return "torch", "with torch as asked for"
    if runtime == "openvino" and not openvino_usable():
        raise InputError("The runtime 'openvino' was asked for but is not installed; install the package openvino.")
    if runtime == "onnx" and not onnx_usable():
        raise InputError(
            "The runtime 'onnx' was asked for but is not usable; install the packages onnx and onnxruntime."
        )
    if runtime == "openvino" or (runtime == "auto" and openvino_usable()):
        return "openvino", "with OpenVINO"
    if runtime == "onnx" or onnx_usable():
        return "onnx", "with ONNX Runtime"
    return "torch", "with torch, because neither OpenVINO nor ONNX Runtime is installed"
