"""Times the whole main job on a phantom of three sizes; run it on a quiet machine.

``python Testing/Benchmarks/main_job.py [--sizes 256x256x24 320x320x100 512x512x160] [--joint knee] [--repeats 3]
[--device cpu] [--images FOLDER] [-o FILE]``

Three ways, each timed from the start of its process to its end but the last:

- cold: a new process without any converted network in the cache, as after the installation;
- warm: a new process, as every later run of the command;
- loaded: the second examination in a process that has loaded the model, as in 3D Slicer's or a cohort's.

Per stage the median over the repeats; the peak of memory is that of the process and its children together (resident
pages, those they share counted in each), sampled every quarter of a second, and at least the process's own peak.
``--images`` keeps the phantoms for the next time.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil

FIELD_MM = 160.0
SIZES = {"256x256x24": (256, 256, 24, 4.0), "320x320x100": (320, 320, 100, 1.0), "512x512x160": (512, 512, 160, 0.6)}
"""Voxels along (i, j, k) and distance of slices in mm; the pixels cover `FIELD_MM`."""

AIMS = {
    "256x256x24": {"warm_s": 8.0, "cold_s": 15.0},
    "320x320x100": {},
    "512x512x160": {"warm_s": 90.0, "peak_memory_mib": 2500.0},
}
_SAMPLING_S = 0.25


def processor() -> str:
    """Name of the processor, as far as the system tells."""
    listing = Path("/proc/cpuinfo")
    if listing.is_file():
        for line in listing.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def write_image(path: Path, joint: str, size: str, seed: int) -> None:
    """Write a sagittal PD-weighted phantom of exactly that size."""
    from MultiJointSegLib.imaging.writing import write_volume
    from MultiJointSegLib.phantom.acquisition import acquire, draw_acquisition
    from MultiJointSegLib.phantom.procedural import phantom_rng, procedural_tissue_map

    columns, rows, slices, pitch_mm = SIZES[size]
    tissue_map = procedural_tissue_map(joint, seed=seed)
    rng = phantom_rng("main job", seed)
    settings = draw_acquisition(tissue_map, rng, plane="sagittal", sequence="pd")
    settings = dataclasses.replace(
        settings,
        size=(columns, rows, slices),
        spacing_mm=(FIELD_MM / columns, FIELD_MM / rows, pitch_mm),
        slice_thickness_mm=pitch_mm,
    )
    write_volume(acquire(tissue_map, settings, rng)[0], path)


class Peak(threading.Thread):
    """Samples the resident memory of a process and its children until it ends."""

    def __init__(self, process: int) -> None:
        super().__init__(daemon=True)
        self._process = psutil.Process(process)
        self.mib = 0.0

    def run(self) -> None:
        """Sample."""
        while True:
            total = 0
            try:
                family = [self._process, *self._process.children(recursive=True)]
            except psutil.NoSuchProcess:
                return
            for member in family:
                try:
                    total += member.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            if total == 0:
                return
            self.mib = max(self.mib, total / (1 << 20))
            time.sleep(_SAMPLING_S)


def timed(command: list[str], cache: Path) -> tuple[float, float]:
    """Run a command; its seconds and its peak memory in MiB."""
    begin = time.perf_counter()
    environment = os.environ | {"MULTIJOINTSEG_CACHE": str(cache)}
    process = subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    peak = Peak(process.pid)
    peak.start()
    _, said = process.communicate()
    seconds = time.perf_counter() - begin
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}: {said.strip()}")
    peak.join(1.0)
    return seconds, peak.mib


def run_loaded(image: Path, output: Path, device: str, joint: str) -> None:
    """The process of the way "loaded": two results, of which the second counts."""
    from MultiJointSegLib.cli.scene_output import write_scene
    from MultiJointSegLib.pipeline.segment_examination import load_segmenter, segment_examination

    segmenter = load_segmenter(None, device)
    for name in ("first", "second"):
        segment_examination(image, output / name, joint=joint, segmenter=segmenter, scene_writer=write_scene)


def time_size(image: Path, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All ways of one size; see the module's docstring."""
    seconds: dict[str, list[float]] = {"cold": [], "warm": [], "loaded": []}
    stages: dict[str, list[dict[str, float]]] = {way: [] for way in seconds}
    peaks, run = [], {}
    for repeat in range(options.repeats):
        cache = folder / f"cache{repeat}"
        for way in ("cold", "warm"):
            out = folder / f"{way}{repeat}"
            common = ("--joint", options.joint_given, "--device", options.device, "--quiet")
            command = ["-m", "MultiJointSegLib", "segment", str(image), "-o", str(out), *common]
            elapsed, peak = timed(command, cache)
            seconds[way].append(elapsed)
            run = json.loads((out / "run.json").read_text(encoding="utf-8"))
            peaks.append(max(peak, run["peak_memory_mib"] or 0.0))
            stages[way].append(
                run["timings_s"] | {f"network: {k}": v for k, v in run["segmentation_timings_s"].items()}
            )
        out = folder / f"loaded{repeat}"
        out.mkdir()
        here = [str(Path(__file__).resolve()), "--loaded", str(image), str(out)]
        timed([*here, "--device", options.device, "--joint-given", options.joint_given], cache)
        run = json.loads((out / "second" / "run.json").read_text(encoding="utf-8"))
        seconds["loaded"].append(run["total_s"])
        stages["loaded"].append(run["timings_s"])
    medians = {way: round(statistics.median(values), 2) for way, values in seconds.items()}
    return {
        "seconds": medians,
        "least_seconds": {way: round(min(values), 2) for way, values in seconds.items()},
        "stages": {
            way: {stage: round(statistics.median(row.get(stage, 0.0) for row in rows), 3) for stage in rows[0]}
            for way, rows in stages.items()
        },
        "peak_memory_mib": round(max(peaks)),
        "joint": run["joint"],
        "device": run["device"],
        "versions": run["versions"],
    }


