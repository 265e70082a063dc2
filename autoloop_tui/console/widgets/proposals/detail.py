"""The details of a proposal: rows that scroll below a heading."""

from __future__ import annotations

from autoloop_tui.console.drawing.pieces import Piece, heading, part_of
from autoloop_tui.console.present.proposals.detail import Facts, Rows, build
from autoloop_tui.console.present.proposals.outcome import state_piece
from autoloop_tui.console.widgets.row_pane import RowPane


class ProposalDetail(RowPane):
    """Shows the facts passed to `show_facts`; keeps its position while the same proposal is shown."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._facts: Facts | None = None
        self._built: tuple[object, ...] = ()
        """The inputs that the content was built for; empty after new facts."""
        self._content: Rows = []
        self._first = 0

    def show_facts(self, facts: Facts | None) -> int:
        """Show a proposal; return the number of changed rows."""
        known = self._facts.proposal.id if self._facts else None
        if facts is None or facts.proposal.id != known:
            self._first = 0
        self._facts, self._built = facts, ()
        return self.repaint()

    def scroll(self, step: int) -> None:
        self._first += step
        self.repaint()

    def on_resize(self) -> None:
        self.repaint()

    def repaint(self) -> int:
        width, height = self.size.width, self.size.height
        if width <= 0 or height <= 0:
            return 0
        if self._facts is None:
            return self.show([heading("no proposal", [], width, focused=False, glyphs=self.glyphs)])
        if (width, self.glyphs) != self._built:
            self._content = build(self._facts, width - 1, glyphs=self.glyphs)
            self._built = (width, self.glyphs)
        room = height - 1
        self._first = max(0, min(self._first, len(self._content) - room))
        below = len(self._content) - room - self._first
        proposal = self._facts.proposal
        result = self._facts.results.of(proposal) if self._facts.results else None
        state, names = state_piece(proposal, result, max(12, width // 3), glyphs=self.glyphs)
        status: list[Piece] = [(state, f"bold {names}")]
        if self._first or below > 0:
            last = self._first + min(room, len(self._content))
            status.append((f"  {part_of(self._first + 1, last, len(self._content), self.glyphs)}", "dim"))
        title = f"proposal {proposal.id}" + (f", revision {proposal.revision}" if proposal.revision > 1 else "")
        rows = [heading(title, status, width, focused=False, glyphs=self.glyphs)]
        rows += [[(" ", ""), *row] for row in self._content[self._first : self._first + room]]
        return self.show(rows)
