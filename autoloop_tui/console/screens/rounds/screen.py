"""The keys of the Rounds screen to sort, filter, fold, mark and act. `browsing.py` has its contents."""

from __future__ import annotations

from autoloop.model import Loop, RunState
from autoloop.protocol import Retry

from autoloop_tui.console.drawing.paint import plain
from autoloop_tui.console.present.proposals.permitted import may_propose
from autoloop_tui.console.present.rounds.cells import OF_FIRST
from autoloop_tui.console.present.rounds.filter import Filter, parse_filter
from autoloop_tui.console.present.rounds.rows import RunRow
from autoloop_tui.console.screens.letter_menu import LetterMenu
from autoloop_tui.console.screens.proposals.writing import propose_variant
from autoloop_tui.console.screens.rounds.browsing import RoundsBrowser
from autoloop_tui.console.widgets.rounds.filter_line import FilterLine

MOST_MARKS = 6

RETRIED = (RunState.FAILED, RunState.STOPPED, RunState.LOST)
"""States from which a run can be retried."""

FIXED_MENU = ("state", "steps", "took", "from", "tries", "reason", "id")
"""Columns other than metrics, round and name, in menu order."""


class RoundsScreen(RoundsBrowser):
    """Every run of every round in one table, with filter, sorting, marks and lineage."""

    # -------------------------------------------------------------------------------------------------------- actions

    def action_left(self) -> None:
        self.action_right(-1)

    def action_right(self, step: int = 1) -> None:
        self.first_metric += step
        self._again()

    def action_sort(self) -> None:
        """Choose the sort column from a menu; the table then scrolls to the top."""
        if self.view is None:
            return
        others = {metric: self.view.metrics.short(metric) for metric in self._metrics[1:]}
        names = {"round": "round, newest first", **OF_FIRST, "name": "run", **dict.fromkeys(FIXED_MENU), **others}
        entries = [(key, name or key) for key, name in names.items()]

        def chosen(column: str | None) -> None:
            if column is None:
                return
            self.reverse = column == self.sort and not self.reverse
            self.sort, self.as_tree = column, False
            self._again()
            self.table.first()
            self.show_message(f"sorted by {self._sort_name()}{', reversed' if self.reverse else ''}")

        self.app.push_screen(LetterMenu("Sort by", entries, self.sort), chosen)

    def action_reverse(self) -> None:
        self.reverse = not self.reverse
        self._again()
        self.table.first()

    def action_tree(self) -> None:
        """Switch between rounds and lineage, in which each run is below its base."""
        self.as_tree = not self.as_tree
        self.sort, self.reverse = "round", False
        self._again()
        self.show_message("each run below its base" if self.as_tree else "by rounds")

    def refusal(self, action: str) -> str:
        row = self._current()
        if action in ("rounds.open", "rounds.mark", "rounds.variant", "rounds.retry", "rounds.round-chart") and row is None:
            return "no run here"
        if action == "rounds.fold" and self._folded() is None:
            return "this run has no replicates in its round"
        if action == "rounds.clear" and not self.console.marked:
            return "no marks"
        here = row is not None and self.view is not None and row.loop.id == self.view.loop.id
        if action == "rounds.retry" and here and row is not None and row.run.state not in RETRIED:
            return f"it is {row.run.state.value}: only failed, stopped or lost runs can be retried"
        if action == "rounds.variant" and here and self.view is not None:
            return may_propose(self.view, self.console.keys_of)
        return ""

    def _folded(self) -> str | None:
        """Return the config under the cursor, or the config of the replicate under the cursor; None without replicates."""
        cursor = self.table.cursor or ""
        for place in self._places.values():
            row = place.row
            if row.members and (row.key == cursor or cursor in [each.run.id for each in row.members]):
                return row.key
        return None

    def action_fold(self) -> None:
        """Expand or collapse the replicates of the config under the cursor."""
        key = self._folded()
        if key is None:
            return
        self.open ^= {key}
        self._again()
        self.table.go_to(key)

    def action_open(self) -> None:
        row = self._current()
        if row is None or self.view is None:
            return
        if row.loop.id != self.view.loop.id:
            self._go_to_loop(row.loop)
        self.console.open_run(self._with_history(row).id)

    def _go_to_loop(self, loop: Loop) -> None:
        """Switch every screen to another loop."""
        self.console.feed.follow_loop(loop.id)
        self.console.feed.poll()
        self.refresh_view()
        self.app.notify(f"The console now shows {loop.name}.", markup=False)

    def action_mark(self) -> None:
        row, marked = self._current(), self.console.marked
        if row is None:
            return
        name = plain(row.run.name)
        if row.run.id in marked:
            marked.remove(row.run.id)
            self.show_message(f"{name} is no longer marked")
        elif len(marked) >= MOST_MARKS:
            mark = self.console.keys_of("rounds.mark")
            self.show_message(f"{MOST_MARKS} runs can be compared at most; {mark} clears a mark", "slot-warn")
        else:
            marked.append(row.run.id)
            letter, key = self._marks()[row.run.id].letter, self.console.keys_of("app.compare")
            self.show_message(f"{name}, run {letter}, is marked, {len(marked)} in all; {key} compares them")
        self._again()

    def action_clear(self) -> None:
        self.console.marked.clear()
        self._again()
        self.show_message("all marks cleared")

    def action_loops(self) -> None:
        self.all_loops = not self.all_loops
        self._others = {}
        if self.view is not None:
            self._list_loops(self.view)
            self._show_loops(self.view)
        self.equivalent("rounds.loops")

    def action_round_chart(self) -> None:
        from autoloop_tui.console.screens.round_chart.screen import RoundChartScreen

        if (row := self._own("draw the round of")) is not None:
            self.equivalent("rounds.round-chart")
            self.app.push_screen(RoundChartScreen(row.run.id))

    def action_retry(self) -> None:
        if (row := self._own("retry")) is not None:
            self.equivalent("rounds.retry", run=plain(row.run.id))
            self.console.ask(Retry(run=row.run.id))

    def action_variant(self) -> None:
        row = self._own("propose from")
        if row is not None:
            self.equivalent("rounds.variant", run=plain(row.run.id))
            propose_variant(self.console, row.run)

    def _own(self, what: str) -> RunRow | None:
        """Return the selected run if commands can reach it: they go to the engine of the loop shown."""
        row = self._current()
        if row is not None and self.view is not None and row.loop.id != self.view.loop.id:
            self.show_message(f"this run is of {row.loop.name}: open it first, then the console can {what} it", "slot-warn")
            return None
        return row

    # --------------------------------------------------------------------------------------------------------- filter

    def step_back(self) -> bool:
        if not self.filter.text:
            return False
        self.filter = Filter()
        self._again()
        return True

    def action_filter(self) -> None:
        self.query_one(FilterLine).ask(self.filter.text)

    def on_filter_line_typed(self, event: FilterLine.Typed) -> None:
        if self.view is not None:
            self.filter = parse_filter(event.text, self.view.metrics, self.known.metric_names())
            self._again()
