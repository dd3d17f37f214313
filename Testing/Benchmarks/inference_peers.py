"""The network through the library against MONAI's and nnU-Net's ways of running one; a table and a JSON result.

``python Testing/Benchmarks/inference_peers.py [--bundle FOLDER] [--size 256x256x24] [--repeats 5] [--nnunet PYTHON]
[-o FILE]``

Network alone: probabilities of all slices of a phantom, in turns by the library's runtimes, by torch eager, and by
MONAI's slice-wise sliding window around the same torch network (whole slices in one window; and windows of 128 pixels
with a quarter overlap, where the image is larger). End to end, with ``--nnunet`` and the Python of an environment with
nnunetv2: from the image file to the label map file, the library against nnU-Net's predictor with a 2-D network of as
many parameters and random weights, with its mirroring (its default) and without, with processes of its own for reading
and export (as its command runs it; each of them imports torch anew) and without. Ratios come from the same run. ``-o``
also writes the tables as Markdown beside the file.

Comparable: machine, image, threads, number of classes, about the number of parameters; both networks and programs are
loaded before the clock starts. Not comparable: the pixels (the library's network reads 0.8 mm pixels, nnU-Net's plan
the image's own), the floating-point work (equal parameters are not equal work), accuracy (nnU-Net's weights are random,
its postprocessing is off), and what else is made: the library's time contains cleaning, probabilities, confidences.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from main_job import SIZES, processor, write_image

from MultiJointSegLib import anatomy
from MultiJointSegLib.imaging.canonical import canonical_slices
from MultiJointSegLib.imaging.intensity import normalize_intensity
from MultiJointSegLib.imaging.reading import read_volume
from MultiJointSegLib.imaging.writing import write_volume
from MultiJointSegLib.inference.batches import padded
from MultiJointSegLib.inference.bundle import load_bundle
from MultiJointSegLib.inference.device import available_threads, openvino_usable
from MultiJointSegLib.inference.runtime import Graph, TorchRuntime
from MultiJointSegLib.inference.segmenter import Segmenter

BATCH = 8
WINDOW_PX, OVERLAP = 128, 0.25


def monai_ways(network: torch.nn.Module, images: np.ndarray) -> dict[str, Callable[[], np.ndarray]]:
    """MONAI's slice inferer over a volume (1, 3, s, h, w)."""
    from monai.inferers import SliceInferer

    volume = torch.from_numpy(np.ascontiguousarray(images.transpose(1, 0, 2, 3)))[None]
    height, width = images.shape[2:]

    def way(roi: tuple[int, int], overlap: float) -> Callable[[], np.ndarray]:
        inferer = SliceInferer(roi_size=roi, spatial_dim=0, sw_batch_size=BATCH, overlap=overlap)

        def run() -> np.ndarray:
            with torch.inference_mode():
                answer = inferer(volume, network)
            return answer[0].transpose(0, 1).numpy()

        return run

    ways = {"MONAI, whole slices": way((height, width), 0.0)}
    if min(height, width) > WINDOW_PX:
        ways[f"MONAI, windows of {WINDOW_PX}"] = way((WINDOW_PX, WINDOW_PX), OVERLAP)
    return ways


def batched(compute: Callable[[np.ndarray], np.ndarray], images: np.ndarray) -> Callable[[], np.ndarray]:
    """All slices in batches."""
    parts = [np.ascontiguousarray(images[n : n + BATCH]) for n in range(0, len(images), BATCH)]
    return lambda: np.concatenate([compute(part) for part in parts])


def network_alone(bundle_path: Path | None, image: Path, joint: str, repeats: int) -> dict[str, Any]:
    """Median seconds of every way, and its agreement with torch eager."""
    images = padded(canonical_slices(normalize_intensity(read_volume(image))).images, 32)
    threads = available_threads()
    eager = TorchRuntime(load_bundle(bundle_path), "cpu", threads, channels_last=False)
    ways = {"torch eager": batched(lambda part: eager.segment(part, joint), images)}
    if openvino_usable():
        from MultiJointSegLib.inference.openvino_runtime import OpenVinoRuntime

        for precision in ("f32", "bf16"):
            runtime = OpenVinoRuntime(load_bundle(bundle_path), threads, precision=precision)
            ways[f"MultiJointSeg, OpenVINO {precision}"] = batched(
                lambda part, runtime=runtime: runtime.segment(part, joint),
                images,  # type: ignore[misc]
            )
    ways |= monai_ways(Graph(load_bundle(bundle_path), joint).eval(), images)
    answers = {name: way() for name, way in ways.items()}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            begin = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - begin)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    reference = answers["torch eager"].argmax(axis=1)
    rows = {
        name: {
            "median_s": round(median, 3),
            "least_s": round(min(seconds[name]), 3),
            "speed_up": round(medians["torch eager"] / median, 2),
            "labels_that_agree": round(float((answers[name].argmax(axis=1) == reference).mean()), 5),
        }
        for name, median in medians.items()
    }
    return {"slices": list(images.shape), "ways": rows}


