"""``multijointseg info``: versions, devices, models and joints, without importing anything heavy."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import shutil
import subprocess
from pathlib import Path

from MultiJointSegLib import anatomy
from MultiJointSegLib.cli.outcome import Outcome
from MultiJointSegLib.cli.terminal import Terminal
from MultiJointSegLib.errors import MultiJointSegError
from MultiJointSegLib.pipeline.versions import package_versions
from MultiJointSegLib.resources import resource_path

_DRIVER_TIMEOUT_S = 10.0
_RUNTIMES = {"torch": "torch", "openvino": "OpenVINO", "onnxruntime": "ONNX Runtime"}


def _nvidia_gpus() -> list[dict[str, object]]:
    """GPUs as the NVIDIA driver's own tool lists them; none without it."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    command = [tool, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_DRIVER_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    gpus: list[dict[str, object]] = []
    for line in done.stdout.splitlines():
        parts = [part.strip() for part in line.split(",")]
        if len(parts) == 3:
            memory = int(parts[1]) if parts[1].isdigit() else None
            gpus.append({"device": "cuda", "name": parts[0], "memory_mib": memory, "driver": parts[2]})
    return gpus


def devices() -> list[dict[str, object]]:
    """What the machine has, asked of the system and the driver, not of torch (which may not use all of it)."""
    found: list[dict[str, object]] = [
        {"device": "cpu", "name": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    ]
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        found.append({"device": "mps", "name": "Apple silicon"})
    return found + _nvidia_gpus()


def models() -> list[dict[str, object]]:
    """The model bundles that ship, from their descriptions alone; weights are checked when a model is loaded."""
    try:
        root = resource_path("Models")
    except MultiJointSegError:
        return []
    found: list[dict[str, object]] = []
    for path in sorted(root.glob("*/bundle.json")):
        try:
            description = json.loads(path.read_text(encoding="utf-8"))
            found.append(
                {
                    "name": description["name"],
                    "version": description["version"],
                    "license": description["license"],
                    "joints": list(description["joints"]),
                    "sha256": description["weights_sha256"],
                }
            )
        except (OSError, ValueError, KeyError, TypeError):
            found.append({"name": path.parent.name, "problem": "its bundle.json cannot be read"})
    return found


def _installed_runtimes() -> list[str]:
    return [label for module, label in _RUNTIMES.items() if importlib.util.find_spec(module) is not None]


def run(arguments: argparse.Namespace, terminal: Terminal) -> Outcome:  # noqa: ARG001 - the shape of every command
    """Collect it all."""
    versions = package_versions()
    joints = {key: [bone.key for bone in anatomy.joint(key).bones] for key in anatomy.joint_names()}
    data: dict[str, object] = {
        "exit_code": 0,
        "versions": versions,
        "system": {"system": platform.system(), "release": platform.release(), "machine": platform.machine()},
        "devices": devices(),
        "devices_note": "Asked of the system and the graphics driver; torch was not imported.",
        "runtimes": _installed_runtimes(),
        "models": models(),
        "joints": joints,
        "library": str(Path(__file__).resolve().parents[1]),
    }
    return Outcome(_lines(data), data)


def _lines(data: dict[str, object]) -> list[str]:
    lines = ["Versions"]
    versions, found_devices, found_models, joints = (data[k] for k in ("versions", "devices", "models", "joints"))
    assert isinstance(versions, dict) and isinstance(joints, dict)
    assert isinstance(found_devices, list) and isinstance(found_models, list)
    lines += [f"  {name:16s} {version or 'not installed'}" for name, version in versions.items()]
    lines.append("Devices (asked of the system and the graphics driver, not of torch)")
    for device in found_devices:
        extra = ", ".join(f"{key} {value}" for key, value in device.items() if key not in ("device", "name"))
        lines.append(f"  {device['device']:5s} {device['name']}{f' ({extra})' if extra else ''}")
    lines.append(f"Runtimes\n  {', '.join(_installed_runtimes()) or 'none'}")
    lines.append("Models")
    for model in found_models:
        if "problem" in model:
            lines.append(f"  {model['name']}: {model['problem']}")
        else:
            lines.append(f"  {model['name']} {model['version']} ({', '.join(model['joints'])}; {model['license']})")
    if not found_models:
        lines.append("  none")
    lines.append("Joints")
    lines += [f"  {key}: {', '.join(bones)}" for key, bones in joints.items()]
    return lines
