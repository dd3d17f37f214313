"""Segments of Slicer's .seg.nrrd files."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np


def segment_table(fields: Mapping[str, str]) -> list[dict[str, object]]:
    """Segments that a NRRD header names.

    Parameters
    ----------
    fields : mapping of str to str
        From `file_headers.text_header`.

    Returns
    -------
    list of dict
        "id", "name", "label" and "layer" of each; empty when the file is a plain image.
    """
    numbers = sorted(int(m[1]) for key in fields if (m := re.fullmatch(r"Segment(\d+)_ID", key)))
    return [
        {
            "id": fields[f"Segment{n}_ID"],
            "name": fields.get(f"Segment{n}_Name", fields[f"Segment{n}_ID"]),
            "label": int(fields.get(f"Segment{n}_LabelValue", n + 1)),
            "layer": int(fields.get(f"Segment{n}_Layer", 0)),
        }
        for n in numbers
    ]


def merge_layers(layers: np.ndarray, segments: list[dict[str, object]]) -> tuple[np.ndarray, list[dict[str, object]]]:
    """One label map out of several layers.

    Parameters
    ----------
    layers : ndarray of shape (k, j, i, layer)
        Label values; the same value may mean another segment in another layer.
    segments : list of dict
        From `segment_table`.

    Returns
    -------
    labels : uint8 or uint16 ndarray of shape (k, j, i)
        Segments numbered 1..n in their order, later ones on top where they overlap.
    segments : list of dict
        The same with the new "label", all in layer 0.
    """
    labels = np.zeros(layers.shape[:3], np.uint8 if len(segments) < 256 else np.uint16)
    result = []
    for number, segment in enumerate(segments, 1):
        labels[layers[..., int(str(segment["layer"]))] == segment["label"]] = number
        result.append(segment | {"label": number, "layer": 0})
    return labels, result
