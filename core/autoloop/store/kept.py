"""A cache of one loop's rows, updated with the rows that were written since the last read.

Each row has the revision of its last change, from one sequence per table. So unchanged rows are not read again, however many
a loop has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from autoloop.model import Attempt, Loop, Proposal, Run
from autoloop.store.rows import Rows

T = TypeVar("T")


class LoopRows:
    """The cached rows, owned by a store. Lists it has returned are never modified: an update creates new lists."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._runs = _Table(Run, "runs", lambda row, run: (run.round, row))
        self._attempts = _Table(Attempt, "attempts", lambda row, _: row)
        self._proposals = _Table(Proposal, "proposals", lambda row, _: row)
        self.attempts: dict[str, Attempt] = {}
        """The newest attempt of each run."""
        self.elsewhere: list[Run] = []
        self._groups: set[str] = set()

    @property
    def runs(self) -> list[Run]:
        return self._runs.values

    @property
    def proposals(self) -> list[Proposal]:
        return self._proposals.values

    def are_of(self, loop: Loop) -> bool:
        """Whether these rows belong to `loop`. The id alone is not enough: the id of a deleted loop is used again."""
        return self._loop.id == loop.id and self._loop.created_at == loop.created_at

    def bring_up(self, store: Rows, elsewhere: Callable[[int], list[Run]]) -> None:
        """Read the changed rows. `elsewhere` reads the finished replicates of a loop's runs in other loops."""
        loop, seen = self._loop.id, self._runs.seen
        newest = self._attempts.bring_up(store, loop)
        if newest:
            self.attempts = self.attempts.copy()
            for _, attempt in newest:
                before = self.attempts.get(attempt.run)
                if before is None or before.number <= attempt.number:
                    self.attempts[attempt.run] = attempt
        self._proposals.bring_up(store, loop)
        changed = self._runs.bring_up(store, loop)
        regrouped = any(before is None or before.group != run.group for before, run in changed)
        groups = {run.group for run in self.runs} - {""} if regrouped else self._groups
        if groups != self._groups or (seen is not None and store.changed_elsewhere(loop, seen) & groups):
            self.elsewhere = elsewhere(loop)
        self._groups = groups


class _Table(Generic[T]):
    """A loop's rows in one table."""

    def __init__(self, kind: type[T], name: str, order: Callable[[int, T], Any]) -> None:
        self._kind, self._name, self._order = kind, name, order
        self._rows: dict[int, T] = {}
        """By row number, in sort order."""
        self.values: list[T] = []
        self.seen: int | None = None
        """The last revision that was read."""

    def bring_up(self, store: Rows, loop: int) -> list[tuple[T | None, T]]:
        """Read the changed rows. Returns the old value (None if new) and the new value of each."""
        self.seen, changed = store.changed(self._kind, self._name, loop, self.seen)
        if not changed:
            return []
        found = [(self._rows.get(row), value) for row, value in changed.items()]
        self._rows |= changed
        if any(before is None for before, _ in found):
            self._rows = dict(sorted(self._rows.items(), key=lambda item: self._order(*item)))
        self.values = list(self._rows.values())
        return found
