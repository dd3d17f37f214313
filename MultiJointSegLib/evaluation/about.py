"""What a report says about where its predictions come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class About:
    """Title, notes for people and facts for programs.

    Parameters
    ----------
    title : str
    notes : tuple of (str, str)
        Term and text.
    facts : mapping
        JSON-able; goes into the JSON file.
    pictures : tuple of (str, str)
        Caption and address (a data address, so that the report stays one file).
    """

    title: str
    notes: tuple[tuple[str, str], ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    pictures: tuple[tuple[str, str], ...] = ()
