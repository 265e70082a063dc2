"""The project's store, opened for one call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autoloop.model import Loop
from autoloop.store import Store


@contextmanager
def opened(project: Path, loop: str | None) -> Iterator[tuple[Store, Loop]]:
    with Store.open(project) as store:
        yield store, store.find_loop(loop)
