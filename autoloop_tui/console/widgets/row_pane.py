"""The base of every live pane: rows of coloured text, of which only changed rows are repainted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from autoloop_tui.console.drawing.glyphs import Glyphs, glyphs_for
from autoloop_tui.console.drawing.paint import cells, fit
from autoloop_tui.console.drawing.pieces import Piece, span

ASCII_CLASS = "-ascii"
"""The class of an app on a terminal that shows only ASCII."""
BLOCKS_CLASS = "-blocks"
"""The class of an app that draws charts and bars with blocks."""


class RowPane(Widget):
    """Shows rows of pieces. `show` takes the new rows; looks come from the theme, so rows contain no colours.

    Looks are theme variables and not component classes, because Textual would match every component class again for every
    pane on every style change, which takes half the time to the first paint.
    """

    DEFAULT_CSS = "RowPane { overflow: hidden hidden; color: $foreground; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._rows: list[list[Piece]] = []
        self.waiting = ""
        """The placeholder shown until the first rows are."""
        self._looks: dict[str, Style] = {}
        self._variables: dict[str, str] = {}
        """The theme variables that the looks were created from."""

    @property
    def glyphs(self) -> Glyphs:
        """The characters to draw with."""
        app = self.app
        return glyphs_for({}, ascii_only=app.has_class(ASCII_CLASS), blocks=app.has_class(BLOCKS_CLASS))

    def show(self, rows: Sequence[list[Piece]]) -> int:
        """Paint `rows` from the top; return how many of them have changed."""
        rows = list(rows[: self.size.height])
        rows += [[] for _ in range(self.size.height - len(rows))]
        if len(rows) != len(self._rows):
            self._rows = rows
            self.refresh()
            return len(rows)
        changed = [
            Region(*span(self._rows[y], row, self.size.width, y)) for y, row in enumerate(rows) if row != self._rows[y]
        ]
        self._rows = rows
        if changed:
            self.refresh(*changed)
        return len(changed)

    @property
    def half_page(self) -> int:
        """Number of rows that half a page moves in a pane with a heading."""
        return max(1, (self.size.height - 1) // 2)

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        segments: list[Segment] = []
        used = 0
        for text, names in self._rows[y] if y < len(self._rows) else self._waited_for(y):
            length = cells(text)
            if used + length > width:
                text, length = fit(text, width - used, mark=""), width - used
            segments.append(Segment(text, self.look(names)))
            used += length
        if used < width:
            segments.append(Segment(" " * (width - used), self.look("")))
        return Strip(segments, width)

    def _waited_for(self, y: int) -> list[Piece]:
        """Return a row shown before the first rows are."""
        return [(f" {self.waiting}", "dim")] if self.waiting and y == 0 and not self._rows else []

    def look(self, names: str) -> Style:
        """Return the style of a set of names in the current theme."""
        if names not in self._looks:
            style = self.rich_style
            for name in names.split():
                style += self._part(name)
            self._looks[names] = style
        return self._looks[names]

    def _part(self, name: str) -> Style:
        theme = self.app.theme_variables

        def colour(variable: str) -> RichColor:
            return Color.parse(theme[variable]).rich_color

        if name == "bold":
            return Style(bold=True)
        if name == "match":
            return Style(color=colour("match-foreground"), bgcolor=colour("match-background"))
        if name == "line":
            return Style(bgcolor=colour("line-background"), bold=True)
        return Style(color=colour(name))

    def notify_style_update(self) -> None:
        self._looks.clear()
        if self._variables is not self.app.theme_variables:  # another theme, or the same one with other colours
            self._variables = self.app.theme_variables
            self.refresh()
        super().notify_style_update()


class DrawnPane(RowPane):
    """Rows drawn for the pane's size, and redrawn when it changes. This also works below a dialog, where the screen is not
    notified that its panes have changed size."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._draw: Callable[[int, int], Sequence[list[Piece]]] = lambda width, height: []

    def show_drawn(self, draw: Callable[[int, int], Sequence[list[Piece]]]) -> None:
        self._draw = draw
        self.on_resize()

    def on_resize(self) -> None:
        self.show(self._draw(*self.size))


class ScrolledPane(RowPane):
    """Rows that scroll; shown again when the pane is resized."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._all: list[list[Piece]] = []
        self._top = 0

    def show_rows(self, rows: list[list[Piece]]) -> None:
        self._all = rows
        self.scroll(0)

    def scroll(self, by: int) -> None:
        self._top = max(0, min(self._top + by, len(self._all) - self.size.height))
        self.show(self._all[self._top :])

    def on_resize(self) -> None:
        self.scroll(0)
