"""A signal without Qt: a signal of Qt that is created in Python crashes Slicer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Signal:
    """Calls whoever connected, in the order of connecting."""

    def __init__(self) -> None:
        self._receivers: list[Callable[..., Any]] = []

    def connect(self, receiver: Callable[..., Any]) -> None:
        """Call `receiver` at every `emit`."""
        self._receivers.append(receiver)

    def disconnect(self, receiver: Callable[..., Any] | None = None) -> None:
        """Forget a receiver, or all of them."""
        self._receivers = [] if receiver is None else [each for each in self._receivers if each != receiver]

    def emit(self, *arguments: Any) -> None:
        """Call the receivers."""
        for receiver in list(self._receivers):
            receiver(*arguments)
