"""The GPUs of a host, asked for as those of this machine are: a question now, its answer later."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec

from autoloop.gpus import GpuReport
from autoloop.model.structs import convert


class HostGpus:
    """As `gpus.Watcher`. The engine's thread asks; the runner's thread carries the question and its answer.

    `key`: of which question of a poll, and of its answer; `wake` sees to it that the question is sent.
    """

    def __init__(self, key: str, wake: Callable[[], None]) -> None:
        self._key = key
        self._wake = wake
        self.report: GpuReport | None = None
        self.asked_at: float | None = None
        self.wanted = False
        """A question waits to be sent."""
        self._number: int | None = None
        """Of the question whose answer is awaited, on this connection."""

    @property
    def open(self) -> bool:
        """Whether an answer is awaited."""
        return self.wanted or self._number is not None

    def ask(self) -> None:
        if self.asked_at is None or self.report is not None:
            self.report, self.asked_at = None, time.monotonic()
            self.wanted = True
            self._wake()

    def wait(self, seconds: float) -> GpuReport:
        """Never waits: another machine is asked."""
        return self.report or GpuReport(error="no answer yet")

    def cut(self) -> None:
        """The connection is gone, and the question with it."""
        if self.open:
            self.wanted, self._number = True, None

    def take(self, answer: dict[str, Any], asked: bool) -> None:
        """What came with the answer of a poll, which carried the question if `asked`."""
        number = int(answer[f"{self._key}_at"])
        if asked:
            self.wanted, self._number = False, int(answer[f"{self._key}_asked"])
        if self._number is not None and number >= self._number:
            self._number = None
            try:
                self.report = convert(answer[self._key], GpuReport)
            except msgspec.ValidationError as error:
                self.report = GpuReport(error=f"what nvidia-smi says there cannot be read: {error}")
