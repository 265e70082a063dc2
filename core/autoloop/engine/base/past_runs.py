"""The runs of a loop, reduced to what verdicts need, cached by the engine even over weeks of rounds."""

from __future__ import annotations

from collections.abc import Collection

from autoloop.model import Run
from autoloop.store import Store
from autoloop.verdicts import reduced


class PastRuns:
    """Reads only the runs written since the last call, so a round costs the same after a thousand others."""

    def __init__(self, store: Store, loop: int) -> None:
        self._store = store
        self._loop = loop
        self._metrics: frozenset[str] | None = frozenset()
        """The metrics asked for so far; None for all."""
        self._undone = store.undone
        self._seen: int | None = None
        self._rows: dict[int, Run] = {}

    def by(self, wanted: Collection[str] | None) -> list[Run]:
        """Every run of the loop, by round and order of creation, with at least the metrics `wanted` (canonical names; None
        for all)."""
        if self._metrics is not None and (wanted is None or not self._metrics.issuperset(wanted)):
            self._metrics = None if wanted is None else self._metrics.union(wanted)
            self._seen, self._rows = None, {}
        if self._undone != self._store.undone:  # rows that were rolled back may have been read
            self._undone, self._seen, self._rows = self._store.undone, None, {}
        last, changed = self._store.each_changed(Run, "runs", self._loop, self._seen)
        new = {row: each for row, run in changed for each in reduced([run], self._metrics)}
        self._seen = last  # only now, so that a failed read is repeated
        if new:
            self._rows = dict(sorted({**self._rows, **new}.items(), key=lambda item: (item[1].round, item[0])))
        return list(self._rows.values())
