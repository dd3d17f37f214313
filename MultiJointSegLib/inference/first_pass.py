"""Coarse bones by a first model, for networks that see the union of the bones as a mask."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.inference.bundle import load_bundle
from MultiJointSegLib.inference.segmenter import Segmenter


@lru_cache(maxsize=1)
def _segmenter(model: Path) -> Segmenter:
    return Segmenter(load_bundle(model))


def coarse_bones(model: Path, volume: Volume, joint: str) -> Volume:
    """Labels of an examination by a model that makes its own mask or needs none, and was not trained on it.

    Parameters
    ----------
    model : Path
        Folder of the model's bundle.
    volume : Volume
    joint : str
        Joint key.

    Raises
    ------
    InputError
        If the bundle cannot be used or does not know the joint.
    """
    return _segmenter(model).segment(volume, joint=joint).labels
