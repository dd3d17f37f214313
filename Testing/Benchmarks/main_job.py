"""Times the main job on one phantom per joint and prints a JSON result; run it on a quiet machine.

``python Testing/Benchmarks/main_job.py [--joints knee ...] [--repeats 3] [--seed 7] [--device cpu] [-o FILE]``

Each repeat is a process of its own, so that start-up, imports and model loading count as they do for a user. Per stage
and for the whole process the median and the minimum over the repeats are reported, with the largest peak memory.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def processor() -> str:
    """Name of the processor, as far as the system tells."""
    listing = Path("/proc/cpuinfo")
    if listing.is_file():
        for line in listing.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def multijointseg(*arguments: str) -> float:
    """Run the command line; seconds of the process. Its own message is shown when it fails."""
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "MultiJointSegLib", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"multijointseg {' '.join(arguments)} ended with {done.returncode}: {done.stderr.strip()}")
    return time.perf_counter() - begin


def median_and_minimum(seconds: list[float]) -> dict[str, float]:
    """Median and minimum, in s."""
    return {"median_s": round(statistics.median(seconds), 3), "minimum_s": round(min(seconds), 3)}


def time_joint(joint: str, *, seed: int, repeats: int, device: str, folder: Path) -> dict[str, object]:
    """Segment one phantom of a joint several times; see the module's docstring."""
    examination = folder / joint
    multijointseg("phantom", "--joint", joint, "--seed", str(seed), "-o", str(examination), "--quiet")
    runs, processes = [], []
    for repeat in range(repeats):
        out = folder / f"{joint}-{repeat}"
        arguments = (
            "segment",
            str(examination / "image.nii.gz"),
            "-o",
            str(out),
            "--joint",
            "auto",
            "--device",
            device,
            "--quiet",
        )
        processes.append(multijointseg(*arguments))
        runs.append(json.loads((out / "run.json").read_text(encoding="utf-8")))
    stages = {stage: median_and_minimum([run["timings_s"][stage] for run in runs]) for stage in runs[0]["timings_s"]}
    return {
        "voxels_ijk": runs[0]["image"]["size"],
        "process": median_and_minimum(processes),
        "stages": stages,
        "peak_memory_mib": max(run["peak_memory_mib"] for run in runs),
        "device": runs[0]["device"],
        "versions": runs[0]["versions"],
    }


def main() -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--joints", nargs="+", default=["ankle", "knee", "shoulder"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("-o", "--output", type=Path, help="also write the result to this file")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        joints = {
            joint: time_joint(joint, seed=chosen.seed, repeats=chosen.repeats, device=chosen.device, folder=Path(name))
            for joint in chosen.joints
        }
    machine = {"processor": processor(), "cores": os.cpu_count(), "system": platform.system()}
    result = {"machine": machine, "repeats": chosen.repeats, "seed": chosen.seed, "joints": joints}
    text = json.dumps(result, indent=2) + "\n"
    print(text, end="")
    if chosen.output:
        chosen.output.parent.mkdir(parents=True, exist_ok=True)
        chosen.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
