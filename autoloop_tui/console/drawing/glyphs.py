"""The signs that the console draws with, and what stands for each of them on a terminal that shows only ASCII."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Glyphs:
    """One set of signs. Every place that draws takes it from its pane or gets it as an argument."""

    ascii_only: bool
    ellipsis: str
    """At the end of a text that was cut; one cell."""
    dot: str
    """Between two facts in one line, with its spaces."""
    arrow: str
    """From a value to the next."""
    rule: str
    """One cell of a horizontal line."""
    nothing: str
    """A value that is not there; one cell."""
    about: str
    """Equal within the noise; one cell."""
    up: str
    down: str

    def towards(self, good: Literal["low", "high"] | None) -> str:
        """The arrow of the direction in which a metric is better; nothing if that is not known."""
        return {"high": self.up, "low": self.down, None: ""}[good]

    def of(self, glyph: str, ascii: str) -> str:
        """`glyph`, or `ascii` in its place: for a sign that is drawn in one place only."""
        return ascii if self.ascii_only else glyph


UNICODE = Glyphs(False, ellipsis="…", dot=" · ", arrow="→", rule="─", nothing="–", about="≈", up="↑", down="↓")
ASCII = Glyphs(True, ellipsis="~", dot=" - ", arrow="->", rule="-", nothing="-", about="~", up="^", down="v")
