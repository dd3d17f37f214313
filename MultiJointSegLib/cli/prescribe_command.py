"""``multijointseg prescribe``: propose the standard planes of a study from the lines found in its slices."""

from __future__ import annotations

import argparse
from pathlib import Path

from MultiJointSegLib.cli.outcome import Outcome
from MultiJointSegLib.cli.terminal import Terminal
from MultiJointSegLib.errors import InputError, RefusalError
from MultiJointSegLib.learning.pretext.prediction import propose_planes
from MultiJointSegLib.learning.pretext.prepared import prepare_study, target_planes
from MultiJointSegLib.learning.pretext.prescription import PrescribedPlane, plane_error, write_plane_markups
from MultiJointSegLib.learning.pretext.pretrained import read_pretext_network
from MultiJointSegLib.learning.pretext.study_reading import read_study

SUFFIX = ".mrk.json"


def run(arguments: argparse.Namespace, terminal: Terminal) -> Outcome:
    """Propose planes, write them as markups, and say where they lie."""
    output = Path(arguments.output)
    if not output.name.endswith(SUFFIX):
        raise InputError(f"The output is '{output.name}'; Slicer's markups end with {SUFFIX}.")
    if output.exists() and not arguments.overwrite:
        raise InputError(f"The output '{output}' exists already; choose another name or add --overwrite.")
    network, record = read_pretext_network(Path(arguments.model))
    learned = [c for c in network.channels if record.get("errors", {}).get(c, {}).get("line_mm", {}).get("count")]
    if not learned:
        raise InputError(f"The pretraining '{arguments.model}' learned no lines; pretrain on studies of several views.")
    config = record["config"]
    with terminal.progress() as progress:
        progress.report(0.0, "Reading the study")
        study = read_study(Path(arguments.study))
        prepared = prepare_study(study, pixel_mm=config["data"]["pixel_mm"], phases=1)
        progress.report(0.4, "Looking for planes")
        proposed = propose_planes(network, prepared, config["network"]["domains"], learned)
    if not proposed:
        raise RefusalError("No plane can be proposed: the network finds too few lines in this study.")
    acquired = target_planes(study.series)
    several = len({frame for frame, _ in proposed}) > 1
    planes, lines, data = {}, [], []
    for number, ((frame, channel), plane) in enumerate(proposed.items(), start=1):
        name = f"{channel} ({number})" if several else channel
        planes[name] = plane.plane
        text = f"{name}: from {plane.lines} lines, which lie {plane.residual_mm:.1f} mm from it"
        entry = _entry(name, plane)
        if (frame, channel) in acquired:
            error = plane_error(plane.plane, acquired[frame, channel])
            text += f"; {error.angle_deg:.1f}° and {error.distance_mm:.1f} mm from the acquired one"
            entry |= {"angle_to_acquired_deg": error.angle_deg, "distance_to_acquired_mm": error.distance_mm}
        lines.append(text)
        data.append(entry)
    write_plane_markups(planes, output)
    lines += [f"Note: {note}" for note in prepared.notes]
    lines.append(f"Planes: {output} (open it in 3D Slicer; they can be moved there)")
    return Outcome(lines, {"exit_code": 0, "output": str(output), "planes": data, "notes": list(prepared.notes)})


def _entry(name: str, plane: PrescribedPlane) -> dict[str, object]:
    return {
        "name": name,
        "center_lps_mm": list(plane.plane.point_mm),
        "normal_lps": list(plane.plane.normal),
        "lines": plane.lines,
        "residual_mm": plane.residual_mm,
    }
