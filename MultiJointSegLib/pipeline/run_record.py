"""What a run used and cost: inputs by hash, versions, memory. Names no person and no path unless asked."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import MultiJointSegLib

if TYPE_CHECKING:
    from MultiJointSegLib.imaging.volume import Volume
    from MultiJointSegLib.inference.segmenter import SegmentationResult
    from MultiJointSegLib.pipeline.result import ExaminationSegmenter

PACKAGES = (
    "numpy",
    "scipy",
    "SimpleITK",
    "pydicom",
    "torch",
    "monai",
    "openvino",
    "onnxruntime",
    "safetensors",
    "vtk",
    "slicer-core",
    "matplotlib",
    "Jinja2",
    "rich",
)
"""Distributions whose versions a run depends on."""

_HASH_BLOCK_BYTES = 1 << 20


def package_versions() -> dict[str, str | None]:
    """Version of MultiJointSeg, Python and each of `PACKAGES` (None where not installed), importing none of them."""
    versions: dict[str, str | None] = {
        "MultiJointSeg": MultiJointSegLib.__version__,
        "Python": platform.python_version(),
    }
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return versions


def sha256_of_file(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's content."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_HASH_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def describe_inputs(files: Iterable[Path], *, record_paths: bool = False) -> list[dict[str, object]]:
    """Size and SHA-256 of each file, sorted by path.

    File and folder names often carry a patient's name, so they are left out unless `record_paths` is set.
    """
    described = []
    for path in sorted(files):
        entry: dict[str, object] = {"sha256": sha256_of_file(path), "bytes": path.stat().st_size}
        if record_paths:
            entry["path"] = str(path.resolve())
        described.append(entry)
    return described


def peak_memory_mib() -> float | None:
    """Largest resident memory of this process so far in MiB; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return _peak_memory_windows_mib()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20) if sys.platform == "darwin" else peak / (1 << 10)


def _peak_memory_windows_mib() -> float | None:
    try:
        import psutil
    except ImportError:
        return None
    return float(psutil.Process().memory_info().peak_wset) / (1 << 20)


def rounded(timings_s: Mapping[str, float]) -> dict[str, float]:
    """Timings to a tenth of a millisecond, as they are worth."""
    return {key: round(float(value), 4) for key, value in timings_s.items()}


def run_record(
    volume: Volume, segmentation: SegmentationResult, segmenter: ExaminationSegmenter, *, joint_given: bool
) -> dict[str, object]:
    """What run.json says about image, detection, model, device and machine, as plain JSON values."""
    detection = segmentation.detection
    geometry = volume.geometry
    manifest = getattr(getattr(segmenter, "bundle", None), "manifest", None)
    choice = getattr(segmenter, "choice", None)
    return {
        "program": "MultiJointSeg",
        "joint": segmentation.joint.key,
        "joint_given": joint_given,
        "detection": {
            "joint": detection.joint,
            "confidence": float(detection.confidence),
            "scores": {key: float(value) for key, value in detection.scores.items()},
            "reason": detection.reason,
        },
        "image": {
            "modality": volume.modality,
            "size": list(geometry.size),
            "spacing_mm": list(geometry.spacing_mm),
            "direction_lps": [list(row) for row in geometry.direction],
        },
        "model": {
            "name": getattr(manifest, "name", type(segmenter).__name__),
            "version": getattr(manifest, "version", ""),
            "sha256": getattr(manifest, "weights_sha256", ""),
        },
        "device": {key: getattr(choice, key, "") for key in ("device", "runtime", "reason")},
        "versions": package_versions(),
        "platform": {"system": platform.system(), "machine": platform.machine(), "cores": os.cpu_count()},
        "bone_confidence": {key: round(float(value), 4) for key, value in segmentation.bone_confidence.items()},
        "segmentation_timings_s": rounded(segmentation.timings_s),
        "peak_memory_mib": peak_memory_mib(),
    }
