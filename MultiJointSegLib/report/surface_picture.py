"""Pictures of the bones in three dimensions, or a sentence why there are none."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from MultiJointSegLib.anatomy.catalog import Bone
from MultiJointSegLib.surface.mesh import Surface

RENDERING_TIMEOUT_S = 120.0
"""Software rendering of a million triangles takes a few seconds; a hung driver must not hold up the result."""

_SIZE_PX = (460, 520)
_SCALE_BARS_MM = (100, 50, 20, 10, 5)
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class SurfacePicture:
    """One rendered view: where the viewer stands, and the PNG."""

    caption: str
    png: bytes


def _views(side: str | None) -> list[dict[str, object]]:
    up = (0.0, 0.0, 1.0)
    # Patient right is -x in LPS. The outer side of a right limb faces right.
    lateral_x = -1.0 if side == "right" else 1.0
    caption = f"Lateral view ({side} limb)" if side else "View from the patient's left"
    return [
        {"key": "anterior", "from_lps": (0.0, -1.0, 0.0), "up_lps": up, "caption": "Anterior view"},
        {"key": "lateral", "from_lps": (lateral_x, 0.0, 0.0), "up_lps": up, "caption": caption},
    ]


def _with_scale_bar(path: Path, mm_per_px: float) -> bytes:
    picture = Image.open(path).convert("RGB")
    width, height = picture.size
    length_mm = next((mm for mm in _SCALE_BARS_MM if mm / mm_per_px < width / 3), _SCALE_BARS_MM[-1])
    draw = ImageDraw.Draw(picture)
    left, bottom = 14, height - 14
    draw.line((left, bottom, left + length_mm / mm_per_px, bottom), fill=(60, 60, 60), width=3)
    draw.text((left, bottom - 16), f"{length_mm} mm", fill=(60, 60, 60))
    stream = io.BytesIO()
    picture.save(stream, "PNG", optimize=True)
    return stream.getvalue()


def surface_pictures(
    surfaces: Sequence[Surface], bones: Sequence[Bone], *, side: str | None = None
) -> tuple[list[SurfacePicture], str]:
    """Anterior and lateral view of the bones, drawn in a process of its own that needs no display.

    Parameters
    ----------
    surfaces, bones
        One surface (LPS mm) per bone; empty surfaces are left out.
    side
        "left", "right", or None when unknown; decides from where the lateral view is taken.

    Returns
    -------
    pictures : list of SurfacePicture
        Empty if nothing could be drawn.
    reason : str
        One sentence why there are no pictures; "" if there are.
    """
    drawn = [(s, b) for s, b in zip(surfaces, bones, strict=True) if len(s.triangles)]
    if not drawn:
        return [], "There is no 3-D view, since no bone was found."
    views = _views(side)
    with tempfile.TemporaryDirectory(prefix="multijointseg-") as name:
        folder = Path(name)
        arrays = {}
        for number, (surface, _) in enumerate(drawn):
            arrays[f"points{number}"] = surface.points_mm
            arrays[f"triangles{number}"] = surface.triangles
        np.savez(folder / "surfaces.npz", **arrays)
        job = {
            "colors": [bone.color for _, bone in drawn],
            "views": views,
            "width_px": _SIZE_PX[0],
            "height_px": _SIZE_PX[1],
        }
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        command = [sys.executable, "-m", "MultiJointSegLib.report.surface_rendering", str(folder)]
        try:
            subprocess.run(command, cwd=_ROOT, check=True, capture_output=True, timeout=RENDERING_TIMEOUT_S)
            lengths = json.loads((folder / "done.json").read_text(encoding="utf-8"))
            return [
                SurfacePicture(str(v["caption"]), _with_scale_bar(folder / f"{v['key']}.png", lengths[v["key"]]))
                for v in views
            ], ""
        except subprocess.TimeoutExpired:
            return [], f"There is no 3-D view, since drawing it took longer than {RENDERING_TIMEOUT_S:.0f} s."
        except (subprocess.CalledProcessError, OSError, ValueError):
            return [], "There is no 3-D view, since this machine could not draw surfaces without a display."