def table(sizes: dict[str, dict[str, Any]]) -> list[str]:
    """Markdown table; aims in brackets, a missed one marked."""

    def cell(size: str, key: str, value: float) -> str:
        aim = AIMS[size].get(key)
        if aim is None:
            return f"{value:g}"
        return f"{value:g} (aim {aim:g}{', missed' if value > aim else ''})"

    lines = ["| voxels | cold s | warm s | loaded s | peak memory MiB |", "|---|---|---|---|---|"]
    for size, row in sizes.items():
        cells = [cell(size, f"{way}_s", row["seconds"][way]) for way in ("cold", "warm", "loaded")]
        lines.append(f"| {size} | {' | '.join(cells)} | {cell(size, 'peak_memory_mib', row['peak_memory_mib'])} |")
    return lines


def main() -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--joint", default="knee", help="of the phantom")
    parser.add_argument("--joint-given", help="what the command is told (default: the phantom's joint)")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--images", type=Path, help="folder that keeps the phantoms")
    parser.add_argument("--write-image", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--loaded", nargs=2, type=Path, help=argparse.SUPPRESS)
    parser.add_argument("-o", "--output", type=Path, help="also write the result to this file")
    options = parser.parse_args()
    options.joint_given = options.joint_given or options.joint
    if options.write_image:
        write_image(options.write_image, options.joint, options.sizes[0], options.seed)
        return
    if options.loaded:
        run_loaded(*options.loaded, options.device, options.joint_given)
        return
    sizes = {}
    with tempfile.TemporaryDirectory() as name:
        for size in options.sizes:
            image = (options.images or Path(name)) / f"{options.joint}-{options.seed}-{size}.nii.gz"
            if not image.is_file():
                image.parent.mkdir(parents=True, exist_ok=True)
                # A process of its own, so that its memory is given back.
                here = [str(Path(__file__).resolve()), "--write-image", str(image), "--sizes", size]
                timed([*here, "--joint", options.joint, "--seed", str(options.seed)], Path(name))
            folder = Path(name) / size
            folder.mkdir()
            sizes[size] = time_size(image, options, folder)
            print(f"{size}: {sizes[size]['seconds']}, {sizes[size]['peak_memory_mib']} MiB", flush=True)
    machine = {"processor": processor(), "cores": os.cpu_count(), "system": platform.system()}
    result = {"machine": machine, "repeats": options.repeats, "seed": options.seed, "aims": AIMS, "sizes": sizes}
    print("\n".join(table(sizes)))
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
