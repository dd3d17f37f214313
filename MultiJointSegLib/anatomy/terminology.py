"""Slicer terminology and color table of our bones, generated from the catalog.

``python -m MultiJointSegLib.anatomy.terminology`` writes both beside anatomy.json again; a test holds that the
committed files are what this module generates.

No context of anatomic regions is generated: the category "Anatomical Structure" needs none, the bone's own code
says where it is.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from MultiJointSegLib.anatomy import catalog
from MultiJointSegLib.anatomy.catalog import Bone, Code
from MultiJointSegLib.resources import resource_path

TERMINOLOGY_NAME = "MultiJointSeg bones"
"""Name of the terminology context as 3D Slicer lists it."""

TERMINOLOGY_FILE = "MultiJointSeg.term.json"
"""File name in Resources/Anatomy; Slicer recognizes terminologies by the ending ``.term.json``."""

COLOR_TABLE_FILE = "MultiJointSeg.ctbl"
"""File name in Resources/Anatomy; row number = label value."""

_SCHEMA = "https://raw.githubusercontent.com/qiicr/dcmqi/master/doc/schemas/segment-context-schema.json#"


def terminology() -> dict[str, object]:
    """Terminology context in the JSON layout of dcmqi that 3D Slicer reads.

    Returns
    -------
    dict
        One category, one type per bone in label order, and the sides as modifiers of paired bones.
    """
    types = [_type_entry(bone) for bone in catalog.all_bones()]
    group = {**_code_entry(catalog.category()), "showAnatomy": False, "Type": types}
    return {
        "SegmentationCategoryTypeContextName": TERMINOLOGY_NAME,
        "@schema": _SCHEMA,
        "SegmentationCodes": {"Category": [group]},
    }


def terminology_text() -> str:
    """`terminology` as the text of its file."""
    return json.dumps(terminology(), indent=1, ensure_ascii=False) + "\n"


def color_table_text() -> str:
    """Color table in Slicer's ``.ctbl`` layout: label value, name without spaces, red, green, blue, opacity."""
    rows = [(0, "background", (0, 0, 0), 0)]
    rows += [(b.label, b.name.replace(" ", "_"), b.color, 255) for b in catalog.all_bones()]
    lines = ["# Color table file MultiJointSeg.ctbl", f"# {len(rows)} values"]
    lines += [f"{label} {name} {r} {g} {b} {opacity}" for label, name, (r, g, b), opacity in rows]
    return "\n".join(lines) + "\n"


def write_terminology_files(folder: Path) -> tuple[Path, Path]:
    """Write the terminology and the color table into a folder.

    Returns
    -------
    tuple of 2 Path
        Terminology file, color table file.
    """
    written = []
    for name, text in ((TERMINOLOGY_FILE, terminology_text()), (COLOR_TABLE_FILE, color_table_text())):
        path = folder / name
        partial = path.with_name(f".{name}.partial")
        partial.write_text(text, encoding="utf-8", newline="\n")
        os.replace(partial, path)
        written.append(path)
    return written[0], written[1]


def _code_entry(code: Code) -> dict[str, object]:
    return {"CodeMeaning": code.meaning, "CodingSchemeDesignator": code.scheme, "CodeValue": code.value}


def _type_entry(bone: Bone) -> dict[str, object]:
    color = list(bone.color)
    sides = catalog.side_names() if bone.paired else ()
    modifiers = [
        {
            **_code_entry(catalog.laterality(side)),
            "3dSlicerLabel": f"{side} {bone.name.lower()}",
            "recommendedDisplayRGBValue": color,
        }
        for side in sides
    ]
    return {
        **_code_entry(bone.code),
        "3dSlicerLabel": bone.name.lower(),
        "recommendedDisplayRGBValue": color,
        "Modifier": modifiers,
    }


if __name__ == "__main__":
    for written_path in write_terminology_files(resource_path("Anatomy")):
        print(written_path)  # noqa: T201 - the command's only output
