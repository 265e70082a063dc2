"""Rates over few runs as text, with their intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autoloop.backtest import Rate


def rate_text(rate: Rate) -> str:
    """Return text such as `1 of 5 (95 %: 4–62 %)`."""
    return f"{rate.hits} of {rate.n} (95 %: {interval_text(rate)})"


def interval_text(rate: Rate) -> str:
    low, high = rate.wilson()
    return f"{low * 100:.0f}–{high * 100:.0f} %"
