"""The network through ONNX Runtime, for CPUs without OpenVINO. Needs the packages onnx and onnxruntime."""

from __future__ import annotations

import io
import warnings

import numpy as np
import onnxruntime
import torch

from MultiJointSegLib.inference.bundle import ModelBundle
from MultiJointSegLib.inference.runtime import DETECT, Graph

_EXAMPLE_SIZE = 64


class OnnxRuntime:
    """The network in ONNX Runtime's CPU provider, any batch size, height and width; f32.

    Parameters
    ----------
    bundle : ModelBundle
        The model.
    threads : int
        CPU threads.
    """

    name = "onnx"

    def __init__(self, bundle: ModelBundle, threads: int) -> None:
        self._bundle = bundle
        self._options = onnxruntime.SessionOptions()
        self._options.intra_op_num_threads = threads
        self._options.inter_op_num_threads = 1
        self._options.log_severity_level = 3
        self._sessions: dict[str, onnxruntime.InferenceSession] = {}
        self._session(DETECT)

    def detect(self, images: np.ndarray) -> np.ndarray:
        """See `runtime.Runtime.detect`."""
        return self._run(DETECT, images)

    def segment(self, images: np.ndarray, joint: str) -> np.ndarray:
        """See `runtime.Runtime.segment`."""
        return self._run(joint, images)

    def _run(self, name: str, images: np.ndarray) -> np.ndarray:
        result: np.ndarray = self._session(name).run(None, {"images": images})[0]
        return result

    def _session(self, name: str) -> onnxruntime.InferenceSession:
        if name not in self._sessions:
            self._sessions[name] = onnxruntime.InferenceSession(
                export(Graph(self._bundle, name)), self._options, providers=["CPUExecutionProvider"]
            )
        return self._sessions[name]


def export(graph: Graph) -> bytes:
    """Serialize a graph as an ONNX model with dynamic batch, height and width."""
    graph = graph.eval().cpu()
    target = io.BytesIO()
    with warnings.catch_warnings():  # announcements about the exporter's future
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph,
            (torch.zeros(2, graph.network.input_channels, _EXAMPLE_SIZE, _EXAMPLE_SIZE),),
            target,  # type: ignore[arg-type]  # a file object is what this exporter takes
            dynamo=False,
            input_names=["images"],
            output_names=["result"],
            dynamic_axes={"images": {0: "batch", 2: "height", 3: "width"}, "result": {0: "batch"}},
        )
    return target.getvalue()
