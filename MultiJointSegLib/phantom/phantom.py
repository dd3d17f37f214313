"""Synthetic examinations with exact truth."""

from __future__ import annotations

from dataclasses import dataclass

from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.phantom.acquisition import acquire, draw_acquisition
from MultiJointSegLib.phantom.procedural import phantom_rng, procedural_tissue_map


@dataclass(frozen=True, slots=True)
class Phantom:
    """One synthetic examination.

    Parameters
    ----------
    volume : Volume
        The image, int16 (k, j, i).
    labels : Volume
        Label values of the anatomy catalog on the same grid, uint8. The bone of a label is the ossified bone with its
        growth plates; cartilage that has not turned to bone is background.
    truth : dict
        Exact geometry of the mature and of the ossified shapes: keys ending in `_mm` (LPS points and lengths),
        `_direction` (LPS unit vectors), `_deg`.
    settings : dict
        Everything that was drawn: seed, joint, side, age and acquisition. Plain values.
    """

    volume: Volume
    labels: Volume
    truth: dict[str, object]
    settings: dict[str, object]


def make_phantom(
    joint: str,
    *,
    seed: int,
    side: str | None = None,
    age_years: float | None = None,
    plane: str | None = None,
    sequence: str | None = None,
    spacing_mm: tuple[float, float, float] | None = None,
    noise: float | None = None,
    full_anatomy: bool = False,
    modality: str = "MR",
    map_spacing_mm: float = 0.8,
) -> Phantom:
    """Make one examination of a joint; whatever is not given is drawn from the seed.

    Parameters
    ----------
    joint : str
        "knee", "ankle", "shoulder" or "hip".
    seed : int
        The same seed and arguments give the same arrays, byte for byte, in every process.
    side : str, optional
        "left" or "right".
    age_years : float, optional
        2 to 90; drawn between 4 and 40 otherwise, mostly 4 to 17.
    plane : str, optional
        "sagittal", "coronal" or "axial".
    sequence : str, optional
        One of `mr_signal.SEQUENCES`.
    spacing_mm : tuple of 3 float, optional
        Along (i, j, k): in-plane twice, then the distance of slices.
    noise : float, optional
        Share of the brightest tissue (MR), HU (CT).
    full_anatomy : bool
        True: the field of view holds all that was built of the joint, not tilted. False: it cuts the limb, as in
        patients.
    modality : str
        "MR", or "CT" for the hip.
    map_spacing_mm : float
        Spacing of the tissue map that is imaged.

    Raises
    ------
    InputError
        Unknown names or values out of range.
    """
    tissue_map = procedural_tissue_map(joint, seed=seed, side=side, age_years=age_years, spacing_mm=map_spacing_mm)
    rng = phantom_rng("acquisition", joint, seed)
    settings = draw_acquisition(
        tissue_map,
        rng,
        plane=plane,
        sequence=sequence,
        spacing_mm=spacing_mm,
        noise=noise,
        whole=full_anatomy,
        modality=modality,
    )
    volume, labels = acquire(tissue_map, settings, rng)
    record: dict[str, object] = {
        "joint": joint,
        "seed": seed,
        "side": tissue_map.side,
        "age_years": tissue_map.age_years,
        "modality": modality,
        "map_spacing_mm": map_spacing_mm,
        "acquisition": settings.as_dict(),
    }
    return Phantom(volume, labels, dict(tissue_map.truth), record)
