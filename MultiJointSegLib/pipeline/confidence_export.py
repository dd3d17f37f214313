"""The confidences that a bundle states, fitted on phantoms; the last step of making a model.

``python -m MultiJointSegLib.pipeline.confidence_export BUNDLE [--count 20] [--first-seed 1000000] [--device cpu]``

Every phantom is segmented as users' examinations are, with the joint named; per bone an offset is fitted that brings
the stated confidence to the Dice, and written into ``bundle.json``. Labels do not change. The same bundle, seeds and
device give the same offsets. The seeds must not be those of training, nor those that the confidences are judged on.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
from pathlib import Path

import numpy as np

from MultiJointSegLib import anatomy
from MultiJointSegLib.inference.bundle import load_bundle
from MultiJointSegLib.inference.calibration import fit_offset
from MultiJointSegLib.inference.manifest import MANIFEST_NAME
from MultiJointSegLib.inference.segmenter import Segmenter
from MultiJointSegLib.phantom.phantom import make_phantom

FIRST_SEED, COUNT = 1_000_000, 20
_LEAST_ML = 0.1
"""Bones of which less is in view are left out: their Dice says little."""

Cases = dict[str, dict[str, list[tuple[float, float]]]]
"""Joint key to bone key to (stated confidence, Dice) of each case."""


def collect_cases(segmenter: Segmenter, *, first_seed: int, count: int) -> Cases:
    """Segment phantoms of every joint of a model.

    Parameters
    ----------
    segmenter : Segmenter
        Its own confidence offsets are part of what it states.
    first_seed, count : int
        Seeds of the phantoms of each joint.
    """
    cases: Cases = {}
    for joint in segmenter.bundle.joints:
        rows: dict[str, list[tuple[float, float]]] = {bone.key: [] for bone in anatomy.joint(joint).bones}
        for seed in range(first_seed, first_seed + count):
            phantom = make_phantom(joint, seed=seed)
            result = segmenter.segment(phantom.volume, joint=joint)
            for bone in result.joint.bones:
                truth, found = phantom.labels.array == bone.label, result.labels.array == bone.label
                sizes = np.count_nonzero(truth), np.count_nonzero(found)
                if sizes[0] * phantom.volume.geometry.voxel_volume_mm3 < 1000 * _LEAST_ML:
                    continue
                dice = 2 * np.count_nonzero(truth & found) / sum(sizes)
                rows[bone.key].append((result.bone_confidence[bone.key], float(dice)))
        cases[joint] = rows
    return cases


def fitted_offsets(cases: Cases) -> dict[str, dict[str, float]]:
    """Offset of each bone of each joint that has cases, rounded to what is written."""
    return {
        joint: {bone: round(fit_offset(*np.array(pairs, float).T), 3) for bone, pairs in sorted(rows.items()) if pairs}
        for joint, rows in sorted(cases.items())
    }


def fit_confidences(
    bundle: Path, *, first_seed: int = FIRST_SEED, count: int = COUNT, device: str = "cpu"
) -> dict[str, dict[str, float]]:
    """Fit the confidence offsets of a bundle and write them into its manifest.

    Parameters
    ----------
    bundle : Path
        Folder of a model bundle; its earlier offsets are replaced.
    first_seed, count : int
        See `collect_cases`.
    device : str
        See `Segmenter`.

    Returns
    -------
    dict of str to dict of str to float
        Joint key to bone key to offset, as written.

    Raises
    ------
    BundleError
        If the bundle cannot be loaded.
    """
    loaded = load_bundle(bundle)
    plain = loaded.manifest.model_copy(update={"confidence_offsets": {}})
    segmenter = Segmenter(dataclasses.replace(loaded, manifest=plain), device)
    offsets = fitted_offsets(collect_cases(segmenter, first_seed=first_seed, count=count))
    written = plain.model_copy(update={"confidence_offsets": offsets})
    partial = bundle / f".partial-{MANIFEST_NAME}"
    try:
        partial.write_text(written.model_dump_json(indent=2) + "\n", encoding="utf-8")
        os.replace(partial, bundle / MANIFEST_NAME)
    finally:
        partial.unlink(missing_ok=True)
    return offsets


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    parser.add_argument("--device", default="cpu")
    a = parser.parse_args()
    for joint, offsets in fit_confidences(a.bundle, first_seed=a.first_seed, count=a.count, device=a.device).items():
        print(f"{joint}: {', '.join(f'{bone} {offset:+.3f}' for bone, offset in offsets.items())}")  # noqa: T201


if __name__ == "__main__":
    main()
