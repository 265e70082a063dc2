"""Work that waits for a network, done side by side and left alone when time is up."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from autoloop.model import UserError

T = TypeVar("T")
R = TypeVar("R")


def gather(work: Callable[[T], R], items: Sequence[T], *, deadline: float, workers: int = 1) -> Iterator[tuple[int, R]]:
    """`work` of every item with its index, in the order in which they are done; the first exception is raised.

    Never waits beyond `deadline` (`time.monotonic()`), then UserError: what a thread still waits for (a name that is
    looked up, an answer that drips) is given up, and does not keep the program from ending.
    """
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for index in range(len(items)):
        waiting.put(index)
    done: queue.Queue[tuple[int, R] | BaseException] = queue.Queue()
    over = threading.Event()

    def run() -> None:
        while not over.is_set():
            try:
                index = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((index, work(items[index])))
            except BaseException as error:
                done.put(error)
                return

    for _ in range(min(workers, len(items))):
        threading.Thread(target=run, daemon=True).start()
    try:
        for _ in items:
            try:
                result = done.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise UserError("W&B took too long; ask for fewer runs, or give more time with --timeout.") from None
            if isinstance(result, BaseException):
                raise result
            yield result
    finally:
        over.set()
