"""What a command hands back to be shown."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Outcome:
    """Lines for people, and the same as an object for ``--json``."""

    lines: list[str]
    data: dict[str, object] = field(default_factory=dict)
