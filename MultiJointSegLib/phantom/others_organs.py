"""Soft bodies for `others`: layers of tissue, the later painted over the earlier."""

from __future__ import annotations

import numpy as np

from MultiJointSegLib.phantom import sdf
from MultiJointSegLib.phantom.tissue_map import Tissue

Layer = tuple[sdf.Shape, Tissue]


def _shell(center: tuple[float, float, float], radii: np.ndarray, skin_mm: float, fat_mm: float) -> list[Layer]:
    return [
        (sdf.ellipsoid(center, radii), Tissue.SKIN),
        (sdf.ellipsoid(center, radii - skin_mm), Tissue.FAT),
        (sdf.ellipsoid(center, radii - skin_mm - fat_mm), Tissue.MUSCLE),
    ]


def _blobs(
    rng: np.random.Generator, count: int, box: float, radii: tuple[float, float], tissues: tuple[Tissue, ...]
) -> list[Layer]:
    layers: list[Layer] = []
    for _ in range(count):
        axes = sdf.rotation_deg(rng.normal(size=3), rng.uniform(0, 180))
        center = rng.uniform(-box, box, 3)
        layers.append((sdf.ellipsoid(center, rng.uniform(*radii, 3), axes), Tissue(int(rng.choice(tissues)))))
    return layers


def bodies(rng: np.random.Generator) -> list[Layer]:
    """Soft body with ellipsoids of any tissue."""
    layers = _shell((0, 0, 0), rng.uniform(55, 82, 3), rng.uniform(1, 3), rng.uniform(1, 14))
    everything = tuple(t for t in Tissue if t is not Tissue.AIR)
    return layers + _blobs(rng, int(rng.integers(4, 14)), 38.0, (5.0, 26.0), everything)


def bottle(rng: np.random.Generator) -> list[Layer]:
    """Test object: a container of fluid with inserts."""
    radius, half = rng.uniform(35, 75), rng.uniform(50, 90)
    axis = ((0, 0, 1), (0, 1, 0), (1, 0, 0))[int(rng.integers(3))]
    fill = Tissue(int(rng.choice([Tissue.FLUID, Tissue.MUSCLE, Tissue.FAT])))
    body = sdf.smooth_intersection(2.0, sdf.cylinder((0, 0, 0), axis, radius), sdf.slab((0, 0, 0), axis, half))
    inserts = _blobs(
        rng, int(rng.integers(0, 7)), 30.0, (4.0, 14.0), (Tissue.AIR, Tissue.FAT, Tissue.CARTILAGE, Tissue.FLUID)
    )
    return [(body, fill), *inserts]


def head(rng: np.random.Generator) -> list[Layer]:
    """Skull with brain, ventricles, eyes, sinuses."""
    radii = np.array([70.0, 88.0, 78.0]) * rng.uniform(0.92, 1.05, 3)
    bone = rng.uniform(5.0, 8.0)
    inner = radii - 6.0 - bone
    layers: list[Layer] = [
        (sdf.ellipsoid((0, 0, 0), radii), Tissue.SKIN),
        (sdf.ellipsoid((0, 0, 0), radii - 2.0), Tissue.FAT),
        (sdf.round_cone((0, 20.0, -40.0), 50.0, (0, 25.0, -120.0), 48.0), Tissue.MUSCLE),
        (sdf.ellipsoid((0, -48.0, -55.0), (42.0, 40.0, 40.0)), Tissue.FAT),
        (sdf.ellipsoid((0, 0, 0), radii - 5.0), Tissue.CORTICAL_BONE),
        (sdf.ellipsoid((0, 0, 0), radii - 6.5), Tissue.FATTY_MARROW),
        (sdf.ellipsoid((0, 0, 0), inner + 1.5), Tissue.CORTICAL_BONE),
        (sdf.ellipsoid((0, 0, 0), inner), Tissue.FLUID),
    ]
    for side in (-1.0, 1.0):
        half = sdf.ellipsoid((side * 2.5, 0, 2.0), inner - 2.5)
        wall = sdf.half_space((side * 1.2, 0, 0), (-side, 0, 0))
        layers.append((sdf.smooth_intersection(2.0, half, wall), Tissue.CARTILAGE))
        layers.append((sdf.ellipsoid((side * 2.0, 2.0, 4.0), inner * 0.72), Tissue.MUSCLE))
        layers.append((sdf.tube([(side * 8, -26, 8), (side * 12, 8, 16), (side * 24, 26, 2)], [4, 6, 4]), Tissue.FLUID))
        layers.append((sdf.sphere((side * 32.0, -70.0, -22.0), 12.0), Tissue.FLUID))
        layers.append((sdf.ellipsoid((side * 24.0, -58.0, -52.0), (13.0, 15.0, 15.0)), Tissue.AIR))
    layers.append((sdf.ellipsoid((0, -50.0, -48.0), (9.0, 26.0, 16.0)), Tissue.AIR))
    layers.append((sdf.ellipsoid((0, 40.0, -44.0), (44.0, 26.0, 20.0)), Tissue.CARTILAGE))
    return layers


