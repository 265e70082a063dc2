"""A style sheet for an app whose own CSS is known to be valid."""

from __future__ import annotations

from textual.cache import LRUCache
from textual.css.stylesheet import Stylesheet

SOURCES = 512
"""Number of CSS sources whose parsed rules are cached: more than there are widgets and screens."""


class KeptSheet(Stylesheet):
    """Caches parsed rules. Textual's style sheet parses everything again when a screen is first opened, so that an error in
    new CSS leaves the old rules active."""

    def __init__(self, *, variables: dict[str, str] | None = None) -> None:
        super().__init__(variables=variables)
        self._parse_cache = LRUCache(SOURCES)

    def reparse(self) -> None:
        self.parse()  # a change of variables has cleared the cache
