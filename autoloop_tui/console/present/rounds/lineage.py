"""The selected run in words: its state, the reason, and its lineage."""

from __future__ import annotations

from collections.abc import Sequence

from autoloop.metrics import MetricBook

from autoloop_tui.console.drawing.cutting import wrapped
from autoloop_tui.console.drawing.glyphs import Glyphs
from autoloop_tui.console.drawing.paint import cells, look, plain
from autoloop_tui.console.drawing.pieces import Piece, crop
from autoloop_tui.console.present.rounds.heads import length
from autoloop_tui.console.present.rounds.rows import RunRow, author, changes_in_short


class LineagePainter:
    def __init__(self, glyphs: Glyphs, book: MetricBook) -> None:
        self.glyphs, self.mark, self.book = glyphs, glyphs.ellipsis, book

    def detail(
        self, chain: Sequence[RunRow], width: int, height: int, *, name_loop: bool, successor: str | None = None
    ) -> list[list[Piece]]:
        """Return rows on the last run of `chain`, the `successor` into which a live rule relaunched it, and its lineage."""
        row = chain[-1]
        seen = look(row.run.state.value)
        first: list[Piece] = [
            (f" {plain(row.run.name)}", "bold"),
            (f" ({plain(row.run.id)}) ", "dim"),
            (seen.text(self.glyphs), seen.variable),
        ]
        of_loop: list[Piece] = [(f"  {row.loop.name}", "dim")] if name_loop else []
        said, diverged = row.said(self.book)
        names = "slot-failed" if diverged else seen.variable
        if not said or length(first) + cells(said) + 2 + length(of_loop) <= width:
            rows = [[*first, (f": {said}" if said else "", names), *of_loop]]
        else:
            rows = [[*first, *of_loop], *([(f"   {each}", names)] for each in wrapped(said, width - 4)[:2])]
        if successor is not None:
            rows.append([(" relaunched by a live rule as ", "dim"), (plain(successor), "bold")])
        if len(chain) > 1:
            rows += self.lineage(chain, width, max(1, height - len(rows)))
        elif len(rows) == 1:
            rows.append([(" baseline, unchanged", "dim")])
        return [crop(each, 0, width, self.mark) for each in rows[: max(1, height)]]

    def lineage(self, chain: Sequence[RunRow], width: int, height: int) -> list[list[Piece]]:
        """Return `root ← … ← this` in at most `height` rows: each run with the rule and edits that made it.

        If that is too long, edits are shortened first; then the runs after the root are omitted.
        """
        links: list[list[Piece]] = []
        for most in (4, 2, 1):
            links = [self._link(row, most, last=row is chain[-1]) for row in chain]
            if len(rows := self._wrapped(links, width)) <= height:
                return rows
        dots = self.glyphs.of("…", "...")
        for left_out in range(1, len(chain) - 1):
            shorter = [links[0], [(f"{dots} {left_out} more", "dim")], *links[1 + left_out :]]
            if len(rows := self._wrapped(shorter, width)) <= height:
                return rows
        return self._wrapped([links[0], *links[-1:]], width)[:height]

    def _link(self, row: RunRow, most: int, *, last: bool) -> list[Piece]:
        link: list[Piece] = [(plain(row.run.name), "bold" if last else "")]
        if row.run.changes or row.proposal:
            rule = f"{author(row.proposal)}: " if row.proposal else ""
            edits = changes_in_short(row.run.changes, most)
            link.append((f" ({plain(rule)}{edits.replace('→', self.glyphs.arrow)})", "dim"))
        return link

    def _wrapped(self, links: Sequence[list[Piece]], width: int) -> list[list[Piece]]:
        """Return the links in rows of `width`, joined by arrows; a link longer than a row is clipped."""
        rows: list[list[Piece]] = [[(" ", "")]]
        for place, link in enumerate(links):
            pieces = ([(self.glyphs.of(" ← ", " <- "), "key")] if place else []) + link
            if place and length(rows[-1]) + length(pieces) > width:
                rows.append([])
            rows[-1] += pieces
        return [crop(row, 0, width, self.mark) for row in rows]
