"""The table of slots: one line per slot at every size; it pages if there are too many."""

from __future__ import annotations

from collections.abc import Callable

from autoloop_tui.console.drawing.pieces import Piece
from autoloop_tui.console.present.slots import rows
from autoloop_tui.console.present.slots.facts import SlotFacts
from autoloop_tui.console.widgets.table import Table


class SlotTable(Table, can_focus=True):
    """All slots in order; row keys are slot positions. Only changes are painted."""

    HEADING = False

    def __init__(self, keys_of: Callable[[str], str], *, id: str | None = None) -> None:
        """`keys_of` returns the key of an action as displayed."""
        super().__init__(id=id)
        self._keys_of = keys_of
        self.facts: list[SlotFacts] = []
        self._layout: rows.Layout | None = None
        self._made: dict[str, tuple[object, list[Piece]]] = {}
        """The last version of each row, by key, with the inputs it was made from."""

    def set_facts(self, facts: list[SlotFacts]) -> None:
        self.facts = facts
        self.set_rows([str(place) for place in range(len(facts))], self._row_of)

    @property
    def place(self) -> int:
        """The position of the selected slot."""
        return int(self.cursor or 0)

    @property
    def window(self) -> tuple[int, int]:
        """The first and last visible slot, counted from 1."""
        shown = self.in_window
        return (int(shown[0]) + 1, int(shown[-1]) + 1) if shown else (1, 0)

    def said_whole(self, width: int) -> list[Piece]:
        """Return the full message of the selected slot if its row has no room for it."""
        if self._layout is None or self.place >= len(self.facts):
            return []
        facts, glyphs = self.facts[self.place], self.glyphs
        if not rows.cut(facts, self._layout, key=self._keys_of, glyphs=glyphs):
            return []
        return [("  ", ""), *rows.sentence(rows.said_of(facts, self._keys_of, glyphs), width - 3, glyphs)]

    def repaint(self) -> None:
        self._layout = rows.layout(self.facts, self.row_width) if self.facts else None
        self.head = rows.head(self._layout, self.glyphs) if self._layout else []
        super().repaint()

    def _row_of(self, key: str, width: int) -> list[Piece]:
        assert self._layout is not None
        facts, glyphs = self.facts[int(key)], self.glyphs
        made_from = (facts, facts.series and len(facts.series), self._layout, glyphs)  # a series grows in place
        kept = self._made.get(key)
        if kept is None or kept[0] != made_from:
            kept = self._made[key] = (made_from, rows.row(facts, self._layout, key=self._keys_of, glyphs=glyphs))
        return kept[1]