def _vertebra(z: float, width: float) -> list[Layer]:
    y = 30.0
    body = sdf.smooth_intersection(
        4.0,
        sdf.loft([(z - 13.0, 0, y, width, 16.0), (z, 0, y, width - 2, 14.5), (z + 13.0, 0, y, width, 16.0)]),
        sdf.slab((0, y, z), (0, 0, 1), 12.5),
    )
    arch = sdf.union(
        sdf.tube([(-13, y + 12, z), (-16, y + 28, z), (0, y + 38, z - 4), (0, y + 62, z - 8)], [5, 5, 5, 4]),
        sdf.tube([(13, y + 12, z), (16, y + 28, z), (0, y + 38, z - 4)], [5, 5, 5]),
        sdf.tube([(-42, y + 26, z), (-16, y + 26, z)], [3, 4]),
        sdf.tube([(42, y + 26, z), (16, y + 26, z)], [3, 4]),
    )
    both = sdf.union(body, arch)
    return [(both, Tissue.CORTICAL_BONE), (sdf.offset(both, -1.3), Tissue.RED_MARROW)]


def _trunk(rng: np.random.Generator, width: float, depth: float) -> list[Layer]:
    fat = rng.uniform(6.0, 26.0)

    def ring(inset: float) -> sdf.Shape:
        # `loft` is an elliptic column; the trunk goes on above and below.
        return sdf.loft(
            [(-300.0, 0, 5, width - inset, depth - inset), (300.0, 0, 5, width - inset, depth - inset)], exponent=2.4
        )

    return [(ring(0.0), Tissue.SKIN), (ring(2.0), Tissue.FAT), (ring(fat), Tissue.MUSCLE)]


def _spine_column(rng: np.random.Generator) -> list[Layer]:
    layers: list[Layer] = []
    for n in range(-4, 5):
        z = 34.0 * n
        layers += _vertebra(z, rng.uniform(21.0, 25.0))
        disc = sdf.rounded_box((0, 30.0, z + 17.0), (22.0, 15.0, 4.0), 3.5)
        layers += [(disc, Tissue.MENISCUS), (sdf.ellipsoid((0, 30.0, z + 17.0), (14.0, 9.0, 3.5)), Tissue.CARTILAGE)]
    layers.append((sdf.cylinder((0, 55.0, 0), (0, 0, 1), 8.5), Tissue.FLUID))
    layers.append((sdf.cylinder((0, 55.0, 0), (0, 0, 1), 4.5), Tissue.CARTILAGE))
    return layers


