"""The slots: a card each where there is room, else a line each. Rows are built from facts; nothing is decided here."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import ClassVar

from autoloop.text.values import duration
from textual import events
from textual.binding import BindingType
from textual.message import Message

from autoloop_tui.console.drawing.glyphs import Glyphs
from autoloop_tui.console.drawing.paint import (
    bar,
    cells,
    clip,
    fit,
    look,
    number,
    percent,
    plain,
    short_count,
    size,
    sparkline,
)
from autoloop_tui.console.drawing.pieces import Piece, crop, padded
from autoloop_tui.console.present.rounds.rows import middle
from autoloop_tui.console.present.slots.facts import SlotFacts
from autoloop_tui.console.widgets.row_pane import RowPane

_ASCII_TEXT = str.maketrans({"…": "~", "±": "=", "–": "-", "°": " "})
"""Of the same width, where only ASCII can be shown."""

CARD_ROWS = 5
CARD_WIDTH = 46
"""The least width at which a card's five rows say what they should."""

STATE, BAR, VALUE, CHANGE = 10, 8, 9, 14
"""Cells of a line: of the state in full, the progress bar, the key metric, and its change with the step."""
FIXED = 2 + 7 + STATE + 1 + 1 + 5 + 7 + VALUE
"""Cells of a line without its bar, name and change."""
BAR_FROM = 72
"""The least width at which a line has room for a progress bar."""
SHORTEST = 12
"""Cells that a run's name keeps."""


