"""A worker thread for places with slow calls, and the queue of news from it to the engine's thread."""

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
    """Calls `turn` repeatedly in its own thread and waits between calls for the seconds it returns, or until `wake`.

    The worker thread adds news with `tell`, and the engine's thread gets it with `take`. `turn` checks `closing` and returns
    None to end the thread.
    """

    def __init__(self, name: str, turn: Callable[[], float | None]) -> None:
        self._turn = turn
        self._news: deque[News] = deque()
        self._readable = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._awake = threading.Event()
        self._open: set[str] = set()
        """The attempts being followed; only the engine's thread uses it."""
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
        with contextlib.suppress(OSError):  # closed in the meantime
            os.eventfd_write(self._readable, 1)

    def follow(self, attempt: str) -> None:
        """Expect news of this attempt; its end comes last."""
        self._open.add(attempt)

    def take(self) -> list[News]:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._readable)
        taken = [self._news.popleft() for _ in range(len(self._news))]
        self._open -= {id_ for id_, news in taken if isinstance(news, End)}
        return taken

    def any_left(self) -> bool:
        """Whether the end of any followed attempt has not been reported yet."""
        return bool(self._open - {id_ for id_, news in list(self._news) if isinstance(news, End)})

    def close(self, patience: float) -> None:
        """End the thread. Waits at most `patience` seconds, because the thread may be in the middle of a call."""
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
