"""The GPUs of a host, with the same interface as those of this machine: request now, answer later."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec

from autoloop.gpus import GpuReport
from autoloop.model.structs import convert


class HostGpus:
    """Like `gpus.Watcher`. The engine's thread asks; the runner's thread sends the request and receives the answer.

    `key` is the prefix of the fields in polls and their answers; `wake` makes the runner's thread send the request.
    """

    def __init__(self, key: str, wake: Callable[[], None]) -> None:
        self._key = key
        self._wake = wake
        self.report: GpuReport | None = None
        self.asked_at: float | None = None
        self.wanted = False
        """A request is waiting to be sent."""
        self._number: int | None = None
        """The number of the request being awaited on this connection."""

    @property
    def open(self) -> bool:
        """Whether an answer is still expected."""
        return self.wanted or self._number is not None

    def ask(self) -> None:
        if self.asked_at is None or self.report is not None:
            self.report, self.asked_at = None, time.monotonic()
            self.wanted = True
            self._wake()

    def wait(self, seconds: float) -> GpuReport:
        """Never waits, because another machine has to answer."""
        return self.report or GpuReport(error="no answer yet")

    def cut(self) -> None:
        """The connection and the request sent over it are lost: send the request again."""
        if self.open:
            self.wanted, self._number = True, None

    def take(self, answer: dict[str, Any], asked: bool) -> None:
        """Process the answer to a poll; `asked` states whether that poll contained the request."""
        number = int(answer[f"{self._key}_at"])
        if asked:
            self.wanted, self._number = False, int(answer[f"{self._key}_asked"])
        if self._number is not None and number >= self._number:
            self._number = None
            try:
                self.report = convert(answer[self._key], GpuReport)
            except msgspec.ValidationError as error:
                self.report = GpuReport(error=f"the output of nvidia-smi there is malformed: {error}")
