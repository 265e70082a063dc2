"""Results of each rule's proposals over all loops of the project."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress

from autoloop.model import RuleRecord
from autoloop.reports.rule_records import judged_by, kept_records, other_records
from autoloop.store import Store
from autoloop.verdicts import rule_records, summed

from autoloop_tui.console.loop_view import TROUBLE, View

EVERY = 30.0
"""Seconds between two reads of the other loops."""


class Records:
    """Owned by a screen. The current loop is counted again for each view; the other loops are read again after EVERY
    seconds."""

    def __init__(self) -> None:
        self._others: tuple[int, float, list[RuleRecord]] | None = None
        """The loop that was excluded, when they were counted, and the records of the others."""
        self._view: View | None = None
        self._found: Mapping[str, RuleRecord] = {}

    def of(self, store: Store, view: View) -> Mapping[str, RuleRecord]:
        """Return the records by rule."""
        if view is not self._view:
            self._view, self._found = view, summed([*self._besides(store, view), *_of_loop(view)])
        return self._found

    def _besides(self, store: Store, view: View) -> list[RuleRecord]:
        now, others = time.monotonic(), self._others
        if others is None or others[0] != view.loop.id or now - others[1] >= EVERY:
            found = others[2] if others is not None and others[0] == view.loop.id else []
            with suppress(*TROUBLE), store.reading():  # reported when no new view can be read
                found = list(other_records(store, view.loop))
            self._others = others = view.loop.id, now, found
        return others[2]


def _of_loop(view: View) -> list[RuleRecord]:
    kept = kept_records(view.loop)
    if kept is not None:
        return kept
    return rule_records(view.snapshot.proposals, view.runs, view.judge, judged_by(view.metrics, view.snapshot.runs))
