"""A run's config line by line as in its file, with the changes of its edits marked as by `diff`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher

from autoloop.configs import parse_config, rewrite, suffix_of
from autoloop.engine.base.frozen_config import frozen_text
from autoloop.model import Run, UserError
from autoloop.secrets import mask, masked_document

from autoloop_tui.console.drawing.paint import clip, plain
from autoloop_tui.console.drawing.pieces import Piece

LONGEST = 4000
"""Maximum cells kept of a line; longer values are unreadable anyway."""
MOST_LINES = 3000
"""Maximum number of config lines compared; longer comparisons take too long to be useful."""
REMOVED: Piece = (" - ", "diff-before")
"""Prefix of a line of the base that the config no longer has."""
_KEY_LINE = re.compile(r"""(\s*(?:- )*)("(?:[^"\\]|\\.)*"|'[^']*'|[\w.\-/]+)(:|\s*=)(\s.*|)""", re.DOTALL)
_BRACKETS = frozenset(("{", "}", "},", "[", "]", "],"))


def config_rows(run: Run, base: Run | None) -> list[list[Piece]]:
    """Return the lines of the config, with secrets masked; for a variant also the lines of its `base` that were removed.
    Raises UserError if the config cannot be read."""
    lines = _lines(run)
    before = lines
    if base is not None and suffix_of(base.config_path) == suffix_of(run.config_path):
        try:
            before = _lines(base)
        except UserError:
            before = lines  # the page reports elsewhere that it cannot be read
    return [_row(sign, clip(plain(line.expandtabs(4)), LONGEST)) for sign, line in _compared(before, lines)]


def _lines(run: Run) -> list[str]:
    text, suffix = frozen_text(run), suffix_of(run.config_path)
    config = parse_config(text, run.config_path)
    hidden = masked_document(config)
    return mask(rewrite(text, hidden, suffix) if hidden != config else text).rstrip("\n").split("\n")


def _compared(before: list[str], after: list[str]) -> Iterator[tuple[str, str]]:
    if before == after or max(len(before), len(after)) > MOST_LINES:
        yield from ((" ", line) for line in after)
        return
    for kind, start, end, first, last in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "equal":
            yield from ((" ", line) for line in after[first:last])
        else:
            yield from (("-", line) for line in before[start:end])
            yield from (("+", line) for line in after[first:last])


def _row(sign: str, line: str) -> list[Piece]:
    if sign == "-":
        return [REMOVED, (line, "dim")]
    if sign == "+":
        return [(" + ", "diff-after"), (line, "bold diff-after")]
    if line.lstrip().startswith("#"):
        return [("   " + line, "dim")]
    if match := _KEY_LINE.fullmatch(line):
        space, key, colon, value = match.groups()
        return [("   " + space, ""), (key, "diff-after"), (colon, "dim"), (value, "")]
    return [("   " + line, "dim" if line.strip() in _BRACKETS else "")]
