"""Pictures of every measure on the bones of a phantom of each joint, as sheets for the documentation.

``python Testing/Benchmarks/measure_pictures.py [-o Resources/Screenshots] [--joints ankle knee shoulder]``
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from MultiJointSegLib.anatomy import catalog
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.morphology.measurement import Measurement
from MultiJointSegLib.morphology.measures import measure_surfaces
from MultiJointSegLib.phantom.procedural import procedural_tissue_map
from MultiJointSegLib.report.measure_picture import MeasurePictures
from MultiJointSegLib.report.page import UNITS, format_value
from MultiJointSegLib.surface.extraction import bone_surfaces
from MultiJointSegLib.surface.mesh import Surface

SEED, AGE_YEARS, SPACING_MM = 4, 14.0, 0.8
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
        draw.text((left + 6, top + 6), f"{m.bone.capitalize()} {m.name.lower()}".strip(), fill="black")
        draw.text((left + 6, top + 20), f"{format_value(m.value)} {UNITS.get(m.unit, m.unit)}", fill="black")
        whole.paste(tile, (left, top + CAPTION_PX))
    return whole.quantize(colors=128)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path("Resources/Screenshots"))
    parser.add_argument("--joints", nargs="+", default=["ankle", "knee", "shoulder"])
    arguments = parser.parse_args()
    for joint in arguments.joints:
        tissue = procedural_tissue_map(joint, seed=SEED, side="left", age_years=AGE_YEARS, spacing_mm=SPACING_MM)
        labels = Volume(tissue.labels, tissue.geometry)
        surfaces = bone_surfaces(labels, catalog.joint(joint).bones)
        measurements = measure_surfaces(surfaces, joint=joint, labels=labels, side="left")
        for m in measurements:
            if m.value is None:
                print(f"{m.key}: {m.reason}")
        sheet(surfaces, measurements).save(arguments.output / f"measures_{joint}.png", optimize=True)


if __name__ == "__main__":
    main()
