"""The queue of proposals as rows: a window over any number of them, with a cursor that stays on its proposal."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from autoloop.model import Proposal, ProposalStatus, RuleRecord, Run
from autoloop.verdicts import Results
from textual import events
from textual.message import Message

from autoloop_tui.console.drawing.cutting import tail
from autoloop_tui.console.drawing.paint import cells, fit, look, plain
from autoloop_tui.console.drawing.pieces import Piece, heading, message, part_of, wide
from autoloop_tui.console.present.proposals.outcome import state_piece
from autoloop_tui.console.present.proposals.queue import Entry, base_name, change_pieces
from autoloop_tui.console.widgets.row_pane import RowPane

REASONS = 100
"""Minimum width in cells for a column with the reason."""
MEASURED, WIDEST = 100, 120
"""Number of rows measured to set column widths, and the maximum number of cells counted of a change."""
RULES = 150
"""Minimum width in cells for a column with the rule and its record; the detail pane has both."""


@dataclass(frozen=True)
class Queue:
    """The contents of the list. `asked`: proposals whose decision is on its way to the engine."""

    entries: Sequence[Entry]
    runs: Mapping[str, Run]
    results: Results | None = None
    """Results of the proposals."""
    records: Mapping[str, RuleRecord] = field(default_factory=dict)
    """Results of each rule's proposals in the project."""
    marked: Collection[int] = ()
    new: Collection[int] = ()
    asked: Collection[int] = ()
    empty: Sequence[str] = ()
    """Lines shown if there are no rows."""


@dataclass(frozen=True)
class Columns:
    """Column widths in cells; `reason` and `rule` are 0 if there is no room for them."""

    base: int
    changes: int
    reason: int
    rule: int
    state: int

    @classmethod
    def within(cls, width: int, longest_base: int, longest_change: int) -> Columns:
        """Return the columns for a width. What the changes do not need goes to the base, then to the reason."""
        state = 32 if width >= RULES else 22 if width >= REASONS else 16 if width >= 72 else 10
        base = 24 if width >= RULES else 18 if width >= REASONS else 14 if width >= 72 else 10
        rule = 30 if width >= RULES else 0
        room = max(8 + base, width - (3 + 5 + 1 + 5 + 1 + 1 + 1 + state + 1 + (rule + 1 if rule else 0)))
        reason = (room - base - 1) * 9 // 20 if width >= REASONS and room - base >= 40 else 0
        gap = 1 if reason else 0
        spare = max(0, room - base - reason - gap - max(longest_change, len("change")))
        more = min(spare, max(0, longest_base - base))
        reason += spare - more if reason else 0
        return cls(base + more, room - base - more - reason - gap, reason, rule, state)


