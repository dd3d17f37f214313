"""Times the ways to compute the shared network and compares their answers; prints a table and writes a JSON result.

``python Testing/Benchmarks/inference.py [--bundle FOLDER] [--joint knee] [--batch 8] [--repeats 9] [-o FILE]``

The slices are those of a phantom of the joint, so that the agreement is measured on images like a user's. The variants
take turns, so that a change of the machine's pace meets all of them; ratios are of medians, against plain torch.
Without a shipped model, ``--untrained`` times one of the same shape; its agreement says nothing about a trained one.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch

from MultiJointSegLib import anatomy
from MultiJointSegLib.imaging.canonical import canonical_slices
from MultiJointSegLib.imaging.intensity import normalize_intensity
from MultiJointSegLib.inference.batches import padded
from MultiJointSegLib.inference.bundle import load_bundle, save_bundle
from MultiJointSegLib.inference.device import DeviceChoice, available_threads, onnx_usable, openvino_usable
from MultiJointSegLib.inference.runtime import Runtime, TorchRuntime, create_runtime
from MultiJointSegLib.networks.shared_unet import SharedUNet
from MultiJointSegLib.phantom.phantom import make_phantom


def processor() -> str:
    """Name of the processor, as far as the system tells."""
    listing = Path("/proc/cpuinfo")
    if listing.is_file():
        for line in listing.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def untrained_bundle() -> Path:
    """A bundle of the shipped model's shape with random weights, in a temporary folder."""
    torch.manual_seed(0)
    joints = {key: len(anatomy.joint(key).bones) for key in ("ankle", "knee", "shoulder")}
    folder = Path(tempfile.mkdtemp()) / "untrained"
    settings = dict(name="untrained", version="0.0.0", license="Apache-2.0", card="Random weights.")
    return save_bundle(folder, SharedUNet(joints), **settings).path


def variants(bundle_path: Path | None, threads: int) -> dict[str, tuple[Runtime, float]]:
    """Name to a ready runtime and the seconds it took to make it ready; each has a network of its own."""
    makers: dict[str, Callable[[], Runtime]] = {
        "torch": lambda: TorchRuntime(load_bundle(bundle_path), "cpu", threads, channels_last=False),
        "torch channels last": lambda: TorchRuntime(load_bundle(bundle_path), "cpu", threads),
    }

    def other(runtime: str, precision: str) -> Callable[[], Runtime]:
        def make() -> Runtime:
            choice = DeviceChoice("cpu", runtime, "benchmark", threads)
            made, warnings = create_runtime(load_bundle(bundle_path), choice, precision=precision)
            if warnings:
                raise SystemExit(warnings[0])
            return made

        return make

    if openvino_usable():
        makers["OpenVINO f32"] = other("openvino", "f32")
        makers["OpenVINO bf16"] = other("openvino", "bf16")
    if onnx_usable():
        makers["ONNX Runtime"] = other("onnx", "f32")
    ready = {}
    for name, make in makers.items():
        begin = time.perf_counter()
        ready[name] = (make(), time.perf_counter() - begin)
    return ready


def dice(a: np.ndarray, b: np.ndarray, classes: int) -> float:
    """Mean Dice of the bones of two class maps, over the bones present in either."""
    values = []
    for index in range(1, classes):
        total = np.count_nonzero(a == index) + np.count_nonzero(b == index)
        if total:
            values.append(2 * np.count_nonzero((a == index) & (b == index)) / total)
    return float(np.mean(values)) if values else 1.0


def compare(images: np.ndarray, truth: np.ndarray, joint: str, runtimes: dict, batch: int, repeats: int) -> dict:
    """Time all variants in turns on the middle batch, and compare their answers on all slices."""
    middle = max(0, len(images) // 2 - batch // 2)
    part = np.ascontiguousarray(images[middle : middle + batch])
    for runtime, _ in runtimes.values():
        runtime.segment(part, joint)
    seconds: dict[str, list[float]] = {name: [] for name in runtimes}
    for _ in range(repeats):
        for name, (runtime, _) in runtimes.items():
            begin = time.perf_counter()
            runtime.segment(part, joint)
            seconds[name].append(time.perf_counter() - begin)
    rows, reference = {}, None
    for name, (runtime, ready_s) in runtimes.items():
        answer = np.concatenate(
            [runtime.segment(np.ascontiguousarray(images[k : k + batch]), joint) for k in range(0, len(images), batch)]
        )
        reference = answer if reference is None else reference
        classes = answer.argmax(axis=1)
        median = statistics.median(seconds[name])
        rows[name] = {
            "median_ms": round(median * 1000, 1),
            "minimum_ms": round(min(seconds[name]) * 1000, 1),
            "speed_up": round(statistics.median(seconds["torch"]) / median, 2),
            "ready_s": round(ready_s, 2),
            "largest_difference": float(np.abs(answer - reference).max()),
            "labels_that_agree": float((classes == reference.argmax(axis=1)).mean()),
            "dice_with_torch": dice(classes, reference.argmax(axis=1), answer.shape[1]),
            "dice_with_truth": dice(classes[:, : truth.shape[1], : truth.shape[2]], truth, answer.shape[1]),
        }
    return rows


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, help="folder of a model bundle; the shipped one by default")
    parser.add_argument("--untrained", action="store_true", help="random weights instead of a bundle")
    parser.add_argument("--joint", default="knee")
    parser.add_argument("--seed", type=int, default=7, help="of the phantom")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--threads", type=int, default=available_threads())
    parser.add_argument("-o", "--output", type=Path, help="JSON file to write")
    arguments = parser.parse_args()

    phantom = make_phantom(arguments.joint, seed=arguments.seed)
    slices = canonical_slices(normalize_intensity(phantom.volume))
    labels = slices.grid.sample_labels(phantom.labels)
    truth = np.zeros_like(labels)
    for index, bone in enumerate(anatomy.joint(arguments.joint).bones, start=1):
        truth[labels == bone.label] = index
    images = padded(slices.images, 32)
    runtimes = variants(untrained_bundle() if arguments.untrained else arguments.bundle, arguments.threads)
    rows = compare(images, truth, arguments.joint, runtimes, arguments.batch, arguments.repeats)

    print(f"{'variant':22}{'median ms':>10}{'min ms':>9}{'speed-up':>10}{'max |d|':>10}{'labels':>9}{'Dice':>9}")
    for name, row in rows.items():
        print(
            f"{name:22}{row['median_ms']:>10}{row['minimum_ms']:>9}{row['speed_up']:>10}"
            f"{row['largest_difference']:>10.1e}{row['labels_that_agree']:>9.5f}{row['dice_with_truth']:>9.5f}"
        )
    versions = {}
    for package in ("torch", "openvino", "onnxruntime", "numpy"):
        with contextlib.suppress(PackageNotFoundError):
            versions[package] = version(package)
    result = {
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": arguments.threads,
        "versions": versions,
        "input": {"joint": arguments.joint, "seed": arguments.seed, "slices": list(images.shape)},
        "batch": arguments.batch,
        "repeats": arguments.repeats,
        "trained": not arguments.untrained,
        "variants": rows,
    }
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
