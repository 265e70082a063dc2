"""The style sheet of an app whose own CSS is known to be good."""

from __future__ import annotations

from textual.cache import LRUCache
from textual.css.stylesheet import Stylesheet

SOURCES = 512
"""Pieces of CSS whose rules are kept: more than there are widgets and screens."""


class KeptSheet(Stylesheet):
    """Keeps the rules of what it has read. Textual's reads all of it again whenever a screen is opened for the first time,
    so that an error in the new CSS leaves the old in force."""

    def __init__(self, *, variables: dict[str, str] | None = None) -> None:
        super().__init__(variables=variables)
        self._parse_cache = LRUCache(SOURCES)

    def reparse(self) -> None:
        self.parse()  # other variables have emptied what is kept