def abdomen(rng: np.random.Generator) -> list[Layer]:
    """Trunk with liver, spleen, kidneys, psoas, bowel, vessels and spine."""
    width, depth = rng.uniform(110, 135), rng.uniform(80, 98)
    layers = _trunk(rng, width, depth)
    layers.append(
        (sdf.loft([(-300.0, 0, -14, width - 42, depth - 36), (300.0, 0, -14, width - 42, depth - 36)]), Tissue.FAT)
    )
    layers.append((sdf.ellipsoid((-48, -10, 40), (48.0, 46.0, 60.0)), Tissue.CARTILAGE))
    layers.append((sdf.ellipsoid((62, 14, 44), (20.0, 30.0, 36.0)), Tissue.RED_MARROW))
    for side in (-1.0, 1.0):
        layers.append((sdf.ellipsoid((side * 52, 36, -14), (19.0, 17.0, 40.0)), Tissue.PHYSIS))
        layers.append((sdf.ellipsoid((side * 46, 34, -14), (8.0, 7.0, 22.0)), Tissue.FAT))
        layers.append((sdf.round_cone((side * 26, 36, 60), 10.0, (side * 44, 30, -150), 19.0), Tissue.MUSCLE))
    for _ in range(9):
        start = np.array([rng.uniform(-50, 50), -30.0, rng.uniform(-90, 0)])
        points = np.cumsum(rng.uniform(-28, 28, (4, 3)), axis=0) + start
        radius = rng.uniform(8.0, 15.0)
        path = list(points)
        layers.append((sdf.tube(path, [radius] * 4), Tissue.MUSCLE))
        inside = Tissue(int(rng.choice([Tissue.AIR, Tissue.FLUID, Tissue.CARTILAGE])))
        layers.append((sdf.tube(path, [radius - 3.0] * 4), inside))
    layers += _spine_column(rng)
    layers.append((sdf.cylinder((12, 4, 0), (0, 0, 1), 9.0), Tissue.VESSEL))
    layers.append((sdf.cylinder((-14, 6, 0), (0, 0, 1), 10.0), Tissue.VESSEL))
    return layers


def chest(rng: np.random.Generator) -> list[Layer]:
    """Heart between lungs."""
    width, depth = rng.uniform(112, 135), rng.uniform(84, 100)
    layers = _trunk(rng, width, depth)
    for side in (-1.0, 1.0):
        layers.append((sdf.ellipsoid((side * width * 0.5, 4, 20), (width * 0.38, depth * 0.72, 150.0)), Tissue.AIR))
    apex = np.array([46.0, -50.0, -34.0]) * rng.uniform(0.85, 1.05)
    base = np.array([-14.0, -8.0, 34.0])
    axis = (apex - base) / np.linalg.norm(apex - base)
    middle = (apex + base) / 2
    frame = np.linalg.qr(np.stack([axis, [0.1, 1.0, 0.3], [1.0, 0.2, 0.9]], axis=1))[0]
    layers.append((sdf.ellipsoid(middle, (72.0, 52.0, 54.0), frame), Tissue.FAT))
    layers.append((sdf.ellipsoid(middle + np.array([10, 6, 2]), (56.0, 36.0, 36.0), frame), Tissue.MUSCLE))
    blood = Tissue.FLUID if rng.random() < 0.6 else Tissue.VESSEL
    layers.append((sdf.ellipsoid(middle + np.array([8, 5, 4]), (44.0, 24.0, 24.0), frame), blood))
    layers.append((sdf.ellipsoid(middle + np.array([-22, -24, 2]), (46.0, 16.0, 28.0), frame), blood))
    layers.append((sdf.ellipsoid((-24, 6, 40), (26.0, 24.0, 26.0)), blood))
    layers.append((sdf.ellipsoid((12, 24, 42), (26.0, 20.0, 22.0)), blood))
    layers.append(
        (
            sdf.tube([(0, -14, 40), (-4, -20, 90), (10, 16, 104), (16, 30, 60), (16, 30, -150)], [15, 15, 12, 11, 11]),
            blood,
        )
    )
    layers += _spine_column(rng)
    for n in range(-4, 5):
        for side in (-1.0, 1.0):
            points = []
            for angle in np.linspace(-75, 80, 12):
                t = np.deg2rad(angle)
                points.append(
                    (side * (width - 22) * np.cos(t), 5 + (depth - 20) * np.sin(t), 30.0 * n + 18 * np.sin(t))
                )
            layers.append((sdf.tube(points, [5.0] * 12), Tissue.CORTICAL_BONE))
            layers.append((sdf.tube(points, [3.5] * 12), Tissue.RED_MARROW))
    return layers


def spine(rng: np.random.Generator) -> list[Layer]:
    """Back with its vertebrae filling the field of view."""
    return _trunk(rng, rng.uniform(70, 120), rng.uniform(70, 90)) + _spine_column(rng)
