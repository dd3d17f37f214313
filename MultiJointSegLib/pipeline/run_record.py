"""What a run used and cost: inputs by hash, versions, memory. Names no person and no path unless asked."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from MultiJointSegLib.imaging.dicom_headers import find_files
from MultiJointSegLib.imaging.hashing import sha256_of
from MultiJointSegLib.pipeline.input_mask_record import mask_record
from MultiJointSegLib.pipeline.versions import package_versions

if TYPE_CHECKING:
    from MultiJointSegLib.imaging.volume import Volume
    from MultiJointSegLib.inference.segmenter import SegmentationResult
    from MultiJointSegLib.pipeline.result import ExaminationSegmenter


def input_record(source: Path, volume: Volume, *, record_paths: bool = False) -> dict[str, object]:
    """Fingerprints of what was read.

    Parameters
    ----------
    source
        File or folder. Its name often is the patient's, so it is left out unless `record_paths` is set.
    volume
        What was read from it: the fingerprint of its voxels tells which series of a folder it was.

    Returns
    -------
    dict
        "kind", "files", "bytes", "sha256" (`imaging.hashing.sha256_of`), "voxels_sha256", and "path" if asked for.
    """
    files = [source] if source.is_file() else find_files(source)
    voxels = np.ascontiguousarray(volume.array)
    record: dict[str, object] = {
        "kind": "file" if source.is_file() else "folder",
        "files": len(files),
        "bytes": sum(path.stat().st_size for path in files),
        "sha256": sha256_of(source),
        "voxels_sha256": hashlib.sha256(voxels.data).hexdigest(),
    }
    if record_paths:
        record["path"] = str(source.resolve())
    return record


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
        "input_mask": mask_record(segmentation.input_mask),
        # What a segmenter without a network tells about its result, for example the quality of each hip.
        "annotation": getattr(segmenter, "record", None),
        "device": {
            "device": segmentation.device.device,
            "runtime": segmentation.device.runtime,
            "threads": segmentation.device.threads,
            "reason": segmentation.device.reason,
        },
        "versions": package_versions(),
        "platform": {"system": platform.system(), "machine": platform.machine(), "cores": os.cpu_count()},
        "bone_confidence": {key: round(float(value), 4) for key, value in segmentation.bone_confidence.items()},
        "slice_axis": segmentation.slice_axis,
        "slice_uncertainty": {
            key: [round(float(value), 4) for value in values] for key, values in segmentation.slice_uncertainty.items()
        },
        "segmentation_timings_s": rounded(segmentation.timings_s),
        "peak_memory_mib": peak_memory_mib(),
    }
