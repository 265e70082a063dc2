"""Search spaces and the origins of proposals, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from autoloop.model import Axis, Proposal, Search
from autoloop.text.plural import plural
from autoloop.text.values import value_text


def search_words(search: Search) -> str:
    """`TPE over optimizer.lr 0.0001 … 0.01 (log), model.layers 2 … 6`."""
    return f"{search.sampler.value.upper()} over {space_words(search.axes)}"


def space_words(axes: Iterable[Axis]) -> str:
    """`optimizer.lr 0.0001 … 0.01 (log), model.layers 2 … 6`."""
    return ", ".join(f"{axis.path} {values_words(axis)}" for axis in axes)


def values_words(axis: Axis) -> str:
    """`0.0001 … 0.01 (log)`, `2 … 6 (step 2)`; for listed values, `16, 32, 64`."""
    if axis.values:
        return ", ".join(map(value_text, axis.values))
    how = ["log"] * axis.log + ([f"step {value_text(axis.step)}"] if axis.step not in (None, 1) else [])
    return f"{value_text(axis.low)} … {value_text(axis.high)}" + (f" ({', '.join(how)})" if how else "")


def origins_words(proposals: Iterable[Proposal]) -> str:
    """`1 proposal by rules, 2 by optuna (TPE)`, in order of creation; or `no proposals`."""
    counts = Counter("rules" if each.author.by_rules else str(each.author) for each in proposals)
    parts = [
        f"{count} by {who}" if at else f"{plural(count, 'proposal')} by {who}"
        for at, (who, count) in enumerate(counts.items())
    ]
    return ", ".join(parts) or "no proposals"
