"""Help whose paragraphs fill the terminal. The lines of a docstring are as long as those of the code, so on a narrow
terminal each would be followed by a remainder of a few words."""

from __future__ import annotations

import re
from typing import Any

from cyclopts.help import DefaultFormatter
from rich.text import Text

_FOLD = re.compile(r"(?<=\S)\n[ ]*(?=[^\s*])")
"""A line break within a paragraph, with the indentation of the next line."""


class FlowingHelp(DefaultFormatter):
    """The default formatter without the line breaks of the source, except between paragraphs and the entries of a list."""

    def render_description(self, console: Any, options: Any, description: Any) -> None:
        _unfold(description)
        super().render_description(console, options, description)

    def __call__(self, console: Any, options: Any, panel: Any) -> None:
        for entry in panel.entries:
            _unfold(entry.description)
        super().__call__(console, options, panel)


def _unfold(text: Any) -> None:
    inner = getattr(text, "primary_renderable", text)
    if isinstance(inner, Text):
        inner.plain = _FOLD.sub(" ", inner.plain)
