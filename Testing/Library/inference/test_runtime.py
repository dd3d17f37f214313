import importlib.util
import sys

import numpy as np
import pytest
import torch

from MultiJointSegLib.inference.device import DeviceChoice, onnx_usable
from MultiJointSegLib.inference.runtime import TorchRuntime, create_runtime

CPU = {name: DeviceChoice("cpu", name, "test", 1) for name in ("torch", "openvino", "onnx")}

needs_openvino = pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="OpenVINO is not installed.")


@pytest.fixture(scope="module", autouse=True)
def _converted_once():
    """Tracing takes seconds: share it between the tests of this file."""
    if importlib.util.find_spec("openvino") is None:
        yield
        return
    from MultiJointSegLib.inference import openvino_runtime

    convert, memory = openvino_runtime.convert, {}

    def remembered(graph):
        if graph.graph_name not in memory:
            memory[graph.graph_name] = convert(graph)
        return memory[graph.graph_name].clone()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(openvino_runtime, "convert", remembered)
        yield


@pytest.fixture
def images():
    return np.random.default_rng(3).uniform(0, 1.2, (3, 3, 96, 64)).astype(np.float32)


@pytest.fixture(params=["openvino", "onnx"])
def other(request):
    if request.param == "openvino" and importlib.util.find_spec("openvino") is None:
        pytest.skip("OpenVINO is not installed.")
    if request.param == "onnx" and not onnx_usable():
        pytest.skip("The packages onnx and onnxruntime are not both installed.")
    return request.param


def test_probabilities_sum_to_one(bundle, images):
    answer = TorchRuntime(bundle).segment(images, "knee")
    assert answer.shape == (3, 5, 96, 64)
    assert answer.dtype == np.float32
    np.testing.assert_allclose(answer.sum(axis=1), 1, atol=1e-5)
    assert 0.02 < (answer.argmax(axis=1) == 0).mean() < 0.98, "the test network must not answer one class only"


def test_other_runtimes_agree_with_torch(bundle, images, other):
    reference = TorchRuntime(bundle)
    runtime, warnings = create_runtime(bundle, CPU[other])
    assert (runtime.name, warnings) == (other, [])
    for x in (images, images[:1, :, :32]):
        expected, answer = reference.segment(x, "knee"), runtime.segment(x, "knee")
        assert np.abs(answer - expected).max() < 2e-5
        assert (answer.argmax(axis=1) == expected.argmax(axis=1)).mean() >= 0.999
        np.testing.assert_allclose(runtime.detect(x), reference.detect(x), atol=1e-4)


def test_each_joint_has_its_own_answer(bundle, images):
    runtime = TorchRuntime(bundle)
    answers = {joint: runtime.segment(images, joint) for joint in bundle.joints}
    assert {joint: a.shape[1] for joint, a in answers.items()} == {"ankle": 4, "knee": 5, "shoulder": 3}
    assert not np.allclose(answers["ankle"][:, 0], answers["knee"][:, 0])


@needs_openvino
def test_a_second_start_uses_the_cache(bundle, images, monkeypatch):
    from MultiJointSegLib.inference import openvino_runtime

    first = openvino_runtime.OpenVinoRuntime(bundle, 1).segment(images, "knee")

    def never(_graph):
        raise AssertionError("converted again")

    monkeypatch.setattr(openvino_runtime, "convert", never)
    second = openvino_runtime.OpenVinoRuntime(bundle, 1).segment(images, "knee")
    np.testing.assert_array_equal(first, second)


@needs_openvino
def test_an_unreadable_cache_is_ignored(bundle, images, monkeypatch):
    from MultiJointSegLib.inference import openvino_runtime

    monkeypatch.setattr(openvino_runtime, "read_cached", lambda _name: b"not a compiled model")
    written = {}
    monkeypatch.setattr(openvino_runtime, "write_cached", lambda name, content: written.update({name: content}))
    runtime = openvino_runtime.OpenVinoRuntime(bundle, 1)
    assert runtime.detect(images).shape == (3, 4)
    assert len(written) == 1


def test_without_the_package_torch_is_used_and_says_so(bundle, images, monkeypatch):
    monkeypatch.setitem(sys.modules, "MultiJointSegLib.inference.openvino_runtime", None)
    runtime, warnings = create_runtime(bundle, CPU["openvino"])
    assert runtime.name == "torch"
    assert len(warnings) == 1
    assert "torch is used instead" in warnings[0]
    assert runtime.detect(images).shape == (3, 4)


def test_channels_last_changes_nothing_but_rounding(bundle, images):
    plain = TorchRuntime(bundle, channels_last=False).segment(images, "ankle")
    np.testing.assert_allclose(TorchRuntime(bundle).segment(images, "ankle"), plain, atol=2e-5)


@pytest.mark.gpu
def test_cuda_agrees_with_the_cpu(bundle, images):
    if not torch.cuda.is_available():
        pytest.skip("torch finds no CUDA device.")
    expected = TorchRuntime(bundle).segment(images, "knee")
    answer = TorchRuntime(bundle, "cuda").segment(images, "knee")
    bundle.network.cpu()
    assert (answer.argmax(axis=1) == expected.argmax(axis=1)).mean() >= 0.999
