import subprocess
import sys

import pytest

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.inference import device
from MultiJointSegLib.inference.device import choose_device


@pytest.fixture
def machine(monkeypatch):
    """Pretend what the machine has."""

    def pretend(*, gpus=(), openvino=True, onnx=True, threads=2):
        monkeypatch.setattr(device, "_gpu", lambda name: f"A {name}" if name in gpus else None)
        monkeypatch.setattr(device, "openvino_usable", lambda: openvino)
        monkeypatch.setattr(device, "onnx_usable", lambda: onnx)
        monkeypatch.setattr(device, "available_threads", lambda: threads)

    return pretend


@pytest.mark.parametrize(
    ("has", "request_", "runtime", "expected"),
    [
        (dict(), "auto", "auto", ("cpu", "openvino")),
        (dict(openvino=False), "auto", "auto", ("cpu", "onnx")),
        (dict(openvino=False, onnx=False), "auto", "auto", ("cpu", "torch")),
        (dict(gpus=("cuda",)), "auto", "auto", ("cuda", "torch")),
        (dict(gpus=("mps",)), "auto", "auto", ("mps", "torch")),
        (dict(gpus=("cuda", "mps")), "mps", "auto", ("mps", "torch")),
        (dict(gpus=("cuda",)), "cpu", "auto", ("cpu", "openvino")),
        (dict(gpus=("cuda",)), "cpu", "torch", ("cpu", "torch")),
        (dict(gpus=("cuda",)), "auto", "openvino", ("cpu", "openvino")),
    ],
)
def test_choice(machine, has, request_, runtime, expected):
    machine(**has)
    choice = choose_device(request_, runtime=runtime)
    assert (choice.device, choice.runtime) == expected
    assert choice.reason.endswith(".")
    assert choice.threads == 2


@pytest.mark.parametrize(
    ("has", "request_", "runtime", "words"),
    [
        (dict(), "tpu", "auto", "known are auto, cpu, cuda, mps"),
        (dict(), "auto", "tensorrt", "known are auto, torch, openvino, onnx"),
        (dict(), "cuda", "auto", "torch finds none"),
        (dict(), "mps", "auto", "torch finds none"),
        (dict(gpus=("cuda",)), "cuda", "openvino", "CPU only"),
        (dict(openvino=False), "cpu", "openvino", "not installed"),
        (dict(onnx=False), "cpu", "onnx", "install the packages"),
    ],
)
def test_what_is_not_there_is_refused(machine, has, request_, runtime, words):
    machine(**has)
    with pytest.raises(InputError, match=words):
        choose_device(request_, runtime=runtime)


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "400000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 4),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({}, None),
        ({"cpu.max": "nonsense\n"}, None),
    ],
)
def test_quota_of_a_container(tmp_path, files, cores):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert device._cgroup_cores(tmp_path) == cores


@pytest.mark.parametrize(
    ("cores", "quota", "limit", "threads"),
    [(2, None, "", 2), (4, None, "", 4), (5, None, "", 4), (16, None, "", 15), (16, 2, "", 2), (16, None, "3", 3)],
)
def test_threads(monkeypatch, cores, quota, limit, threads):
    monkeypatch.setattr(device, "_affinity", lambda: cores)
    monkeypatch.setattr(device, "_cgroup_cores", lambda: quota)
    monkeypatch.setenv("OMP_NUM_THREADS", limit)
    assert device.available_threads() == threads


def test_a_broken_gpu_driver_counts_as_no_gpu(monkeypatch):
    import torch

    def broken(*_args, **_kwargs):
        raise RuntimeError("CUDA driver version is insufficient")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "zeros", broken)
    assert device._gpu("cuda") is None


def test_choosing_the_cpu_imports_neither_torch_nor_openvino():
    code = (
        "import sys; from MultiJointSegLib.inference.device import choose_device; choose_device('cpu');"
        "assert not {'torch', 'openvino', 'onnxruntime'} & set(sys.modules), sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