class SlotCards(RowPane, can_focus=True):
    """All slots; the one under the cursor is marked."""

    BINDINGS: ClassVar[list[BindingType]] = []

    class Chosen(Message):
        """A slot was clicked."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.facts: list[SlotFacts] = []
        self.cursor = 0
        self._drawn: dict[int, tuple[tuple[SlotFacts, bool, int], list[list[Piece]]]] = {}
        """The card of each place as it was drawn last, and from what."""

    def columns(self, width: int) -> int:
        """How many cards side by side; 0: a line each."""
        if width < 100 or len(self.facts) == 0:
            return 0
        return max(1, min(len(self.facts), width // CARD_WIDTH))

    def show(self, rows: Sequence[list[Piece]]) -> int:
        if self.glyphs.ascii_only:
            rows = [[(text.translate(_ASCII_TEXT), names) for text, names in row] for row in rows]
        return super().show(rows)

    def rows_wanted(self, width: int, most: int) -> int:
        """Rows that all slots take, at most `most`."""
        columns = self.columns(width)
        if columns:
            wanted = -(-len(self.facts) // columns) * CARD_ROWS
            if wanted <= most:
                return wanted
        return min(most, len(self.facts) + 2)

    def set_facts(self, facts: list[SlotFacts], cursor: int) -> None:
        self.facts, self.cursor = facts, cursor
        self.repaint()

    def on_resize(self) -> None:
        self.repaint()

    def on_click(self, event: events.Click) -> None:
        columns = self._card_columns()
        if columns:
            card = self.size.width // columns
            index = event.y // CARD_ROWS * columns + min(columns - 1, event.x // card)
        else:
            index = self._first() + event.y - 1 if event.y <= self._room() else -1
        if 0 <= index < len(self.facts):
            self.post_message(self.Chosen(index))

    def repaint(self) -> None:
        width, height = self.size
        if width <= 0 or height <= 0:
            return
        columns = self._card_columns()
        self.show(self._cards(width, columns) if columns else self._lines(width))

    def _card_columns(self) -> int:
        columns = self.columns(self.size.width)
        return columns if columns and -(-len(self.facts) // columns) * CARD_ROWS <= self.size.height else 0

    # ---------------------------------------------------------------------------------------------------------- cards

    def _cards(self, width: int, columns: int) -> list[list[Piece]]:
        rows: list[list[Piece]] = []
        card = width // columns
        for first in range(0, len(self.facts), columns):
            group = [
                self._known_card(index, facts, index == self.cursor, card - 2)
                for index, facts in enumerate(self.facts[first : first + columns], first)
            ]
            rows += [[piece for lines in group for piece in lines[y]] for y in range(CARD_ROWS)]
        return rows

    def _known_card(self, index: int, facts: SlotFacts, chosen: bool, width: int) -> list[list[Piece]]:
        """Moving the cursor draws two cards, not all of them."""
        known = self._drawn.get(index)
        if known is None or known[0][0] is not facts or known[0][1:] != (chosen, width):
            lines = [[*padded(line, width), ("  ", "")] for line in self._card(facts, chosen, width)]
            known = self._drawn[index] = ((facts, chosen, width), lines)
        return known[1]

    def _card(self, facts: SlotFacts, chosen: bool, width: int) -> list[list[Piece]]:
        seen, glyphs = look(facts.state), self.glyphs
        told = facts.holds or (facts.broken and not facts.waits)
        edge = (glyphs.of("▌", "|"), "key" if chosen else seen.variable if told else "rule")
        name = plain(facts.run.name) if facts.run and told else ""
        head: list[Piece] = [
            (f" {facts.slot.label} ", "bold key" if chosen else "bold"),
            (f" {seen.text(glyphs)} ", f"bold {seen.variable}"),
            (f" {name}", "bold" if chosen else ""),
        ]
        inner = width - 3
        body = self._busy(facts, inner) if facts.holds else self._idle(facts, inner)
        lines = [head, *([(" ", ""), *line] for line in body)]
        lines += [[] for _ in range(CARD_ROWS - len(lines))]
        return [[edge, *crop(line, 0, width - 1, glyphs.ellipsis)] for line in lines[:CARD_ROWS]]

    def _busy(self, facts: SlotFacts, width: int) -> list[list[Piece]]:
        run = facts.run
        assert run is not None
        total = run.total_steps
        right = f" {percent(facts.step / total if total else None)} {facts.step}/{total}"
        eta = "  starting" if facts.step == 0 else f"  eta {duration(facts.eta)}"
        room = width - cells(right) - cells(eta)
        done, todo = bar(facts.step / total if total else 0, room, glyphs=self.glyphs)
        progress: list[Piece] = [(done, "slot-running"), (todo, "rule"), (right, ""), (eta, "dim")]
        asks = f"live rule {facts.asks} asks: {facts.would} this run?"
        last: Piece = (clip(asks, width), look("pending").variable) if facts.asks else (clip(facts.last_line, width), "dim")
        return [progress, self._metric(facts, width), self._load(facts), [last]]

    def _metric(self, facts: SlotFacts, width: int) -> list[Piece]:
        if facts.series is None or not len(facts.series):
            return [(f"{facts.metric} " if facts.metric else "", ""), ("no points yet", "dim")]
        pieces: list[Piece] = [(f"{facts.metric} ", "dim"), (number(facts.last), "bold")]
        if facts.change is not None:
            pieces += facts.change.pieces(glyphs=self.glyphs)
        room = width - sum(cells(text) for text, _ in pieces) - 2
        if room >= 6 and len(facts.series) > 1:
            spark = sparkline(facts.series.values[-4 * room :], min(room, 40), glyphs=self.glyphs)
            pieces += [("  ", ""), (spark, "chart-1")]
        return pieces

    def _load(self, facts: SlotFacts) -> list[Piece]:
        if facts.slot.gpus:
            gpu = facts.gpu
            if gpu is None:
                return [(plain(facts.gpu_error or "no NVML reading yet"), "dim")]
            parts = [
                f"{gpu.utilisation:3d}%" if gpu.utilisation is not None else "  –%",
                f"{size(gpu.memory_used)}/{size(gpu.memory_total)}",
                *([f"{gpu.power:.0f}W"] if gpu.power is not None else []),
                *([f"{gpu.temperature}°C"] if gpu.temperature is not None else []),
            ]
            if not facts.foreign:
                return [("gpu ", "dim"), (" ".join(parts), "")]
            seen = look("warning")
            who = f"{seen.mark(self.glyphs)} also {plain(', '.join(facts.foreign))}"
            return [("gpu ", "dim"), (" ".join(parts[:2]), ""), (f" {who}", seen.variable)]
        if facts.load is None:
            return [("load …", "dim")]
        return [("cpu ", "dim"), (f"{facts.load.cpu:.0f}%", ""), ("  mem ", "dim"), (size(facts.load.memory), "")]

    def _idle(self, facts: SlotFacts, width: int) -> list[list[Piece]]:
        run, warned = facts.run, look("warning").variable
        if facts.waits:  # who it is matters more than what ran here last
            words = f"waits: {plain(facts.waits)}"
            return [self._load(facts), *([(part, warned)] for part in wrap(words, width, break_on_hyphens=False)[:3])]
        if run is None:
            return [[("nothing has run here yet", "dim")], [], self._load(facts) if facts.slot.gpus else []]
        seen = look(run.state.value)
        load = [self._load(facts)] if facts.slot.gpus else []
        if not facts.broken:
            last: list[Piece] = [
                ("last ", "dim"),
                (plain(run.name), ""),
                (f"  {seen.text(self.glyphs)}", seen.variable),
            ]
            return [last, self._metric(facts, width), *load]
        # Of a run that did not succeed, why and what to do come before what it reached.
        room = CARD_ROWS - 1 - len(load)
        reason = _rows(facts.reason, width, room - 1 if facts.advice else room, self.glyphs)
        advice = _rows(facts.advice, width, room - len(reason), self.glyphs)
        said = [*((line, seen.variable) for line in reason), *((line, "") for line in advice)]
        reached = [self._metric(facts, width)] if len(said) < room else []
        return [*([piece] for piece in said), *reached, *load]

    # ---------------------------------------------------------------------------------------------------------- lines

    def _room(self) -> int:
        """Slots that have a line: above them stand the titles, below them what the machine does under the cursor."""
        return max(1, self.size.height - (2 if self.size.height >= 4 else 1))

    def _first(self) -> int:
        """The first slot shown where not all fit."""
        return max(0, min(self.cursor - self._room() + 1, len(self.facts) - self._room()))

    def _lines(self, width: int) -> list[list[Piece]]:
        metric = next((facts.metric for facts in self.facts if facts.metric), "")
        bars = BAR if width >= BAR_FROM else 0
        room = width - FIXED - bars
        changes = CHANGE if any(facts.change for facts in self.facts) and room - CHANGE >= SHORTEST else 0
        name_width = max(SHORTEST, min(28, room - changes))
        head = f"  {'slot':<6} {'state':<{STATE}} {fit('run', name_width)} {'progress' if bars else 'done':<{bars + 4}} "
        head += f"{'eta':>6} {fit(metric, VALUE, '>')}"
        if changes:
            head += " change @ step"
        rows: list[list[Piece]] = [[(clip(head, width), "dim")]]
        first, mark = self._first(), self.glyphs.ellipsis
        for index, facts in enumerate(self.facts[first : first + self._room()], first):
            line = self._line(facts, index == self.cursor, name_width, bars, changes, width)
            if index == self.cursor:
                line.append((" " * max(0, width - sum(cells(text) for text, _ in line)), "line"))
            rows.append(line)
        if self.cursor < len(self.facts):
            rows.append(crop(self._below(self.facts[self.cursor]), 0, width, mark))
        return rows

    def _below(self, facts: SlotFacts) -> list[Piece]:
        """What a card says and a line has no room for, of the slot under the cursor."""
        pieces: list[Piece] = [("  ", ""), *(self._load(facts) if facts.slot.gpus or facts.holds else [])]
        if facts.waits:
            return [("  ", ""), (f"waits: {plain(facts.waits)}", look("warning").variable)]
        if facts.asks and facts.holds:
            pieces += [("  ", ""), (f"live rule {plain(facts.asks)} asks", look("pending").variable)]
        elif facts.holds and facts.change is not None:
            pieces += [(f"  {facts.metric}", "dim"), *facts.change.pieces(glyphs=self.glyphs)]
        if facts.broken and facts.reason:
            advice = f": {plain(facts.advice)}" if facts.advice else ""
            return [("  ", ""), (facts.reason, look(facts.state).variable), (advice, "")]
        return pieces

    def _line(self, facts: SlotFacts, chosen: bool, name_width: int, bars: int, changes: int, width: int) -> list[Piece]:
        seen = look(facts.state)
        run, glyphs = facts.run, self.glyphs
        line = " line" if chosen else ""
        pieces: list[Piece] = [
            (glyphs.of("▌ ", "> ") if chosen else "  ", "bold key" + line),
            (fit(facts.slot.label, 6) + " ", "bold" + line),
            (fit(seen.text(glyphs), STATE) + " ", seen.variable + line),
        ]
        if run is None:
            return [*pieces, ("nothing has run here yet", "dim" + line)]
        told = facts.holds or (facts.broken and not facts.waits)
        mark = glyphs.ellipsis
        name = middle(run.name, name_width - (0 if told else 6), mark)
        name = fit(name if told else f"last: {name}", name_width, mark=mark)
        pieces.append((name + " ", ("" if told else "dim") + line))
        fraction = facts.step / run.total_steps if run.total_steps else None
        done, todo = bar(fraction or 0, max(0, bars - 1), glyphs=glyphs)
        # Few colours in what changes at every look: each costs a slow link some twenty bytes.
        pieces.append((done + todo + " " * bool(bars), (seen.variable if told else "dim") + line))
        pieces.append((f"{percent(fraction)} ", line.strip()))
        room = width - sum(cells(text) for text, _ in pieces)
        if told and facts.broken:
            return [*pieces, (fit(facts.reason, room, mark=mark), seen.variable + line)]
        after = duration(facts.eta) if facts.holds else look(run.state.value).short
        pieces += [(f"{fit(after, 6, '>')} ", line.strip()), (fit(number(facts.last, VALUE), VALUE, ">"), "bold" + line)]
        if changes and facts.change is not None and facts.change.delta.fair:
            text, names = facts.change.delta.piece(8, glyphs=glyphs)
            pieces += [(f" {text}", names + line), (f" @{short_count(facts.change.step)}", "dim" + line)]
        return pieces


def _rows(text: str, width: int, most: int, glyphs: Glyphs) -> list[str]:
    """`text` in at most `most` rows; what does not fit is marked."""
    mark = glyphs.of(" …", " ~")
    return wrap(plain(text), width, max_lines=most, placeholder=mark, break_on_hyphens=False) if most > 0 else []
