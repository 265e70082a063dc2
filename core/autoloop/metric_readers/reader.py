"""What every source of a run's metrics has in common: the protocol `MetricReader`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from autoloop.model import Series


class MetricReader(Protocol):
    """One source of a run's metrics, read while the trainer still writes it. A new kind of source implements this.

    Whatever the bytes are, nothing raises and memory stays bounded. A file that does not exist yet is read once it
    appears; one that was replaced or cut short is read again from its start. An incomplete last record waits for its end,
    so what has been read of a growing file is always a prefix of what is read of the whole one. Nothing stays open between
    polls.
    """

    @property
    def kind(self) -> str:
        """The kind of source, one word for people: `wandb`, `jsonl`, `console`."""
        ...

    @property
    def columns(self) -> Mapping[str, Series]:
        """Every metric with a value, by the trainer's name. The Series grow in place with `poll`."""
        ...

    @property
    def step(self) -> int:
        """The largest step seen; 0 before there is one."""
        ...

    @property
    def rate(self) -> float | None:
        """Steps per second of late; None if that is not known."""
        ...

    @property
    def problems(self) -> list[str]:
        """One sentence for everything that could not be read as it should."""
        ...

    def poll(self, budget: int = 4 << 20) -> bool:
        """Read on, about `budget` bytes; whether anything was new or there may be more. Poll until False to read it all."""
        ...

    def skim(self, budget: int = 4 << 20) -> bool:
        """As `poll`, when a reader that takes precedence has metrics: reads only what that one may lack (progress)."""
        ...