def end_to_end(bundle_path: Path | None, image: Path, joint: str, python: Path, repeats: int) -> dict[str, Any]:
    """From file to file, model loaded before: the library, then nnU-Net's predictor."""
    bundle = load_bundle(bundle_path)
    parameters = sum(p.numel() for p in bundle.network.parameters())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        segmenter = Segmenter(bundle, "cpu")
        ours = []
        for _ in range(repeats + 1):
            begin = time.perf_counter()
            result = segmenter.segment(read_volume(image), joint=joint)
            write_volume(result.labels, folder / "ours.nii.gz")
            ours.append(time.perf_counter() - begin)
        script = Path(__file__).with_name("nnunet_predictor.py")
        settings = {
            "image": str(image),
            "folder": str(folder),
            "parameters": parameters,
            "bones": [bone.key for bone in anatomy.joint(joint).bones],
            "threads": available_threads(),
            "repeats": repeats,
        }
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        done = subprocess.run(
            [str(python), str(script), json.dumps(settings)],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )
        if done.returncode != 0:
            raise SystemExit(f"nnU-Net's predictor failed: {done.stderr.strip()[-2000:]}")
        theirs = json.loads(done.stdout.strip().splitlines()[-1])
    ours_s = statistics.median(ours[1:])
    rows = {
        way: {"median_s": round(statistics.median(s), 2), "ratio": round(statistics.median(s) / ours_s, 2)}
        for way, s in theirs["seconds"].items()
    }
    return {
        "MultiJointSeg": {"median_s": round(ours_s, 2), "parameters": parameters},
        "nnU-Net": {"ways": rows, "parameters": theirs["parameters"], "version": theirs["version"]},
    }


def tables(result: dict[str, Any]) -> str:
    """The result as Markdown."""
    lines = ["| network alone | median s | faster than torch eager | labels that agree |", "|---|---|---|---|"]
    for way, row in result["network"]["ways"].items():
        agree = f"{100 * row['labels_that_agree']:.2f} %"
        lines.append(f"| {way} | {row['median_s']} | {row['speed_up']} | {agree} |")
    if "end_to_end" in result:
        ours, theirs = result["end_to_end"]["MultiJointSeg"], result["end_to_end"]["nnU-Net"]
        lines += ["", "| image file to label file | median s | times MultiJointSeg | parameters |", "|---|---|---|---|"]
        lines.append(f"| MultiJointSeg | {ours['median_s']} | 1 | {ours['parameters']} |")
        for way, row in theirs["ways"].items():
            lines.append(f"| nnU-Net {way} | {row['median_s']} | {row['ratio']} | {theirs['parameters']} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, help="folder of a model bundle; the shipped one by default")
    parser.add_argument("--joint", default="knee")
    parser.add_argument("--size", choices=SIZES, default="256x256x24")
    parser.add_argument("--image", type=Path, help="an examination of the joint, instead of a phantom of that size")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--nnunet", type=Path, metavar="PYTHON", help="Python of an environment with nnunetv2")
    parser.add_argument("-o", "--output", type=Path, help="JSON file to write")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        image = options.image
        if image is None:
            image = Path(name) / "image.nii.gz"
            write_image(image, options.joint, options.size, options.seed)
        result: dict[str, Any] = {
            "processor": processor(),
            "threads": available_threads(),
            "versions": {package: version(package) for package in ("torch", "monai", "openvino", "numpy")},
            "image": options.size if options.image is None else "given",
            "network": network_alone(options.bundle, image, options.joint, options.repeats),
        }
        for way, row in result["network"]["ways"].items():
            print(f"{way:32}{row['median_s']:>9.3f} s{row['speed_up']:>8.2f}{row['labels_that_agree']:>10.5f}")
        if options.nnunet:
            repeats = max(1, options.repeats // 2)
            result["end_to_end"] = end_to_end(options.bundle, image, options.joint, options.nnunet, repeats)
            print(json.dumps(result["end_to_end"], indent=1))
    if options.output:
        options.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        options.output.with_suffix(".md").write_text(tables(result), encoding="utf-8")


if __name__ == "__main__":
    main()
