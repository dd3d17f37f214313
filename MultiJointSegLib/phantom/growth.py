"""How a skeleton changes with age: size, growth plates, cartilage that is not bone yet, cortex."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_AGE = (2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0, 18.0)
# Share of the adult size; widths of joints reach it earlier than the length of the body does.
_SIZE = (0.55, 0.64, 0.71, 0.78, 0.85, 0.92, 0.97, 1.0, 1.0)
# Epiphyseal cartilage around the ossified center, mm at adult size.
_UNOSSIFIED_MM = (6.0, 4.2, 2.8, 1.7, 1.0, 0.5, 0.15, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Growth:
    """State of growth of one phantom.

    Parameters
    ----------
    age_years : float
        Age.
    scale : float
        Size as a share of the adult size of the same individual.
    unossified_mm : float
        Thickness of the epiphyseal cartilage that surrounds the ossified part, in mm at adult size.
    closure_age_years : float
        Age at which this individual's growth plates close.
    """

    age_years: float
    scale: float
    unossified_mm: float
    closure_age_years: float

    @property
    def physes_open(self) -> bool:
        """Whether growth plates are drawn."""
        return self.age_years < self.closure_age_years


def growth_at(age_years: float, rng: np.random.Generator) -> Growth:
    """Growth of an individual of that age, with the individual's own adult size (+-8 %) and closure age (14-16)."""
    closure = float(rng.uniform(14.0, 16.0))
    individual = float(np.clip(rng.normal(1.0, 0.045), 0.9, 1.1))
    scale = individual * float(np.interp(age_years, _AGE, _SIZE))
    unossified = float(np.interp(age_years, _AGE, _UNOSSIFIED_MM)) * float(rng.uniform(0.8, 1.2))
    return Growth(age_years, scale, unossified, closure)
