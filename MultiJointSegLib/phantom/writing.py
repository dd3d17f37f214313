"""Phantoms to files."""

from __future__ import annotations

import json
from pathlib import Path

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.atomic import atomic_write
from MultiJointSegLib.imaging.writing import write_volume
from MultiJointSegLib.phantom.phantom import Phantom


def write_phantom(phantom: Phantom, folder: Path) -> dict[str, Path]:
    """Write image, labels, truth and settings, each whole or not at all.

    Parameters
    ----------
    phantom : Phantom
        What `make_phantom` gave.
    folder : Path
        Made if it does not exist.

    Returns
    -------
    dict
        "image" (image.nii.gz), "labels" (labels.nii.gz), "truth" (truth.json), "settings" (settings.json).

    Raises
    ------
    InputError
        If the folder cannot be made or written to.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"Cannot make the folder {folder}: {error.strerror or error}; choose another one.") from error
    paths = {
        "image": folder / "image.nii.gz",
        "labels": folder / "labels.nii.gz",
        "truth": folder / "truth.json",
        "settings": folder / "settings.json",
    }
    write_volume(phantom.volume, paths["image"])
    write_volume(phantom.labels, paths["labels"])
    for name, content in (("truth", phantom.truth), ("settings", phantom.settings)):
        with atomic_write(paths[name]) as temporary:
            temporary.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return paths
