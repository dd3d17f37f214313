import numpy as np
import pytest
import torch

from MultiJointSegLib.errors import CancelledError, MultiJointSegError
from MultiJointSegLib.inference.batches import BYTES_PER_PIXEL, BatchRunner, is_out_of_memory, padded
from MultiJointSegLib.inference.device import DeviceChoice
from MultiJointSegLib.progress import CallbackProgress

TORCH = DeviceChoice("cpu", "torch", "test", 1)


class Limited:
    """A runtime in which only so many slices fit."""

    def __init__(self, fits, error=None, name="torch"):
        self.fits, self.error, self.name, self.batches = fits, error or MemoryError(), name, []

    def detect(self, images):
        if len(images) > self.fits:
            raise self.error
        self.batches.append(len(images))
        return images[:, 0, 0, :4].copy()

    def segment(self, images, _joint):
        return self.detect(images)


@pytest.fixture
def runner(bundle):
    return BatchRunner(bundle, TORCH)


@pytest.fixture
def images():
    return np.random.default_rng(0).uniform(size=(11, 3, 32, 32)).astype(np.float32)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_the_batch_is_halved_until_it_fits(runner, images, error):
    runner.runtime = Limited(3, error)
    answer = runner.run("knee", images)
    np.testing.assert_array_equal(answer, images[:, 0, 0, :4])
    assert runner.runtime.batches == [2, 2, 2, 2, 2, 1]
    assert runner.warnings[-1] == "Memory ran out; the slices are computed 2 at a time."


def test_a_gpu_too_small_for_one_slice_gives_way_to_the_cpu(bundle, images):
    runner = BatchRunner(bundle, TORCH)
    runner.choice = DeviceChoice("mps", "torch", "test", 1)
    runner.runtime = Limited(0)
    answer = runner.run("knee", images[:2])
    assert answer.shape == (2, 5, 32, 32)
    assert (runner.choice.device, runner.choice.runtime) == ("cpu", "torch")
    assert "goes on with torch on the CPU" in runner.warnings[-1]


def test_too_little_memory_for_one_slice_on_the_cpu_is_an_error(runner, images):
    runner.runtime = Limited(0)
    with pytest.raises(MultiJointSegError, match="memory does not suffice"):
        runner.run("knee", images)


def test_a_failing_runtime_gives_way_to_torch(runner, images):
    runner.runtime = Limited(0, RuntimeError("Unsupported operation X.\nDetails"), name="openvino")
    assert runner.run("knee", images[:2]).shape == (2, 5, 32, 32)
    assert runner.choice.runtime == "torch"
    assert "Unsupported operation X)" in runner.warnings[-1]


def test_a_failure_of_torch_on_the_cpu_is_an_error(runner, images):
    runner.runtime = Limited(0, RuntimeError("broken"))
    with pytest.raises(MultiJointSegError, match="could not be computed: broken"):
        runner.run("knee", images)


def test_cancel_between_batches(runner, images):
    runner.runtime = Limited(4)
    runner._limit = 4
    seen = []
    progress = CallbackProgress(lambda fraction, _message: seen.append(fraction), lambda: len(seen) == 2)
    with pytest.raises(CancelledError):
        runner.run("knee", images, progress=progress)
    assert runner.runtime.batches == [4, 4]
    assert seen == [0.0, pytest.approx(4 / 11)]


def test_the_batch_follows_the_memory(bundle):
    small = BatchRunner(bundle, TORCH, memory_bytes=BYTES_PER_PIXEL * 256 * 256)
    assert small.batch_size(384, 384) == small.batch_size(256, 256) == 1
    assert small.batch_size(128, 128) == 4
    assert BatchRunner(bundle, TORCH).batch_size(64, 64) == 8


def test_nothing_to_compute(runner, images):
    with pytest.raises(MultiJointSegError, match="no slices"):
        runner.run("knee", images[:0])


def test_other_errors_are_not_lack_of_memory():
    assert not is_out_of_memory(RuntimeError("shapes differ"))
    assert not is_out_of_memory(ValueError("out of memory"))


def test_padding(images):
    larger = padded(images[:, :, :30, :17], 32)
    assert larger.shape == (11, 3, 32, 32)
    np.testing.assert_array_equal(larger[:, :, :30, :17], images[:, :, :30, :17])
    assert not larger[:, :, 30:].any()
    assert padded(images, 32) is images
