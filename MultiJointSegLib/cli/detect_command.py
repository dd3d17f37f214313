"""``multijointseg detect``: which joint an examination shows."""

from __future__ import annotations

import argparse

from MultiJointSegLib.cli.outcome import Outcome
from MultiJointSegLib.cli.terminal import Terminal
from MultiJointSegLib.errors import RefusalError
from MultiJointSegLib.pipeline.segment_examination import load_segmenter, read_examination
from MultiJointSegLib.progress import ProgressSpan


def run(arguments: argparse.Namespace, terminal: Terminal) -> Outcome:
    """Say the joint and how sure it is; a refusal ends with exit code 3."""
    with terminal.progress() as progress:
        progress.report(0.0, "Reading the examination")
        volume = read_examination(arguments.input, series=arguments.series)
        progress.report(0.3, "Loading the model")
        segmenter = load_segmenter(arguments.model, arguments.device)
        progress.report(0.6, "Detecting the joint")
        detection = segmenter.detect(volume, progress=ProgressSpan(progress, 0.6, 1.0))
    if detection.joint is None:
        raise RefusalError(detection.reason)
    scores = {key: float(value) for key, value in detection.scores.items()}
    lines = [f"{detection.joint} (confidence {100 * detection.confidence:.0f} %). {detection.reason}"]
    data: dict[str, object] = {
        "exit_code": 0,
        "joint": detection.joint,
        "confidence": float(detection.confidence),
        "scores": scores,
        "reason": detection.reason,
    }
    return Outcome(lines, data)
