"""Surfaces as binary glTF 2.0 (.glb), for viewers, web pages and slides.

glTF fixes meters, y up and z forward (Khronos, glTF 2.0 specification, ISO/IEC 12113:2022). The points are stored as
they are, in LPS millimeters, and the scene's root node turns and scales them: superior becomes y, anterior z, left x.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence

import numpy as np

from MultiJointSegLib.surface.mesh import Surface

# Column-major, as glTF wants it: (L, P, S) mm -> (L, S, -P) m.
_LPS_MM_TO_GLTF = (0.001, 0, 0, 0, 0, 0, -0.001, 0, 0, 0.001, 0, 0, 0, 0, 0, 1)
_FLOAT, _UINT = 5126, 5125
_ARRAY, _ELEMENTS = 34962, 34963
_GRAY = (200, 200, 200)


def _point_normals(surface: Surface) -> np.ndarray:
    """Unit normals (n, 3) at the points: mean of the triangles around, by area."""
    normals = np.zeros_like(surface.points_mm)
    areas = surface.area_vectors_mm2()
    for corner in range(3):
        np.add.at(normals, surface.triangles[:, corner], areas)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.where(length > 0, normals / np.where(length > 0, length, 1.0), (0.0, 0.0, 1.0))


def _linear(color: Sequence[int]) -> list[float]:
    """Base color in linear light of an sRGB color 0..255."""
    value = np.asarray(color, float) / 255.0
    return [*np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).round(5).tolist(), 1.0]


class _Buffer:
    """The binary part, filled piece by piece; every piece begins at a multiple of four bytes."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, object]] = []
        self.accessors: list[dict[str, object]] = []

    def add(self, array: np.ndarray, component: int, kind: str, target: int, *, limits: bool = False) -> int:
        """Number of the accessor of an array."""
        flat = array.tobytes()
        self.views.append({"buffer": 0, "byteOffset": len(self.data), "byteLength": len(flat), "target": target})
        self.data += flat
        count = array.size if kind == "SCALAR" else len(array)
        entry: dict[str, object] = {
            "bufferView": len(self.views) - 1,
            "componentType": component,
            "count": count,
            "type": kind,
        }
        if limits:
            entry |= {"min": array.min(axis=0).tolist(), "max": array.max(axis=0).tolist()}
        self.accessors.append(entry)
        return len(self.accessors) - 1


def glb_bytes(surfaces: Mapping[str, Surface], colors: Mapping[str, Sequence[int]] | None = None) -> bytes:
    """One .glb file with a node per surface.

    Parameters
    ----------
    surfaces : mapping of name to Surface
        LPS mm; those without triangles are left out.
    colors : mapping of name to (int, int, int), optional
        sRGB 0..255; gray where missing.

    Returns
    -------
    bytes
        A whole file.
    """
    buffer = _Buffer()
    meshes: list[dict[str, object]] = []
    materials: list[dict[str, object]] = []
    nodes: list[dict[str, object]] = []
    for name, surface in surfaces.items():
        if not len(surface.triangles):
            continue
        attributes = {
            "POSITION": buffer.add(surface.points_mm.astype("<f4"), _FLOAT, "VEC3", _ARRAY, limits=True),
            "NORMAL": buffer.add(_point_normals(surface).astype("<f4"), _FLOAT, "VEC3", _ARRAY),
        }
        indices = buffer.add(surface.triangles.astype("<u4").ravel(), _UINT, "SCALAR", _ELEMENTS)
        color = (colors or {}).get(name, _GRAY)
        materials.append(
            {
                "name": name,
                "pbrMetallicRoughness": {
                    "baseColorFactor": _linear(color),
                    "metallicFactor": 0.0,
                    "roughnessFactor": 0.6,
                },
            }
        )
        meshes.append(
            {"name": name, "primitives": [{"attributes": attributes, "indices": indices, "material": len(meshes)}]}
        )
        nodes.append({"name": name, "mesh": len(meshes) - 1})
    root = {"name": "LPS mm", "matrix": list(_LPS_MM_TO_GLTF), "children": list(range(len(nodes)))}
    if not nodes:
        del root["children"]
    document: dict[str, object] = {
        "asset": {
            "version": "2.0",
            "generator": "MultiJointSeg",
            "extras": {"space": "LPS", "unit": "mm", "about": "Positions are LPS mm under the node 'LPS mm'."},
        },
        "scene": 0,
        "scenes": [{"nodes": [len(nodes)]}],
        "nodes": [*nodes, root],
    }
    if nodes:
        document |= {
            "meshes": meshes,
            "materials": materials,
            "accessors": buffer.accessors,
            "bufferViews": buffer.views,
            "buffers": [{"byteLength": len(buffer.data)}],
        }
    text = json.dumps(document, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<II", len(text), 0x4E4F534A) + text
    if nodes:
        chunks += struct.pack("<II", len(buffer.data), 0x004E4942) + bytes(buffer.data)
    return struct.pack("<III", 0x46546C67, 2, 12 + len(chunks)) + chunks
