"""A view of a growing log: it follows the end, or stands still while the user reads, and counts new lines.

It renders through the Line API because Textual's log widgets use most of a core at a thousand lines per second. Log text is
only ever a segment: nothing in it is interpreted.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from autoloop.text.values import count
from textual import events
from textual.binding import Binding, BindingType

from autoloop_tui.console.drawing.paint import fit, percent
from autoloop_tui.console.drawing.pieces import Piece, crop, heading, message, wide
from autoloop_tui.console.logs.search import Matches, Query, Search
from autoloop_tui.console.logs.tail import Lines, LogFile
from autoloop_tui.console.widgets.prompt_pane import PromptPane, reading_keys

_BAD = re.compile(r"\b(?:ERROR|FATAL|CRITICAL)\b|\w(?:Error|Exception)\b|Traceback \(most|out of memory", re.ASCII)
_WARN = re.compile(r"\bWARN(?:ING)?\b|Warning:", re.ASCII)
_LITTLE = re.compile(r"\b(?:DEBUG|TRACE)\b", re.ASCII)
# Bounded repetition, so that no line takes long to match.
_EVALUATION = re.compile(r"\b(?:eval|val)\w{0,40}\b.{0,40}?(?:\d\.\d|\bstep\b|\bepoch\b)", re.ASCII | re.IGNORECASE)
_CHECKPOINT = re.compile(
    r"\bcheck-?point\b|\bsav(?:e[ds]?|ing)\b.{0,40}?\b(?:model|weights|ckpt)\b", re.ASCII | re.IGNORECASE
)
FLOOD_TICKS = 4
"""Ticks skipped while a log is flooding."""


class LogView(PromptPane):
    """Shows one log. Its owner calls `open` to choose it and `tick` on the app's timer."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *reading_keys("log"),
        Binding("g,home", "first", "First line", show=False, id="log.first"),
        Binding("G,end", "follow", "Follow", show=False, id="log.follow"),
        Binding("F", "freeze", "Pause / follow", show=False, id="log.freeze"),
        Binding("Z", "wrap", "Break long lines, or cut them", show=False, id="log.wrap"),
    ]

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.log_file: Lines | None = None
        self.log_title = "log"
        self.following = True
        self.ended = False
        """The run has ended, so the log no longer grows."""
        self._empty = "no log to show"
        self._top = self._cursor = self._seen = 0
        self._query: Query | None = None
        self._matches: Matches | None = None
        self._search: Search | None = None
        self._hits: Matches | None = None
        """Every line that matches the search."""
        self._painted: int | None = None
        """Number of available rows at the last repaint."""
        self._ticked: object = None
        """The state that the last tick painted."""
        self._held_back = 0
        self._wraps = False
        self._shown: list[int] = []
        """For each row below the heading, the index of the line it shows."""

    # -------------------------------------------------------------------------------------------- called by the owner

    def open(self, path: Path | None, title: str = "log", empty: str = "no log to show", known: Sequence[str] = ()) -> None:
        """Show the log at `path`; with None show `empty` instead. `known` are secrets it may contain. If the path is
        unchanged, only the title changes."""
        if path != (self.log_file.path if self.log_file else None):
            self.show_log(LogFile(path, known) if path else None, title, empty)
        else:
            self.log_title, self._empty = title, empty
            self.tick()

    def show_log(self, log: Lines | None, title: str, empty: str) -> None:
        """Show these lines instead of the previous ones, which are closed."""
        self.log_title, self._empty = title, empty
        if log is not self.log_file:
            self.close()
            self.log_file = log
            self._matches = Matches(self.log_file, self._matches.query) if self.log_file and self._matches else None
            self._count_hits()
            self._go_on_following()
        self.tick()

    def close(self) -> None:
        if self.log_file:
            self.log_file.close()
        self.log_file = self._search = None

    def tick(self) -> None:
        """Read new lines and repaint what has changed; does nothing while the pane is hidden."""
        if not self.is_on_screen:
            return
        changed = False
        if self.log_file:
            generation = self.log_file.generation
            changed = self.log_file.poll()
            if self.log_file.generation != generation:
                self._search = None
                self._go_on_following()
                self._note = ("the file was replaced", "slot-warn")
        if self._matches:
            dropped = self._matches.left_out
            self._matches.advance()
            self._top, self._cursor = (n + dropped - self._matches.left_out for n in (self._top, self._cursor))
        if self._hits:
            self._hits.advance()
        # A log that advances more than a page per tick is unreadable; repainting it about once a second spares slow links.
        flew = self.following and self._painted is not None and self._total - self._painted > self._height
        self._held_back = self._held_back + 1 if flew and self._held_back < FLOOD_TICKS else 0
        if not self._held_back and (changed or self._painted_from() != self._ticked):
            self.repaint()
            self._ticked = self._painted_from()

    def _painted_from(self) -> object:
        """Return everything the rows depend on other than the text; never equal while a search is in progress."""
        if self._matches or self._hits or self._search:
            return object()
        log = self.log_file
        where = self.following, self._top, self._cursor, self._shift, self._wraps, self._rows_below, self._seen
        told = self.log_title, self._empty, self._note, self.has_focus, self._query, self.glyphs
        return self.size, self._total, where, told, log and (log.generation, log.problem, log.caught_up)

    def _count_hits(self) -> None:
        """Start collecting the lines that match the search."""
        only = self._matches.query if self._matches else None
        self._hits = Matches(self.log_file, self._query, only) if self.log_file and self._query else None
        if self._hits:
            self._hits.advance()

    def on_unmount(self) -> None:
        self.close()

    def on_show(self) -> None:
        self.tick()

    # -------------------------------------------------------------------------------------------- painting

    @property
    def _total(self) -> int:
        """Number of rows available."""
        if self._matches:
            return len(self._matches.numbers)
        return self.log_file.count if self.log_file else 0

    @property
    def _height(self) -> int:
        return max(0, self.size.height - 1 - self._rows_below)

    def _number(self, index: int) -> int:
        return self._matches.numbers[index] if self._matches else index

    def repaint(self) -> int:
        """Paint the rows that have changed; return their number."""
        width, height = self.size
        if width <= 0 or height <= 0 or not self.is_mounted:
            return 0
        total, room = self._total, self._height
        self._painted = total
        if self.following:
            self._top, self._cursor = max(0, total - room), max(0, total - 1)
        else:
            self._cursor = min(max(self._cursor, 0), max(0, total - 1))
            self._top = min(max(self._top, self._cursor - room + 1, 0), self._cursor)
        head = heading(self.log_title, self._status(), width, focused=self.has_focus, glyphs=self.glyphs)
        lines = self._lines(room)
        if not lines:
            self._shown = []
            return self.show([head, *message([(self._why_empty(), "dim")], width, room)])
        if self._wraps:
            return self.show([head, *self._wrapped(lines, width, room)])
        self._shown = list(range(self._top, self._top + len(lines)))
        return self.show([head, *(self._row(self._top + y, line, width) for y, line in enumerate(lines))])

    def _wrapped(self, lines: list[str], width: int, room: int) -> list[list[Piece]]:
        """Return the rows of wrapped lines, with the line under the cursor or the end of the log visible."""
        rows, shown = list[list[Piece]](), list[int]()
        for index, line in enumerate(lines, self._top):
            if self.following or len(rows) < room or index <= self._cursor:
                folded = self._folded(index, line, width)
                rows += folded
                shown += [index] * len(folded)
        if self.following:
            first = max(0, len(rows) - room)
        else:
            end = len(shown) - shown[::-1].index(self._cursor) if self._cursor in shown else room
            first = max(0, min(end - room, shown.index(self._cursor) if self._cursor in shown else 0))
            self._top = shown[first]
        self._shown = shown[first : first + room]
        return rows[first : first + room]

    def _folded(self, index: int, line: str, width: int) -> list[list[Piece]]:
        gutter, pieces, look = self._parts(index, line)
        room = max(1, width - wide(gutter))
        count = max(1, -(-wide(pieces) // room))
        rows = [crop(pieces, place * room, room) for place in range(count)]
        after: list[Piece] = [(" " * wide(gutter), "line" if "line" in look else "")]
        return [[*(after if at else gutter), *row, (" " * (room - wide(row)), look)] for at, row in enumerate(rows)]

    def _lines(self, room: int) -> list[str]:
        log = self.log_file
        if log is None:
            return []
        if self._matches:
            return [log.line(number) for number in self._matches.numbers[self._top : self._top + room]]
        if self.following and not log.caught_up:
            return log.last_lines(room)
        return log.lines(self._top, self._top + room)

    def _row(self, index: int, line: str, width: int) -> list[Piece]:
        gutter, pieces, look = self._parts(index, line)
        room, mark = width - wide(gutter), self.glyphs.ellipsis
        if len(pieces) == 1 and not self._shift:
            return [*gutter, (fit(line, room, mark=mark), look)]
        row = crop(pieces, self._shift, room, mark)
        return [*gutter, *row, (" " * (room - wide(row)), look)]

    def _parts(self, index: int, line: str) -> tuple[list[Piece], list[Piece], str]:
        """Return the gutter of a line, its pieces, and the look that fills the rest of its row."""
        look = "slot-failed" if _BAD.search(line) else "slot-warn" if _WARN.search(line) else ""
        look = look or ("dim" if _LITTLE.search(line) else "")
        gutter: list[Piece] = [self._marker(line)]
        if index == self._cursor and not self.following:
            look += " line"
            gutter = [(self.glyphs.of("▌", ">"), "key line")]
        query = self._query or (self._matches.query if self._matches else None)
        spans = query.spans(line) if query and query.matches(line) else []
        pieces: list[Piece] = []
        place = 0
        for start, end in spans:
            pieces += [(line[place:start], look), (line[start:end], "match")]
            place = end
        pieces.append((line[place:], look))
        return gutter, pieces, look

    def _marker(self, line: str) -> Piece:
        """Return the symbol for what a line reports: an evaluation or a checkpoint."""
        if _CHECKPOINT.search(line):
            return self.glyphs.of("◆", "#"), "slot-finished"
        return (self.glyphs.of("●", "*"), "key") if _EVALUATION.search(line) else (" ", "")

    def _why_empty(self) -> str:
        if self.log_file is None:
            return self._empty
        if self.log_file.problem:
            return self.log_file.problem
        if self._matches:
            return f"no line matches {self._matches.query.text}" if self._matches.done else "searching"
        return "nothing printed yet"

    def _status(self) -> list[Piece]:
        log, parts = self.log_file, list[list[Piece]]()
        if self._note[0]:
            parts.append([self._note])
        if self._query and self._hits:
            parts.append(
                [(f"/{self._query.text}", "key"), (f"  {self._place()}", "key" if self._hits.numbers else "slot-warn")]
            )
        if log is None:
            return parts[0] if parts else []
        if self._search:
            parts.append([("searching", "key")])
        if self._matches:
            found = f"only {self._matches.query.text} · {count(len(self._matches.numbers))} lines"
            if self._matches.left_out:
                found += f", {count(self._matches.left_out)} older left out"
            if not self._matches.done and log.complete:
                found += f", {percent(self._matches.scanned / log.complete).strip()} searched"
            parts.append([(found.replace("·", self.glyphs.of("·", "-")), "key")])
        if log.problem and self._total:
            parts.append([(log.problem, "slot-warn")])
        if self.following and self.ended:
            parts.append([(f"{count(self._total)} lines", "dim")])
        elif self.following:
            parts.append([(self.glyphs.of("following ▼", "following v"), "slot-running")])
        else:
            new = max(0, self._total - self._seen)
            if new:
                parts.append([(f"{count(new)} new", "slot-warn")])
            where = f"{count(self._number(self._cursor) + 1)}/{count(log.count)}" if self._total else ""
            parts.append([(self.glyphs.of("‖ paused ", "= paused "), "slot-warn"), (where, "dim")])
        row: list[Piece] = []
        for part in parts:
            row += ([("  ", "")] if row else []) + part
        return row

    def _place(self) -> str:
        """Return which match is under the cursor: `3 of 6`."""
        assert self._hits is not None
        numbers, log = self._hits.numbers, self.log_file
        part = ""
        if not self._hits.done and log is not None and log.complete:
            part = f", {percent(self._hits.scanned / log.complete).strip()} searched"
        at = self._number(self._cursor) if self._total else -1
        index = bisect_left(numbers, at)
        if not self.following and index < len(numbers) and numbers[index] == at:
            return f"{count(index + 1)} of {count(len(numbers))}{part}"
        return f"{count(len(numbers))} found{part}"

    # -------------------------------------------------------------------------------------------- moving

    def _go_on_following(self) -> None:
        self.following, self._shift, self._note, self._painted = True, 0, ("", ""), None

    def _stand_still(self) -> None:
        if self.following:
            self.following, self._seen = False, self._total
        self._note = ("", "")

    def action_move(self, lines: int) -> None:
        if self.following and lines > 0:
            return
        self._stand_still()
        self._cursor += lines
        if self._cursor >= self._total:  # moving past the end resumes following
            self._go_on_following()
        self.repaint()

    def action_page(self, pages: int) -> None:
        if self.following and pages > 0:
            return
        self._stand_still()
        step = pages * max(1, self._height // 2)
        if self._cursor + step >= self._total:
            self._go_on_following()
        self._cursor += step
        self._top += step
        self.repaint()

    def action_first(self) -> None:
        self._stand_still()
        self._top = self._cursor = 0
        self.repaint()

    def action_follow(self) -> None:
        self._go_on_following()
        self.repaint()

    def action_wrap(self) -> None:
        self._wraps, self._shift = not self._wraps, 0
        self.repaint()

    def action_freeze(self) -> None:
        if self.following:
            self._stand_still()
        else:
            self._go_on_following()
        self.repaint()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self._scroll(-3)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self._scroll(3)

    def _scroll(self, lines: int) -> None:
        if self.following and lines > 0:
            return
        self._stand_still()
        self._top = max(0, self._top + lines)
        self._cursor = min(max(self._cursor, self._top), self._top + max(0, self._height - 1))
        if self._top + self._height >= self._total:
            self._go_on_following()
        self.repaint()

    def on_click(self, event: events.Click) -> None:
        if 0 < event.y <= len(self._shown):
            self._stand_still()
            self._cursor = self._shown[event.y - 1]
            self.repaint()
