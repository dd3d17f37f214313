"""Things that are none of the joints: what joint detection has to refuse."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.phantom import others_organs, sdf
from MultiJointSegLib.phantom.field import perturbation, sample_shape
from MultiJointSegLib.phantom.growth import growth_at
from MultiJointSegLib.phantom.procedural import draw_age_and_side, phantom_rng
from MultiJointSegLib.phantom.tissue_map import BoneField, TissueMap


def procedural_other_map(seed: int, *, kind: str | None = None, spacing_mm: float = 0.8) -> TissueMap:
    """Draw a body part (or an object) that shows none of the joints.

    Parameters
    ----------
    seed : int
        The same seed gives the same map.
    kind : str, optional
        One of `KINDS`; drawn when not given.
    spacing_mm : float
        Spacing of the isotropic grid.

    Returns
    -------
    TissueMap
        joint "other", all labels 0, `truth` {"kind": ...}.

    Raises
    ------
    InputError
        If the kind is unknown.
    """
    rng = phantom_rng("other", seed)
    drawn = str(rng.choice(list(KINDS)))
    name = kind or drawn
    if name not in KINDS:
        raise InputError(f"Unknown kind '{name}'; known are {', '.join(KINDS)}.")
    age, side = draw_age_and_side(rng, None, None)
    scale = growth_at(age, rng).scale
    truth: dict[str, object] = {"kind": name}
    build, low, high = KINDS[name]
    geometry = _box(np.asarray(low) * scale, np.asarray(high) * scale, spacing_mm)
    if name in _LIMBS:
        from MultiJointSegLib.phantom.clothing import clothe

        fields = []
        for shape in _LIMBS[name](rng):
            wobble = perturbation(rng, 0.4)
            rough = _plus(shape, wobble)
            fields.append(BoneField(0, sample_shape(sdf.scaled(rough, scale), geometry), None, 1.0))
        return clothe(fields, geometry, rng=rng, joint="other", side=side, age_years=age, truth=truth)
    tissue = np.zeros(geometry.array_shape, np.uint8)
    for shape, value in build(rng):
        wobble = perturbation(rng, float(rng.uniform(0.3, 0.9)))
        tissue[sample_shape(sdf.scaled(_plus(shape, wobble), scale), geometry) < 0] = value
    return TissueMap(tissue, np.zeros_like(tissue), geometry, "other", side, age, truth)


def _plus(shape: sdf.Shape, wobble: sdf.Shape) -> sdf.Shape:
    return lambda p: shape(p) + wobble(p)


def _box(low: np.ndarray, high: np.ndarray, spacing_mm: float) -> Geometry:
    size = np.ceil((high - low) / spacing_mm).astype(int) + 1
    return Geometry((int(size[0]), int(size[1]), int(size[2])), (spacing_mm,) * 3, tuple(low.tolist()))


def _middle_thigh(rng: np.random.Generator) -> list[sdf.Shape]:
    x, y = rng.normal(0, 8, 2)
    r = rng.uniform(9.0, 14.5)
    return [
        sdf.loft([(-200.0, x + rng.normal(0, 6), y, r, r), (0.0, x, y - 4, r, r * 1.05), (200.0, x, y, r * 1.1, r)])
    ]


def _two_shafts(rng: np.random.Generator) -> list[sdf.Shape]:
    """Forearm or middle of the lower leg."""
    apart = rng.uniform(18.0, 34.0)
    first, second = rng.uniform(7.0, 13.0), rng.uniform(5.0, 8.5)
    turn = sdf.rotation_deg((0, 0, 1), rng.uniform(0, 360))
    shafts = [
        sdf.loft([(-200.0, 0, 0, first, first * 1.1), (200.0, 3.0, 0, first, first)], lobe=(0.12, 40.0)),
        sdf.loft([(-200.0, apart, 6.0, second, second), (200.0, apart * 0.8, 0, second, second)], lobe=(0.1, 200.0)),
    ]
    return [sdf.moved(shaft, turn, (-apart / 2, 0, 0)) for shaft in shafts]


def _ray_bones(rng: np.random.Generator) -> list[sdf.Shape]:
    """Forefoot or hand: five rays of short bones."""
    spread, length = rng.uniform(10.0, 15.0), rng.uniform(55.0, 72.0)
    # Built with the rays along -y, then turned to hang along the limb (z).
    turn = sdf.rotation_deg((1, 0, 0), 90.0 + rng.uniform(-25, 25))
    bones = []
    for n in range(5):
        x = (n - 2) * spread
        z, r = rng.uniform(-4, 4), rng.uniform(4.5, 7.5)
        lean = (n - 2) * 3.0
        for start, stop, thin in ((20.0, 20.0 - length, 0.7), (15.0 - length, -10.0 - length, 0.6)):
            a, b = (x, start, z), (x + lean, stop, z - 4.0)
            m = tuple((np.asarray(a) + np.asarray(b)) / 2)
            bones.append(sdf.moved(sdf.tube([a, m, b], [r, r * thin, r * 0.95]), turn))
    return bones


def _pebbles(rng: np.random.Generator) -> list[sdf.Shape]:
    """Wrist-like or meaningless heap of round bones with one or two shafts."""
    bones: list[sdf.Shape] = []
    for _ in range(int(rng.integers(4, 9))):
        axes = sdf.rotation_deg(rng.normal(size=3), rng.uniform(0, 180))
        bones.append(sdf.ellipsoid(rng.uniform((-30, -20, -35), (30, 20, 35)), rng.uniform(6, 14, 3), axes))
    for _ in range(int(rng.integers(0, 3))):
        x, y = rng.uniform(-25, 25, 2)
        bones.append(sdf.round_cone((x, y, 45.0), rng.uniform(6, 12), (x * 0.6, y * 0.6, 200.0), rng.uniform(5, 10)))
    return bones


def _none(_: np.random.Generator) -> list[others_organs.Layer]:
    return []


_LIMBS: dict[str, Callable[[np.random.Generator], list[sdf.Shape]]] = {
    "middle_thigh": _middle_thigh,
    "two_shafts": _two_shafts,
    "ray_bones": _ray_bones,
    "pebbles": _pebbles,
}
_Corner = tuple[float, float, float]
KINDS: dict[str, tuple[Callable[[np.random.Generator], list[others_organs.Layer]], _Corner, _Corner]] = {
    "middle_thigh": (_none, (-85.0, -85.0, -80.0), (85.0, 85.0, 80.0)),
    "two_shafts": (_none, (-65.0, -65.0, -80.0), (65.0, 65.0, 80.0)),
    "ray_bones": (_none, (-62.0, -55.0, -115.0), (62.0, 60.0, 60.0)),
    "pebbles": (_none, (-62.0, -62.0, -75.0), (62.0, 62.0, 85.0)),
    "bodies": (others_organs.bodies, (-90.0, -90.0, -90.0), (90.0, 90.0, 90.0)),
    "bottle": (others_organs.bottle, (-95.0, -95.0, -95.0), (95.0, 95.0, 95.0)),
    "head": (others_organs.head, (-85.0, -100.0, -95.0), (85.0, 105.0, 90.0)),
    "abdomen": (others_organs.abdomen, (-140.0, -105.0, -70.0), (140.0, 115.0, 70.0)),
    "chest": (others_organs.chest, (-140.0, -105.0, -75.0), (140.0, 115.0, 75.0)),
    "spine": (others_organs.spine, (-75.0, -90.0, -90.0), (75.0, 110.0, 90.0)),
}
"""Kinds of `procedural_other_map`, with the corners of their boxes in mm at adult size."""
