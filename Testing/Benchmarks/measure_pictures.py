"""Pictures of every measure on the bones of a phantom of each joint, as sheets for the documentation.

``python Testing/Benchmarks/measure_pictures.py [-o Resources/Screenshots] [--joints ankle knee shoulder]``
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from MultiJointSegLib.anatomy import catalog
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.morphology.measurement import Measurement
from MultiJointSegLib.morphology.measures import measure_surfaces
from MultiJointSegLib.phantom.ankle import build_ankle
from MultiJointSegLib.phantom.field import sample_shape
from MultiJointSegLib.phantom.growth import growth_at
from MultiJointSegLib.phantom.knee import build_knee
from MultiJointSegLib.phantom.shoulder import build_shoulder
from MultiJointSegLib.report import drawing_process
from MultiJointSegLib.report.measure_picture import MeasurePictures
from MultiJointSegLib.report.page import UNITS, format_value
from MultiJointSegLib.surface.extraction import surface_from_probability
from MultiJointSegLib.surface.mesh import Surface

BUILDERS = {"ankle": build_ankle, "knee": build_knee, "shoulder": build_shoulder}
WHOLE_SCAPULA = ((-160.0, -80.0, -160.0), (60.0, 125.0, 80.0))
"""Box in mm that holds all of the shoulder's shapes, which an examination does not."""
SEED, SPACING_MM, GAP_MM = 4, 0.9, 1.0
COLUMNS, CAPTION_PX = 6, 40
LEFT_OUT = ("principal_length", "centroid", "head_center")


def sheet(surfaces: Mapping[str, Surface], measurements: Sequence[Measurement]) -> Image.Image:
    """All pictures side by side, each with its name and value."""
    shown = [m for m in measurements if not any(word in m.key for word in LEFT_OUT)]
    with MeasurePictures(surfaces, shown) as drawing:
        pictures, reason = drawing.pictures()
    if reason:
        raise SystemExit(reason)
    found = {m.key: m for m in shown}
    tiles = {key: Image.open(io.BytesIO(png)).convert("RGB") for key, png in pictures.items()}
    width = max(tile.width for tile in tiles.values())
    height = max(tile.height for tile in tiles.values()) + CAPTION_PX
    whole = Image.new("RGB", (COLUMNS * width, -(-len(tiles) // COLUMNS) * height), "white")
    draw = ImageDraw.Draw(whole)
    for n, (key, tile) in enumerate(tiles.items()):
        left, top = n % COLUMNS * width, n // COLUMNS * height
        m = found[key]
        assert m.value is not None
        named = m.bone and m.bone[:5] not in m.name.lower()
        name = f"{m.bone.capitalize()}: {m.name}" if named else m.name
        draw.text((left + 6, top + 6), name, fill="black")
        draw.text((left + 6, top + 20), f"{format_value(m.value)} {UNITS.get(m.unit, m.unit)}", fill="black")
        whole.paste(tile, (left, top + CAPTION_PX))
    return whole.quantize(colors=256)


def bones(joint: str) -> tuple[dict[str, Surface], Volume]:
    """Surface of each bone of a left joint, and the grid it was made on."""
    rng = np.random.default_rng(SEED)
    model = BUILDERS[joint](rng, growth_at(20.0, rng))
    low, high = WHOLE_SCAPULA if joint == "shoulder" else (model.low_mm, model.high_mm)
    size = np.ceil((np.asarray(high) - low) / SPACING_MM).astype(int) + 1
    geometry = Geometry(tuple(size.tolist()), (SPACING_MM,) * 3, (low[0], low[1], low[2]))
    known = {b.label: b.key for b in catalog.joint(joint).bones}
    surfaces: dict[str, Surface] = {}
    taken = np.full(geometry.array_shape, 1e3, np.float32)
    for bone in model.bones:
        if bone.label in known:
            # Where bones meet, the later one gives way.
            distance = np.maximum(sample_shape(bone.shape, geometry), GAP_MM - taken)
            taken = np.minimum(taken, distance)
            inside = np.clip(0.5 - distance / (4 * SPACING_MM), 0, 1).astype(np.float32)
            surfaces[known[bone.label]] = surface_from_probability(Volume(inside, geometry))
    return surfaces, Volume(taken, geometry)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path("Resources/Screenshots"))
    parser.add_argument("--joints", nargs="+", default=sorted(BUILDERS))
    arguments = parser.parse_args()
    drawing_process.RENDERING_TIMEOUT_S = 1800.0
    for joint in arguments.joints:
        surfaces, grid = bones(joint)
        measurements = measure_surfaces(surfaces, joint=joint, labels=grid, side="left")
        for m in measurements:
            if m.value is None:
                print(f"{m.key}: {m.reason}")
        sheet(surfaces, measurements).save(arguments.output / f"measures_{joint}.png", optimize=True)


if __name__ == "__main__":
    main()
