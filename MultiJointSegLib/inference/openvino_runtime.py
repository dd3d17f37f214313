"""The network through OpenVINO: three times torch's speed on x86 CPUs at the same precision."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import openvino
import torch
from openvino.frontend import FrontEndManager
from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

from MultiJointSegLib.inference.bundle import ModelBundle
from MultiJointSegLib.inference.cache import read_cached, write_cached
from MultiJointSegLib.inference.runtime import DETECT, Graph

CACHE_FORMAT = 1
"""Raised when `Graph` or the conversion changes, so that what older versions kept is not used."""

_EXAMPLE_SIZE = 64
"""Height and width of the image with which the network is traced; the result takes any size."""


class OpenVinoRuntime:
    """The network compiled for the CPU, any batch size, height and width.

    Each graph (detection, one per joint) is converted and compiled when it is first used and kept in the cache
    folder, so that later runs start at once.

    Parameters
    ----------
    bundle : ModelBundle
        The model.
    threads : int
        CPU threads.
    precision : str
        "f32", or "bf16" where the processor has such instructions, else f32.
    """

    name = "openvino"

    def __init__(self, bundle: ModelBundle, threads: int, *, precision: str = "f32") -> None:
        self._bundle = bundle
        self._core = openvino.Core()
        if precision == "bf16" and "BF16" not in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            precision = "f32"  # emulated it would be slower, not faster
        self._settings = {
            # Stated always: the default is bf16 on CPUs that can, with other results.
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
        }
        self._compiled: dict[str, openvino.CompiledModel] = {}
        self._graph(DETECT)

    def detect(self, images: np.ndarray) -> np.ndarray:
        """See `runtime.Runtime.detect`."""
        return self._run(DETECT, images)

    def segment(self, images: np.ndarray, joint: str) -> np.ndarray:
        """See `runtime.Runtime.segment`."""
        return self._run(joint, images)

    def _run(self, name: str, images: np.ndarray) -> np.ndarray:
        result: np.ndarray = self._graph(name)(images)[0]
        return result

    def _graph(self, name: str) -> openvino.CompiledModel:
        if name not in self._compiled:
            self._compiled[name] = self._load(name)
        return self._compiled[name]

    def _load(self, name: str) -> openvino.CompiledModel:
        key = self._cache_key(name)
        stored = read_cached(key)
        if stored is not None:
            try:
                return self._core.import_model(stored, "CPU", self._settings)
            except RuntimeError:  # made by another processor or build: compile anew
                pass
        compiled = self._core.compile_model(convert(Graph(self._bundle, name)), "CPU", self._settings)
        exported: io.BytesIO = compiled.export_model()
        write_cached(key, exported.getvalue())
        return compiled

    def _cache_key(self, name: str) -> str:
        manifest = self._bundle.manifest
        parts: Mapping[str, Any] = {
            "format": CACHE_FORMAT,
            "openvino": openvino.get_version(),
            "cpu": self._core.get_property("CPU", "FULL_DEVICE_NAME"),
            "capabilities": sorted(self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")),
            "weights": manifest.weights_sha256,
            "network": manifest.network,
            "temperature": manifest.segmentation.temperature,
            "settings": self._settings,
            "graph": name,
        }
        return hashlib.sha256(repr(sorted(parts.items())).encode()).hexdigest()[:40] + ".openvino"


def convert(graph: Graph) -> openvino.Model:
    """Convert a graph to an OpenVINO model with dynamic batch, height and width.

    Notes
    -----
    Does what ``openvino.convert_model`` does, through the same front end, but without its usage statistics: that
    function reports to its vendor by network unless a user has declined, which a clinical program must not do.
    """
    graph = graph.eval().cpu()
    with warnings.catch_warnings(), torch.inference_mode():
        # torch announces that tracing will go some day, and that sizes of the example become constants: the network
        # takes multiples of 32, for which those constants hold (tested by comparison at other sizes).
        warnings.simplefilter("ignore")
        frontend = FrontEndManager().load_by_framework("pytorch")
        channels = graph.network.input_channels
        example = torch.zeros(2, channels, _EXAMPLE_SIZE, _EXAMPLE_SIZE)
        decoder = TorchScriptPythonDecoder(graph, example_input=(example,))  # must outlive the conversion
        model = frontend.convert(frontend.load(decoder))
    model.reshape([-1, channels, -1, -1])
    return model
