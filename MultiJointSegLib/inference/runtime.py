"""Computing the network: one protocol, three ways (torch, OpenVINO, ONNX Runtime) with the same answer."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from MultiJointSegLib.inference.bundle import ModelBundle
from MultiJointSegLib.inference.device import DeviceChoice

DETECT = "detect"
"""Name of the graph that answers which joint a slice shows; the other graphs are named by their joint."""


class Runtime(Protocol):
    """What the segmenter asks of a way to compute the network."""

    name: str

    def detect(self, images: np.ndarray) -> np.ndarray:
        """Detection logits, float32 (b, joints + 1), of slices float32 (b, 3, h, w); last class "none of ours"."""

    def segment(self, images: np.ndarray, joint: str) -> np.ndarray:
        """Class probabilities, float32 (b, bones + 1, h, w), of slices float32 (b, 3, h, w); background first."""


class Graph(nn.Module):
    """One function of tensor to tensor out of the shared network: a joint's probabilities, or detection logits.

    Parameters
    ----------
    bundle : ModelBundle
        The model; its segmentation temperature divides the logits before the softmax.
    name : str
        A joint key, or `DETECT`.
    """

    def __init__(self, bundle: ModelBundle, name: str) -> None:
        super().__init__()
        self.network = bundle.network
        self.graph_name = name
        self.temperature = bundle.manifest.segmentation.temperature

    def forward(self, images: Tensor) -> Tensor:
        """Compute the function of slices (b, 3, h, w)."""
        if self.graph_name == DETECT:
            return self.network.detect(images)
        return torch.softmax(self.network(images, self.graph_name) / self.temperature, dim=1)


class TorchRuntime:
    """The network as it is, on any torch device, channels last.

    Parameters
    ----------
    bundle : ModelBundle
        The model. Its network is moved to the device.
    device : str
        "cpu", "cuda" or "mps".
    threads : int
        For the CPU.
    channels_last : bool
        Memory order of the images and weights; faster on CPUs and GPUs, the same result within rounding.
    """

    name = "torch"

    def __init__(
        self, bundle: ModelBundle, device: str = "cpu", threads: int = 1, *, channels_last: bool = True
    ) -> None:
        self._device = torch.device(device)
        self._format = torch.channels_last if channels_last else torch.contiguous_format
        if self._device.type == "cpu" and torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        network: nn.Module = bundle.network.to(self._device)
        network.to(memory_format=self._format)  # type: ignore[call-overload]  # missing in torch's annotations
        self._bundle = bundle

    def detect(self, images: np.ndarray) -> np.ndarray:
        """See `Runtime.detect`."""
        return self._run(DETECT, images)

    def segment(self, images: np.ndarray, joint: str) -> np.ndarray:
        """See `Runtime.segment`."""
        return self._run(joint, images)

    def _run(self, name: str, images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            x = torch.from_numpy(images).to(self._device, memory_format=self._format)
            result: np.ndarray = Graph(self._bundle, name).eval()(x).float().cpu().contiguous().numpy()
        return result


def create_runtime(bundle: ModelBundle, choice: DeviceChoice, *, precision: str = "f32") -> tuple[Runtime, list[str]]:
    """Make the chosen runtime ready; where it fails, the next simpler one.

    Parameters
    ----------
    bundle : ModelBundle
        The model.
    choice : DeviceChoice
        From `device.choose_device`.
    precision : str
        "f32", or "bf16" for OpenVINO on CPUs with such instructions (about twice as fast there, not identical).

    Returns
    -------
    runtime : Runtime
    warnings : list of str
        One sentence per runtime that failed.
    """
    warnings: list[str] = []
    if choice.runtime in ("openvino", "onnx"):
        try:
            if choice.runtime == "openvino":
                from MultiJointSegLib.inference.openvino_runtime import OpenVinoRuntime

                return OpenVinoRuntime(bundle, choice.threads, precision=precision), warnings
            from MultiJointSegLib.inference.onnx_runtime import OnnxRuntime

            return OnnxRuntime(bundle, choice.threads), warnings
        except Exception as error:  # an optional accelerator must never cost the result
            warnings.append(_fallback_sentence(choice.runtime, error))
    return TorchRuntime(bundle, choice.device, choice.threads), warnings


def _fallback_sentence(runtime: str, error: BaseException) -> str:
    first_line = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    return f"The runtime '{runtime}' could not be used ({first_line}); torch is used instead, with the same result."