class ProposalList(RowPane):
    """One row per proposal. `cursor` is the id of the current one, None if there is none."""

    class Chosen(Message):
        """A row was clicked."""

        def __init__(self, proposal: int) -> None:
            super().__init__()
            self.proposal = proposal

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.queue = Queue((), {})
        self.cursor: int | None = None
        self._first = 0
        self._index: dict[int, int] = {}
        self._longest = 0, 0
        """Cells of the longest base and of the longest change."""

    # -------------------------------------------------------------------------------------------------------- content

    def show_queue(self, queue: Queue) -> None:
        """Show a new state of the queue; the current row keeps its position on the screen."""
        before = self._index.get(self.cursor) if self.cursor is not None else None
        self.queue = queue
        self._index = {entry.id: at for at, entry in enumerate(queue.entries) if isinstance(entry, Proposal)}
        first = [entry for entry in queue.entries[:MEASURED] if isinstance(entry, Proposal)]
        changes = (wide(change_pieces(each, WIDEST, glyphs=self.glyphs)) for each in first)
        bases = (cells(plain(base_name(each, queue.runs.get(each.base_run)))) for each in first)
        self._longest = max(bases, default=0), max(changes, default=0)
        if self.cursor not in self._index:
            pending = (p.id for p in queue.entries if isinstance(p, Proposal) and p.status is ProposalStatus.PENDING)
            self.cursor = next(pending, next(iter(self._index), None))
            self._first = 0
        elif before is not None:
            self._first += self._index[self.cursor] - before
        self.repaint()

    def rows_wanted(self, most: int) -> int:
        """Return the number of rows needed to show everything, at most `most`; short lists get some spare rows."""
        return max(5, min(len(self.queue.entries) + 2, most))

    @property
    def proposal(self) -> Proposal | None:
        entry = self.queue.entries[self._index[self.cursor]] if self.cursor is not None else None
        return entry if isinstance(entry, Proposal) else None

    # --------------------------------------------------------------------------------------------------------- moving

    def choose(self, proposal: int) -> None:
        if proposal in self._index:
            self.cursor = proposal
            self.repaint()

    def move(self, step: int) -> None:
        """Move by `step` proposals, skipping headings."""
        ids = list(self._index)
        if self.cursor is not None and ids:
            at = ids.index(self.cursor) + step
            self.choose(ids[max(0, min(at, len(ids) - 1))])

    def on_click(self, event: events.Click) -> None:
        at = self._first + event.y - 1
        if event.y >= 1 and 0 <= at < len(self.queue.entries):
            entry = self.queue.entries[at]
            if isinstance(entry, Proposal):
                self.post_message(self.Chosen(entry.id))

    def on_resize(self) -> None:
        self.repaint()

    # ------------------------------------------------------------------------------------------------------- painting

    def repaint(self) -> int:
        """Paint the visible rows; return how many of them changed."""
        width, height = self.size.width, self.size.height
        if width <= 0 or height <= 0:
            return 0
        if not self._index:
            lines: list[Piece] = [(text, "bold" if at == 0 else "dim") for at, text in enumerate(self.queue.empty)]
            return self.show(message(lines, width, height))
        room = height - 1
        at = self._index[self.cursor] if self.cursor is not None else 0
        self._first = max(0, min(max(min(self._first, at), at - room + 1), len(self.queue.entries) - room))
        columns = Columns.within(width, *self._longest)
        rows = [self._titles(columns, width)]
        for entry in self.queue.entries[self._first : self._first + room]:
            if isinstance(entry, Proposal):
                rows.append(self._row(entry, columns, width))
            else:
                rows.append(heading(f"from round {entry}", [], width, focused=False, glyphs=self.glyphs))
        return self.show(rows)

    def _titles(self, columns: Columns, width: int) -> list[Piece]:
        parts = [
            f"   {'#':>5}      {fit('from', columns.base)}",
            fit("change", columns.changes),
            *([fit("why", columns.reason)] if columns.reason else []),
            *([fit("rule", columns.rule)] if columns.rule else []),
            fit("outcome", columns.state),
        ]
        where = self._where()
        return [(fit(" ".join(parts).rstrip(), width - cells(where)), "dim"), (where, "dim")]

    def _where(self) -> str:
        """Return `1–15 of 32` if not all fit; otherwise empty."""
        room, entries = self.size.height - 1, self.queue.entries
        if len(entries) <= room:
            return ""
        shown = [entry.id for entry in entries[self._first : self._first + room] if isinstance(entry, Proposal)]
        places = {number: place for place, number in enumerate(self._index, 1)}
        return f" {part_of(places[shown[0]], places[shown[-1]], len(places), self.glyphs)} " if shown else ""

    def _row(self, proposal: Proposal, columns: Columns, width: int) -> list[Piece]:
        mark = self.glyphs.ellipsis
        here = proposal.id == self.cursor
        run = self.queue.runs.get(proposal.base_run)
        result = self.queue.results.of(proposal) if self.queue.results else None
        state, state_look = state_piece(proposal, result, columns.state, glyphs=self.glyphs)
        if proposal.id in self.queue.asked:
            state = f"{mark} sent"
        flag, flag_look = self._flag(proposal)
        changes = change_pieces(proposal, columns.changes, glyphs=self.glyphs)
        gap = columns.changes - sum(cells(text) for text, _ in changes)
        quiet = "dim" if proposal.status.value in ("rejected", "skipped", "launched", "done", "lapsed") else ""
        row: list[Piece] = [
            (">" if here else " ", "bold key"),
            ("* " if proposal.id in self.queue.marked else "  ", "bold key"),
            (f"{'#' + str(proposal.id):>5} ", "bold" if here else "dim"),
            (fit(flag, 5), flag_look),
            (tail(plain(base_name(proposal, run)), columns.base, mark) + " ", quiet),
            *changes,
            (" " * (gap + 1), ""),
        ]
        if columns.reason:
            row.append((fit(proposal.reason[: 4 * width], columns.reason, mark=mark) + " ", quiet))
        if columns.rule:
            row.append((fit(self._rule(proposal), columns.rule, mark=mark) + " ", "dim"))
        row.append((fit(state, columns.state, mark=mark), state_look))
        if here:
            row.append((" " * max(0, width - sum(cells(text) for text, _ in row)), ""))
            row = [(text, f"{names} line") for text, names in row]
        return row

    def _rule(self, proposal: Proposal) -> str:
        """Return the rule with its record, such as `widen-window, helped 3 of 7`, or the author."""
        if not proposal.author.by_itself:
            return plain(f"by {proposal.author}")
        record = self.queue.records.get(proposal.origin)
        helped = f", helped {record.better} of {record.ran}" if record and record.ran else ""
        return plain(proposal.origin[:80]) + helped

    def _flag(self, proposal: Proposal) -> Piece:
        if proposal.revision > 1:
            seen = look("edited")
            return f"{seen.mark(self.glyphs)}{proposal.revision}", seen.variable
        if proposal.id in self.queue.new:
            return "new", "bold key"
        return ("live", "dim") if proposal.live else ("", "")
