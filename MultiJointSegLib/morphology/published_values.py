"""Values of measures in other people's studies, as published: Resources/Anatomy/published_values.json.

Every number there was read in the source that its entry names, and stands as it stands there, with population, age
group and method. They are shown beside a patient's values for orientation. Definitions differ between studies and from
those used here, so that nothing is called normal or abnormal by them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache

from MultiJointSegLib.resources import resource_path

_SIDES = ("left_", "right_")


@dataclass(frozen=True, slots=True)
class PublishedValue:
    """One published value of some measures.

    Parameters
    ----------
    measures : tuple of str
        Keys of the measures, without a side.
    values : str
        Numbers with unit and statistic, as published.
    population, age_group, method : str
        Whose they are and how they were measured; the age group says "adults" where they are.
    source : str
        The publication, with its DOI where it is known.
    url : str
        Where the numbers can be read.
    remark : str
        In what the definition differs; "" if it does not.
    """

    measures: tuple[str, ...]
    values: str
    population: str
    age_group: str
    method: str
    source: str
    url: str
    remark: str

    def sentence(self) -> str:
        """The value with all that is needed to judge it."""
        remark = f" {self.remark}" if self.remark else ""
        return f"{self.values}: {self.age_group}; {self.population}; {self.method}; {self.source}.{remark}"


@cache
def all_published_values() -> tuple[PublishedValue, ...]:
    """Every entry of the file."""
    document = json.loads(resource_path("Anatomy", "published_values.json").read_text(encoding="utf-8"))
    return tuple(PublishedValue(**{**entry, "measures": tuple(entry["measures"])}) for entry in document["values"])


def published_values(key: str) -> tuple[PublishedValue, ...]:
    """Published values of a measure by its key, with or without a side; empty where none is known."""
    for side in _SIDES:
        key = key.removeprefix(side)
    return tuple(value for value in all_published_values() if key in value.measures)
