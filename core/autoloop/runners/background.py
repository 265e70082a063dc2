"""The thread of a place whose calls take time, and what it hands over to the engine's thread."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable

from autoloop.runners.runner import End, News

LOG = logging.getLogger(__name__)

AFTER_A_FAULT = 10.0


class Background:
    """Calls `turn` again and again in a thread of its own, and waits in between as long as that says, or until `wake`.

    The thread tells news; the engine's thread takes them. `closing` is seen by `turn`, which then returns None to end.
    """

    def __init__(self, name: str, turn: Callable[[], float | None]) -> None:
        self._turn = turn
        self._news: deque[News] = deque()
        self._readable = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._awake = threading.Event()
        self._open: set[str] = set()
        """The attempts that are followed, for the engine's thread."""
        self.closing = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def start(self) -> None:
        if not self._thread.ident:
            self._thread.start()

    def wake(self) -> None:
        self._awake.set()

    def fileno(self) -> int:
        return self._readable

    def tell(self, news: News) -> None:
        self._news.append(news)
        with contextlib.suppress(OSError):  # closed meanwhile
            os.eventfd_write(self._readable, 1)

    def follow(self, attempt: str) -> None:
        """News of this attempt will come, its end last."""
        self._open.add(attempt)

    def take(self) -> list[News]:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._readable)
        taken = [self._news.popleft() for _ in range(len(self._news))]
        self._open -= {id_ for id_, news in taken if isinstance(news, End)}
        return taken

    def any_left(self) -> bool:
        """Whether an attempt that is followed has not ended, as far as has been told."""
        return bool(self._open - {id_ for id_, news in list(self._news) if isinstance(news, End)})

    def close(self, patience: float) -> None:
        """Let the thread end; wait for that at most `patience` seconds, since it may be in the middle of a call."""
        self.closing = True
        self.wake()
        if self._thread.ident:
            self._thread.join(patience)
        if not self._thread.is_alive():
            os.close(self._readable)

    def _work(self) -> None:
        while True:
            began = time.monotonic()
            try:
                pause = self._turn()
            except Exception:
                LOG.exception("%s: unexpected", self._thread.name)
                pause = None if self.closing else AFTER_A_FAULT
            if pause is None:
                return
            self._awake.wait(max(0.0, pause - (time.monotonic() - began)))
            self._awake.clear()
