"""An image or label map together with its place in the patient."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.geometry import Geometry


@dataclass(frozen=True, slots=True)
class Volume:
    """Array and geometry: never one without the other.

    Parameters
    ----------
    array : ndarray of shape (k, j, i)
        Intensities, or label values for a label map.
    geometry : Geometry
        The grid of the array, LPS millimeters.
    modality : str
        DICOM modality ("MR", "CT") or "" when the source does not say.
    metadata : dict
        What the source says beyond that and what is safe to report: series description, echo time, file hashes.
        Never a patient's name, birth date or identifier.

    Raises
    ------
    InputError
        If the array's shape is not that of the grid.
    """

    array: np.ndarray
    geometry: Geometry
    modality: str = ""
    metadata: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.array.shape != self.geometry.array_shape:
            raise InputError(
                f"The array has shape {self.array.shape}, its grid asks for {self.geometry.array_shape} (k, j, i)."
            )

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Voxel spacing along (i, j, k)."""
        return self.geometry.spacing_mm

    def with_array(self, array: np.ndarray) -> Volume:
        """Another array on the same grid, with the same modality and metadata."""
        return Volume(array, self.geometry, self.modality, dict(self.metadata))
