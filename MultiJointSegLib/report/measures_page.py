"""The page that defines every measure, with a picture of each on a phantom's bones.

``python -m MultiJointSegLib.report.measures_page OUT [--joints knee ankle shoulder hip]``

The bones are those that phantoms are made of, whole, with nothing imaged and nothing segmented; the hips are of a CT
phantom's true labels. Definitions, units and sources are those that the library writes beside every value.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from MultiJointSegLib import anatomy
from MultiJointSegLib.errors import MultiJointSegError
from MultiJointSegLib.imaging.atomic import atomic_write
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.morphology.from_segmentation import measure_label_map
from MultiJointSegLib.morphology.measurement import Measurement
from MultiJointSegLib.phantom.ankle import build_ankle
from MultiJointSegLib.phantom.field import sample_shape
from MultiJointSegLib.phantom.growth import growth_at
from MultiJointSegLib.phantom.knee import build_knee
from MultiJointSegLib.phantom.pelvis_ct import PelvisCtSettings, make_pelvis_ct
from MultiJointSegLib.phantom.shoulder import build_shoulder
from MultiJointSegLib.report.measure_picture import write_measure_pictures

PAGE_NAME = "README.md"
_SEED, _AGE_YEARS, _SPACING_MM, _GAP_MM = 6, 20.0, 0.7, 1.0
_BEYOND_MM = 30.0
"""Beyond the field of view that the bones were built for, so that the scapula's medial border is in it."""
_BUILDERS = {"ankle": build_ankle, "knee": build_knee, "shoulder": build_shoulder}
_UNITS = {"deg": "degrees", "1": "ratio", "mm2": "mm²", "mm3": "mm³"}


def write_measures_page(folder: Path, joints: Sequence[str]) -> Path:
    """Write the page and its pictures; what was there under the same names is replaced.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    joints : sequence of str
        Joint keys.

    Raises
    ------
    MultiJointSegError
        If pictures cannot be drawn here.
    """
    sections = []
    for key in joints:
        surfaces, measurements = measure_label_map(_true_labels(key), key)
        place = folder / key
        place.mkdir(parents=True, exist_ok=True)
        _, problem = write_measure_pictures(place, surfaces, measurements)
        if problem:
            raise MultiJointSegError(problem)
        sections.append(_section(key, measurements, {path.stem: f"{key}/{path.name}" for path in place.glob("*.png")}))
    page = folder / PAGE_NAME
    with atomic_write(page) as temporary:
        temporary.write_text("\n".join([_HEAD, *sections]), encoding="utf-8")
    return page


_HEAD = f"""# Measures

What is measured, how it is defined, and where that comes from. The pictures show each measure on synthetic bones
({_AGE_YEARS:.0f} years, seed {_SEED}, true labels); measures without landmarks, such as volumes, have none. In the
place of a measure that cannot be given stands a reason. "Source" is empty where a definition is elementary or our own.
This page is made by `python -m MultiJointSegLib.report.measures_page Resources/Measures`.
"""


def _true_labels(joint: str) -> Volume:
    """Label map of a left limb with all that is built of the joint, or of both hips."""
    if joint == "hip":
        return make_pelvis_ct(PelvisCtSettings(seed=_SEED)).labels
    rng = np.random.default_rng(_SEED)
    model = _BUILDERS[joint](rng, growth_at(_AGE_YEARS, rng))
    low = np.asarray(model.low_mm, float) - _BEYOND_MM
    size = np.ceil((np.asarray(model.high_mm) + _BEYOND_MM - low) / _SPACING_MM).astype(int) + 1
    geometry = Geometry(tuple(size.tolist()), (_SPACING_MM,) * 3, tuple(low.tolist()))
    array = np.zeros(geometry.array_shape, np.uint8)
    taken = np.full(geometry.array_shape, np.inf, np.float32)
    for bone in model.bones:
        distance = sample_shape(bone.shape, geometry)
        array[(distance < 0) & (taken > _GAP_MM)] = bone.label
        taken = np.minimum(taken, distance)
    known = np.array(anatomy.joint(joint).labels)
    return Volume(np.where(np.isin(array, known), array, 0).astype(np.uint8), geometry)


def _section(key: str, measurements: Sequence[Measurement], pictures: Mapping[str, str]) -> str:
    lines = [
        f"## {anatomy.joint(key).name}",
        "",
        "| measure | unit | definition | source | picture |",
        "|---|---|---|---|---|",
    ]
    for m in measurements:
        bone = f"{anatomy.bone(m.bone).name}: " if m.bone else ""
        picture = f"![{m.name}]({pictures[m.key]})" if m.key in pictures else m.reason
        cells = (f"{bone}{m.name}", _UNITS.get(m.unit, m.unit), m.definition, m.reference, picture)
        lines.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, help="folder of the page")
    parser.add_argument("--joints", nargs="+", default=["ankle", "knee", "shoulder", "hip"])
    arguments = parser.parse_args()
    print(write_measures_page(arguments.output, arguments.joints))  # noqa: T201


if __name__ == "__main__":
    main()
