"""Pictures of the bones in three dimensions, or a sentence why there are none."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from PIL import Image, ImageDraw

from MultiJointSegLib.anatomy.catalog import Bone
from MultiJointSegLib.surface.mesh import Surface

RENDERING_TIMEOUT_S = 120.0
"""Software rendering of a million triangles takes a few seconds; a hung driver must not hold up the result."""

_SIZE_PX = (356, 470)
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
    outer_x = -1.0 if side == "right" else 1.0
    caption = f"Lateral view ({side} limb)" if side else "From the patient's left (side not recorded)"
    return [
        {"key": "anterior", "from_lps": (0.0, -1.0, 0.0), "up_lps": up, "caption": "Anterior view"},
        {"key": "lateral", "from_lps": (outer_x, 0.0, 0.0), "up_lps": up, "caption": caption},
        {"key": "posterior", "from_lps": (0.0, 1.0, 0.0), "up_lps": up, "caption": "Posterior view"},
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
    picture.quantize(colors=256).save(stream, "PNG", optimize=True)
    return stream.getvalue()


class SurfaceRendering:
    """Pictures of the bones from three sides, drawn while the caller does something else.

    A process of its own draws them: it needs no display, and a broken graphics driver ends only that process. Used as
    a context, so that an interrupted caller leaves neither the process nor its files.

    Parameters
    ----------
    surfaces, bones
        One surface (LPS mm) per bone; empty surfaces are left out.
    side
        "left", "right", or None when unknown; decides from where the lateral view is taken.
    """

    def __init__(self, surfaces: Sequence[Surface], bones: Sequence[Bone], *, side: str | None = None) -> None:
        self._drawn = [(s, b) for s, b in zip(surfaces, bones, strict=True) if len(s.triangles)]
        self._views = _views(side)
        self._folder = tempfile.TemporaryDirectory(prefix="multijointseg-", ignore_cleanup_errors=True)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        folder = Path(self._folder.name)
        if self._drawn:
            arrays = {}
            for number, (surface, _) in enumerate(self._drawn):
                arrays[f"points{number}"] = surface.points_mm
                arrays[f"triangles{number}"] = surface.triangles
            np.savez(folder / "surfaces.npz", allow_pickle=False, **arrays)
            job = {
                "colors": [bone.color for _, bone in self._drawn],
                "views": self._views,
                "width_px": _SIZE_PX[0],
                "height_px": _SIZE_PX[1],
            }
            (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
            command = [sys.executable, "-m", "MultiJointSegLib.report.surface_rendering", str(folder)]
            with suppress(OSError):
                self._process = subprocess.Popen(
                    command, cwd=_ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()

    def pictures(self) -> tuple[list[SurfacePicture], str]:
        """Wait for the pictures.

        Returns
        -------
        pictures : list of SurfacePicture
            Empty if nothing could be drawn.
        reason : str
            One sentence why there are no pictures; "" if there are.
        """
        if not self._drawn:
            return [], "There is no 3-D view, since no bone was found."
        folder = Path(self._folder.name)
        try:
            if self._process is None or self._process.wait(RENDERING_TIMEOUT_S) != 0:
                return [], "There is no 3-D view, since this machine could not draw surfaces without a display."
            lengths = json.loads((folder / "done.json").read_text(encoding="utf-8"))
            return [
                SurfacePicture(str(v["caption"]), _with_scale_bar(folder / f"{v['key']}.png", lengths[v["key"]]))
                for v in self._views
            ], ""
        except subprocess.TimeoutExpired:
            return [], f"There is no 3-D view, since drawing it took longer than {RENDERING_TIMEOUT_S:.0f} s."
