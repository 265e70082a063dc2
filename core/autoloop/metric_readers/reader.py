"""The common interface of all sources of a run's metrics: the protocol `MetricReader`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from autoloop.model import Series


class MetricReader(Protocol):
    """One source of a run's metrics, read while the trainer still writes it. A new kind of source implements this.

    Methods never raise, whatever the file contains, and memory stays bounded. A file that does not exist yet is read once
    it appears; a file that was replaced or truncated is read again from its start. An incomplete last record is left until
    it is complete, so the data read from a growing file is always a prefix of the data in the complete one. No file stays
    open between polls.
    """

    @property
    def kind(self) -> str:
        """The kind of source, one word shown to users: `wandb`, `jsonl`, `console`."""
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
        """The recent steps per second; None if unknown."""
        ...

    @property
    def problems(self) -> list[str]:
        """One sentence for each thing that could not be read properly."""
        ...

    @property
    def files(self) -> Iterable[Path]:
        """The files that it reads. As long as only these change, `poll` need not look for others."""
        ...

    @property
    def more(self) -> bool:
        """Whether the last `poll` may have left something because of its budget."""
        ...

    def poll(self, budget: int = 4 << 20, *, look: bool = True) -> bool:
        """Read about `budget` bytes. Returns whether anything was new or there may be more; poll until False to read all.
        Without `look`, read only `files`."""
        ...

    def skim(self, budget: int = 4 << 20, *, look: bool = True) -> bool:
        """Like `poll`, if a reader of higher precedence has metrics: reads only what that one may lack (progress)."""
        ...
