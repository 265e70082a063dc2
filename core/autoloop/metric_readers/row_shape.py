"""Rows of a W&B log that hold the same metrics in the same order, each read by one regular expression.

A script logs few kinds of rows, thousands of times each, and their bytes differ only in the values and in lengths: a row
of a kind that is known is taken apart in C, not item by item.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import msgspec

VALUE = b"\x82\x01"
"""The tag of HistoryItem.value_json."""

WIDEST = 256
"""Items; compiling the expression of a wider row takes longer than it saves in most runs."""

# What json.dumps writes numbers with, NaN and Infinity included; none of it can begin an item or a HistoryStep.
_NUMBER = rb"([-+.0-9eENaInfity]++)"
_STEP = rb"(\x12.++)?"
_decode = msgspec.json.Decoder(list[float]).decode


@dataclass(frozen=True)
class RowShape:
    """Rows whose items have these `heads` (the bytes of their key fields) and lengths of one byte.

    The items' lengths are passed over, because their ends can be seen without: nothing that a value may consist of can
    stand behind it.
    """

    heads: tuple[bytes, ...]
    expression: re.Pattern[bytes]

    def read(self, data: bytes, start: int, stop: int) -> tuple[list[float], bytes] | None:
        """The values of the HistoryRecord at `start`:`stop`, one for each head, and the HistoryStep behind them (empty
        if there is none). None if it has another shape or a value that is no number.
        """
        match = self.expression.fullmatch(data, start, stop)
        if match is None:
            return None
        *texts, step = match.groups(b"")
        if step and (len(step) < 2 or step[1] != len(step) - 2):
            return None
        try:
            return _decode(b"[%b]" % b",".join(texts)), step
        except msgspec.DecodeError:  # NaN and Infinity are no JSON
            pass
        try:
            return [*map(float, texts)], step
        except ValueError:
            return None


@lru_cache(maxsize=256)
def row_shape(heads: tuple[bytes, ...]) -> RowShape | None:
    """The shape of rows with these heads, shared by all runs that a process reads; None where it would be too large."""
    if not 0 < len(heads) <= WIDEST:
        return None
    items = [b"\n.%b%b.%b" % (re.escape(head), VALUE, _NUMBER) for head in heads]
    return RowShape(heads, re.compile(b"".join(items) + _STEP, re.DOTALL))
