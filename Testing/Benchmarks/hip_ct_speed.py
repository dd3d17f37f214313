"""Time and memory of hip annotation, each task in a process of its own: ``python hip_ct_speed.py TASK FILE``."""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from MultiJointSegLib.annotation.body_grid import body_grid, coarse_grid
from MultiJointSegLib.annotation.bone_cut import cut_bone
from MultiJointSegLib.annotation.hip_annotator import annotate_hips
from MultiJointSegLib.annotation.native_cut import cut_slab, refine_in_band
from MultiJointSegLib.imaging.reading import read_volume
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.imaging.writing import write_volume
from MultiJointSegLib.phantom.pelvis_ct import PelvisCtSettings, make_pelvis_ct

GRIDS_MM = (2.0, 1.5)
REPEATS = 3


def speed(seed: int) -> dict[str, object]:
    """Time and memory of 512 x 512 x 300 voxels, and of a cut in a band against the full grid on coarser ones."""
    settings = PelvisCtSettings(seed=seed, spacing_mm=(0.9, 0.9, 0.745), map_spacing_mm=1.6)
    volume = make_pelvis_ct(settings).volume
    missing = max(512 - volume.array.shape[1], 0)
    wide = max(512 - volume.array.shape[2], 0)
    array = np.pad(volume.array[:300, :512, :512], ((0, 0), (0, missing), (0, wide)), constant_values=-1000)
    size = (array.shape[2], array.shape[1], array.shape[0])
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "pelvis.nii.gz"
        write_volume(Volume(array, replace(volume.geometry, size=size), "CT"), path)
        result: dict[str, object] = {"size": list(size), "labels": alone("labels", path)}
        return result | {f"cut on {mm:g} mm": alone(f"{mm:g}", path) for mm in GRIDS_MM}


def alone(task: str, path: Path, limit_s: float = 900.0) -> dict[str, object]:
    """What a task prints in a process of its own, so that its memory is its own; or that it took too long."""
    command = [sys.executable, __file__, task, str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=limit_s)
    except subprocess.TimeoutExpired:
        return {"stopped_after_s": limit_s}
    return dict(json.loads(done.stdout.splitlines()[-1]))


def label_file(path: Path) -> dict[str, object]:
    """From file to labels."""
    begin, cpu = time.perf_counter(), time.process_time()
    found = annotate_hips(read_volume(path))
    write_volume(found.labels, path.with_name("labels.nii.gz"))
    seconds = {"seconds": round(time.perf_counter() - begin, 1), "cpu_s": round(time.process_time() - cpu, 1)}
    return seconds | {"timings_s": found.timings_s, "hips": list(found.hips), "solver": found.solver}


def compare_cuts(path: Path, spacing_mm: float) -> dict[str, object]:
    """CPU seconds of cutting bone exactly on one grid: in a band around a coarse cut, and on all of it.

    The coarse cut counts. Both take turns; of each the median counts. In the full cut every voxel of the same energy is
    free, but for those that seeds decide.
    """
    grid = body_grid(read_volume(path))
    fine, geometry = coarse_grid(grid, spacing_mm, low=-1024, high=2500)
    rough, rough_geometry = coarse_grid(grid, 4.0, low=-1024, high=2500)
    chance = np.where(fine > 400, 0.999, np.where(fine < -50, 0.001, 0.5)).astype(np.float32)
    band_s, full_s = [], []
    for _ in range(REPEATS):
        cpu = time.process_time()
        bone = cut_bone(rough, np.asarray(rough_geometry.spacing_mm[::-1])).bone
        refine_in_band(fine, geometry, bone, rough_geometry, solver="exact")
        band_s.append(time.process_time() - cpu)
        cpu = time.process_time()
        cut_slab(fine, geometry.spacing_mm, chance, "exact")
        full_s.append(time.process_time() - cpu)
    band, full = statistics.median(band_s), statistics.median(full_s)
    return {
        "voxels": int(fine.size),
        "band_cpu_s": round(band, 2),
        "full_cpu_s": round(full, 2),
        "ratio": round(full / band, 2),
    }


def perform(task: str, path: Path) -> dict[str, object]:
    """One task, "labels" or the grid's spacing in mm for `compare_cuts`, and the memory it took."""
    result = label_file(path) if task == "labels" else compare_cuts(path, float(task))
    return result | {"peak_memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)}


if __name__ == "__main__":
    print(json.dumps(perform(sys.argv[1], Path(sys.argv[2]))))
