"""Help generated from the registry of actions: current key bindings, commands, symbols, and how a loop works."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import ClassVar

from textual.binding import BindingType
from textual.widget import Widget

from autoloop_tui.console.actions import SCOPES, of_scope, shown_key
from autoloop_tui.console.drawing.glyphs import Glyphs
from autoloop_tui.console.drawing.paint import LOOKS, cells, clip, fit, plain
from autoloop_tui.console.drawing.pieces import Piece
from autoloop_tui.console.loop_view import View
from autoloop_tui.console.pane_bindings import PANE_KEYS, all_keys
from autoloop_tui.console.screens.base import LoopScreen
from autoloop_tui.console.widgets.document import Document

Block = list[list[Piece]]
"""Rows that stay together in one column."""

COLUMN = 58
"""Minimum width of a column in cells; there are as many as fit, at most three."""

KEYS = 12
"""Cells for the keys of an action."""

LOOP = (
    "A round runs its configs in parallel, one per slot, and records every metric.",
    "When its runs have ended, rules judge each one and propose edits to its config.",
    "You approve, edit or reject the proposals; nothing unapproved runs unless you request it.",
    "S starts the next round with the approved proposals; each variant records its base run.",
    "A live rule judges a run during training: it stops it, relaunches it with edits, or asks you first.",
    "The loop ends after the last round, at a limit of hours or runs, when a run meets --until, or when you stop it. "
    "Quitting the console does not stop it.",
)
COLOURS = (
    ("slot-running", "running"),
    ("slot-finished", "done, approved, better over seeds"),
    ("slot-warn", "blocked, paused, worse over seeds"),
    ("slot-failed", "failed, rejected"),
    ("slot-queued", "waits"),
    ("diff-before", "old value"),
    ("diff-after", "new value"),
    ("chart-base", "the base run, dashed in charts"),
    ("key", "a key, or the cursor"),
    ("dim", "secondary"),
)
TMUX = (
    ("set -sg escape-time 10", "Esc responds immediately instead of after half a second. q also goes back."),
    ("set -g set-clipboard on", "y in a log copies to your clipboard, also over SSH."),
    ("set -g default-terminal tmux-256color", "256 colours; COLORTERM=truecolor for all of them."),
)


class HelpScreen(LoopScreen):
    """Lists all keys, those of the previous screen first."""

    SCOPE = "help"
    TITLE = "help"
    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(self, scope: str = "app") -> None:
        super().__init__()
        self.came_from = scope
        self._made_for: tuple[int, int] | None = None

    def body(self) -> list[Widget]:
        return [Document("help", id="help-text")]

    def on_mount(self) -> None:
        self.query_one(Document).styles.height = "1fr"
        self.query_one(Document).focus()
        self.equivalent("app.help")

    def show_view(self, view: View) -> None:
        self._make()

    def _make(self) -> None:
        pane = self.query_one(Document)
        width = pane.size.width
        if not width or self._made_for == pane.size:
            return
        self._made_for = pane.size
        count = max(1, min(3, width // COLUMN))
        wide = width // count - 2
        blocks = self.blocks(wide)
        pane.set_rows(side_by_side(blocks, count, wide), f"help · {SCOPES.get(self.came_from, 'Everywhere')} first")

    def blocks(self, width: int) -> list[Block]:
        """Return the blocks of the help text, each at most `width` cells wide."""
        glyphs, remapped = self.console.glyphs, self.console.preferences.keys
        order = sorted(SCOPES, key=lambda scope: scope != self.came_from)
        found: list[Block] = []
        for scope in [*order, *(pane for pane in PANE_KEYS if pane not in SCOPES)]:
            rows: Block = []
            for action in of_scope(scope):
                keys = all_keys(action.id, action.keys, remapped, glyphs=glyphs)
                rows += entry(keys, action.description, action.command, width)
            for key in PANE_KEYS.get(scope, ()):
                keys = all_keys(key.id, key.keys, remapped, glyphs=glyphs)
                rows += entry(keys, key.description, "", width)
            if rows:
                found.append([[(SCOPES.get(scope, "A text (config, launch, help)"), "bold key")], *rows])
        own = [entry(shown_key(each.key), plain(each.label), "", width) for each in self.console.preferences.commands]
        if own:
            found.append([[("Yours, in console.toml", "bold key")], *(row for rows in own for row in rows)])
        found.insert(1, [[("How a loop works", "bold key")], *(row for line in LOOP for row in paragraph(line, width))])
        found.append([[("Symbols", "bold key")], *signs(glyphs)])
        found.append([[("Colours", "bold key")], *(([(fit(name, 14), name), (text, "")]) for name, text in COLOURS)])
        tmux: Block = [[("In tmux, in ~/.tmux.conf", "bold key")]]
        for line, why in TMUX:
            tmux += [[(line, "")], *paragraph(why, width, first="  ", look="dim")]
        return [*found, tmux]


def entry(keys: str, description: str, command: str, width: int) -> Block:
    """Return the rows of an action: keys, description, and the equivalent command beside or below it."""
    lines = textwrap.wrap(description, max(10, width - KEYS))
    rows: Block = [[(fit("" if at else keys, KEYS), "bold"), (line, "")] for at, line in enumerate(lines)]
    if command:
        told = f"$ {command}"
        left = width - KEYS - cells(lines[-1])
        if left >= cells(told) + 2:
            rows[-1].append((f"{told:>{left}}", "dim"))
        else:
            rows.append([(" " * KEYS, ""), (clip(told, width - KEYS), "dim")])
    return rows


def paragraph(text: str, width: int, *, first: str = "· ", look: str = "") -> Block:
    lines = textwrap.wrap(text, max(10, width - 2))
    return [[(first if at == 0 else "  ", "dim"), (line, look)] for at, line in enumerate(lines)]


def signs(glyphs: Glyphs) -> Block:
    """Return the symbol and word of every state, two per row."""
    looks = list(LOOKS.values())
    half = (len(looks) + 1) // 2
    rows: Block = []
    for left, right in zip(looks[:half], [*looks[half:], None], strict=False):
        row: list[Piece] = [(fit(left.text(glyphs), 16), left.variable)]
        if right:
            row.append((right.text(glyphs), right.variable))
        rows.append(row)
    return rows


def side_by_side(blocks: Sequence[Block], count: int, width: int) -> list[list[Piece]]:
    """Lay out the blocks in reading order in `count` columns of `width` cells, as evenly as possible."""
    columns: list[Block] = [[]]
    total = sum(len(block) + 1 for block in blocks)
    for block in blocks:
        full = sum(map(len, columns)) + len(block) / 2 > total * len(columns) / count
        if columns[-1] and full and len(columns) < count:
            columns.append([])
        columns[-1] += [*block, []]
    rows: list[list[Piece]] = []
    for y in range(max(map(len, columns))):
        row: list[Piece] = []
        for column in columns:
            pieces = column[y] if y < len(column) else []
            used = sum(cells(text) for text, _ in pieces)
            row += [(" ", ""), *pieces, (" " * max(0, width - used + 1), "")]
        rows.append(row)
    return rows
