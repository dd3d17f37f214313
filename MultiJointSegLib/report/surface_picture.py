"""Pictures of the bones in three dimensions, or a sentence why there are none."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from PIL import Image, ImageDraw

from MultiJointSegLib.anatomy.catalog import Bone
from MultiJointSegLib.report.drawing_process import DrawingProcess
from MultiJointSegLib.surface.mesh import Surface

_SIZE_PX = (356, 470)
_SCALE_BARS_MM = (100, 50, 20, 10, 5)


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


def with_scale_bar(path: Path, mm_per_px: float) -> Image.Image:
    """The picture in a file with a bar of a round length."""
    picture = Image.open(path).convert("RGB")
    width, height = picture.size
    length_mm = next((mm for mm in _SCALE_BARS_MM if mm / mm_per_px < width / 3), _SCALE_BARS_MM[-1])
    draw = ImageDraw.Draw(picture)
    left, bottom = 14, height - 14
    draw.line((left, bottom, left + length_mm / mm_per_px, bottom), fill=(60, 60, 60), width=3)
    draw.text((left, bottom - 16), f"{length_mm} mm", fill=(60, 60, 60))
    return picture


def palette_png(picture: Image.Image) -> bytes:
    """PNG of at most 256 colors."""
    stream = io.BytesIO()
    picture.quantize(colors=256).save(stream, "PNG", optimize=True)
    return stream.getvalue()


class SurfaceRendering:
    """Pictures of the bones from three sides, drawn by a process of its own; used as a context.

    Parameters
    ----------
    surfaces, bones
        One surface (LPS mm) per bone; empty surfaces are left out.
    side
        "left", "right", or None when unknown; decides from where the lateral view is taken.
    """

    def __init__(self, surfaces: Sequence[Surface], bones: Sequence[Bone], *, side: str | None = None) -> None:
        drawn = [(s, b) for s, b in zip(surfaces, bones, strict=True) if len(s.triangles)]
        self._views = _views(side)
        self._any = bool(drawn)
        job: dict[str, object] = {
            "colors": [bone.color for _, bone in drawn],
            "views": self._views,
            "width_px": _SIZE_PX[0],
            "height_px": _SIZE_PX[1],
        }
        self._drawing = DrawingProcess("MultiJointSegLib.report.surface_rendering", [s for s, _ in drawn], job)

    def __enter__(self) -> Self:
        self._drawing.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._drawing.__exit__()

    def pictures(self) -> tuple[list[SurfacePicture], str]:
        """Wait for the pictures.

        Returns
        -------
        pictures : list of SurfacePicture
            Empty if nothing could be drawn.
        reason : str
            One sentence why there are no pictures; "" if there are.
        """
        if not self._any:
            return [], "There is no 3-D view, since no bone was found."
        lengths, reason = self._drawing.wait()
        if reason:
            return [], f"There is no 3-D view, since {reason}."
        folder = self._drawing.folder
        return [
            SurfacePicture(
                str(v["caption"]), palette_png(with_scale_bar(folder / f"{v['key']}.png", lengths[str(v["key"])]))
            )
            for v in self._views
        ], ""
