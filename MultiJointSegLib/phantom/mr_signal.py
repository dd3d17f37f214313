"""MR signal of tissues: proton density and relaxation times, and the sequence families built on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.phantom.tissue_map import Tissue

SEQUENCES = ("t1", "pd", "t2", "pd_fat_suppressed", "t2_fat_suppressed", "t1_gradient_echo", "dess")
"""Sequence families of `draw_sequence`."""

# Tissue -> (proton density, share of fat, water T1 and T2 at 1.5 T, water T1 and T2 at 3 T), times in ms.
# Muscle, cartilage, fluid and fat: Gold 2004, doi:10.2214/ajr.183.2.1830343. Red marrow: de Bazelaire 2004,
# doi:10.1148/radiol.2303021331 (its measured times are those of the mixture; here fat and water are mixed explicitly).
# Blood: Stanisz 2005, doi:10.1002/mrm.20605, with a small density because flowing blood loses its signal.
# Skin, tendon, meniscus and growth plate: chosen within the ranges that are usual for short-T2 and hyaline tissues.
_TABLE: dict[Tissue, tuple[float, float, float, float, float, float]] = {
    Tissue.AIR: (0.0, 0.0, 1000.0, 50.0, 1000.0, 50.0),
    Tissue.FAT: (0.95, 0.95, 1000.0, 40.0, 1200.0, 35.0),
    Tissue.MUSCLE: (0.80, 0.03, 1130.0, 35.0, 1420.0, 32.0),
    Tissue.SKIN: (0.65, 0.10, 850.0, 26.0, 1000.0, 24.0),
    Tissue.CORTICAL_BONE: (0.12, 0.10, 250.0, 1.0, 250.0, 1.0),
    Tissue.FATTY_MARROW: (0.88, 0.88, 900.0, 40.0, 1100.0, 36.0),
    Tissue.RED_MARROW: (0.85, 0.50, 900.0, 42.0, 1100.0, 38.0),
    Tissue.PHYSIS: (0.80, 0.0, 1050.0, 55.0, 1240.0, 48.0),
    Tissue.CARTILAGE: (0.78, 0.0, 1060.0, 42.0, 1240.0, 37.0),
    Tissue.FLUID: (1.0, 0.0, 2850.0, 1210.0, 3620.0, 767.0),
    Tissue.TENDON: (0.45, 0.02, 600.0, 3.0, 700.0, 2.5),
    Tissue.VESSEL: (0.35, 0.0, 1440.0, 290.0, 1930.0, 275.0),
    Tissue.MENISCUS: (0.60, 0.0, 800.0, 11.0, 950.0, 10.0),
}
_FAT_TIMES = {1.5: (288.0, 165.0), 3.0: (371.0, 133.0)}
# Susceptibility between trabeculae shortens T2* of marrow in gradient echoes.
_T2_STAR_SHARE = {Tissue.FATTY_MARROW: 0.10, Tissue.RED_MARROW: 0.14}
_HOUNSFIELD: dict[Tissue, tuple[float, float]] = {
    Tissue.AIR: (-1000.0, 0.0),
    Tissue.FAT: (-100.0, 12.0),
    Tissue.MUSCLE: (55.0, 8.0),
    Tissue.SKIN: (20.0, 10.0),
    Tissue.CORTICAL_BONE: (1250.0, 180.0),
    Tissue.FATTY_MARROW: (110.0, 70.0),
    Tissue.RED_MARROW: (260.0, 60.0),
    Tissue.PHYSIS: (110.0, 20.0),
    Tissue.CARTILAGE: (85.0, 12.0),
    Tissue.FLUID: (12.0, 6.0),
    Tissue.TENDON: (90.0, 10.0),
    Tissue.VESSEL: (45.0, 8.0),
    Tissue.MENISCUS: (90.0, 10.0),
}
"""Mean and spread between persons of the CT number (HU); values usual in clinical CT."""


@dataclass(frozen=True, slots=True)
class SequenceSettings:
    """One sequence: its family and its parameters (times in ms).

    Parameters
    ----------
    family : str
        One of `SEQUENCES`.
    field_tesla : float
        1.5 or 3.
    repetition_ms, echo_ms, flip_deg : float
        TR, TE, flip angle (90 for spin echoes).
    fat_left : float
        Share of the fat signal that remains: 1 without fat suppression.
    """

    family: str
    field_tesla: float
    repetition_ms: float
    echo_ms: float
    flip_deg: float
    fat_left: float


def draw_sequence(rng: np.random.Generator, family: str | None = None) -> SequenceSettings:
    """Draw a family, or only its parameters when `family` is given; ranges are those of clinical protocols."""
    drawn = str(rng.choice(SEQUENCES, p=(0.2, 0.2, 0.08, 0.18, 0.1, 0.14, 0.1)))
    field = 1.5 if rng.random() < 0.5 else 3.0
    name = drawn if family is None else family
    u = rng.random(4)

    def between(low: float, high: float, n: int) -> float:
        return float(low + (high - low) * u[n])

    fat_left = between(0.02, 0.18, 3)
    match name:
        case "t1":
            return SequenceSettings(name, field, between(420, 850, 0), between(8, 20, 1), 90.0, 1.0)
        case "pd":
            return SequenceSettings(name, field, between(1500, 4500, 0), between(6, 38, 1), 90.0, 1.0)
        case "t2":
            return SequenceSettings(name, field, between(2800, 5500, 0), between(60, 105, 1), 90.0, 1.0)
        case "pd_fat_suppressed":
            return SequenceSettings(name, field, between(2200, 4500, 0), between(15, 45, 1), 90.0, fat_left)
        case "t2_fat_suppressed":
            return SequenceSettings(name, field, between(2800, 5500, 0), between(50, 85, 1), 90.0, fat_left)
        case "t1_gradient_echo":
            suppressed = u[3] < 0.4
            left = 0.05 + 0.3 * float(u[3]) if suppressed else 1.0
            return SequenceSettings(name, field, between(7, 30, 0), between(2.2, 6.5, 1), between(10, 30, 2), left)
        case "dess":
            return SequenceSettings(name, field, between(14, 22, 0), between(4.5, 6.5, 1), between(20, 40, 2), fat_left)
    raise InputError(f"Unknown sequence '{name}'; known are {', '.join(SEQUENCES)}.")


def spin_echo(density: float, t1_ms: float, t2_ms: float, s: SequenceSettings) -> float:
    """Signal of a spin echo: density (1 - exp(-TR/T1)) exp(-TE/T2)."""
    return float(density * (1 - np.exp(-s.repetition_ms / t1_ms)) * np.exp(-s.echo_ms / t2_ms))


def spoiled_gradient_echo(density: float, t1_ms: float, t2_star_ms: float, s: SequenceSettings) -> float:
    """Steady state of a spoiled gradient echo (Ernst and Anderson 1966, doi:10.1063/1.1719961)."""
    angle = np.deg2rad(s.flip_deg)
    e1 = np.exp(-s.repetition_ms / t1_ms)
    steady = np.sin(angle) * (1 - e1) / (1 - np.cos(angle) * e1)
    return float(density * steady * np.exp(-s.echo_ms / t2_star_ms))


def double_echo_steady_state(density: float, t1_ms: float, t2_ms: float, s: SequenceSettings) -> float:
    """Root of the sum of squares of the two echoes of DESS (Haenicke and Vogel 2003, doi:10.1002/mrm.10409)."""
    angle = np.deg2rad(s.flip_deg)
    e1, e2 = np.exp(-s.repetition_ms / t1_ms), np.exp(-s.repetition_ms / t2_ms)
    cosine = np.cos(angle)
    p = 1 - e1 * cosine - e2**2 * (e1 - cosine)
    q = e2 * (1 - e1) * (1 + cosine)
    root = np.sqrt(max((1 - e2**2) / (p**2 - q**2), 0.0))
    free = np.tan(angle / 2) * (1 - (e1 - cosine) * root) * np.exp(-s.echo_ms / t2_ms)
    echo = np.tan(angle / 2) * (1 - (1 - e1 * cosine) * root) * np.exp(-(s.repetition_ms - s.echo_ms) / t2_ms)
    return float(density * np.hypot(free, echo))


def tissue_signals(settings: SequenceSettings, rng: np.random.Generator | None = None) -> np.ndarray:
    """Signal of every tissue.

    Parameters
    ----------
    settings : SequenceSettings
        The sequence.
    rng : numpy Generator, optional
        Spreads density (6 %) and relaxation times (12 %) between persons; without it the table's values are used.

    Returns
    -------
    float32 ndarray of shape (13,)
        Indexed by `Tissue`; 1 is full magnetization of pure water.
    """
    third = settings.field_tesla > 2.0
    fat_t1, fat_t2 = _FAT_TIMES[3.0 if third else 1.5]
    spread = (
        np.ones((len(Tissue), 3)) if rng is None else np.exp(rng.normal(size=(len(Tissue), 3)) * (0.06, 0.12, 0.12))
    )
    signals = np.zeros(len(Tissue), np.float32)
    for tissue, (density, fat, t1_15, t2_15, t1_3, t2_3) in _TABLE.items():
        a, b, c = spread[tissue]
        t1, t2 = (t1_3, t2_3) if third else (t1_15, t2_15)
        water = _signal(settings, tissue, density * (1 - fat) * a, t1 * b, t2 * c)
        oil = _signal(settings, tissue, density * fat * a, fat_t1 * b, fat_t2 * c)
        signals[tissue] = water + settings.fat_left * oil
    return signals


def _signal(settings: SequenceSettings, tissue: Tissue, density: float, t1_ms: float, t2_ms: float) -> float:
    if density == 0:
        return 0.0
    if settings.family == "t1_gradient_echo":
        star = max(t2_ms * _T2_STAR_SHARE.get(tissue, 0.6), 0.4)
        return spoiled_gradient_echo(density, t1_ms, star, settings)
    formula: Callable[[float, float, float, SequenceSettings], float] = (
        double_echo_steady_state if settings.family == "dess" else spin_echo
    )
    if settings.family == "dess":
        t2_ms = max(t2_ms * (0.35 if tissue in _T2_STAR_SHARE else 1.0), 0.5)
    return formula(density, t1_ms, t2_ms, settings)


def tissue_hounsfield(rng: np.random.Generator | None = None) -> np.ndarray:
    """CT number of every tissue in HU (float32, indexed by `Tissue`), spread between persons when `rng` is given."""
    values = np.zeros(len(Tissue), np.float32)
    for tissue, (mean, spread) in _HOUNSFIELD.items():
        values[tissue] = mean + (0.0 if rng is None else float(rng.normal()) * spread)
    return values
