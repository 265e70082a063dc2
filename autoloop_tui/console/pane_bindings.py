"""The keys of panes shared between screens, taken from their bindings, for help, hints and remapping."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from textual.binding import Binding

from autoloop_tui.console.actions import shown_key
from autoloop_tui.console.drawing.glyphs import UNICODE, Glyphs
from autoloop_tui.console.widgets.chart_grid import ChartGrid
from autoloop_tui.console.widgets.document import Document
from autoloop_tui.console.widgets.log_tail import LogTail
from autoloop_tui.console.widgets.log_view import LogView


class PaneKey(NamedTuple):
    """`id` is `<scope>.<name>`; `keys` are Textual key names separated by commas."""

    id: str
    keys: str
    description: str


def _of(*panes: type) -> tuple[PaneKey, ...]:
    found = [binding for pane in panes for binding in pane.__dict__["BINDINGS"]]
    return tuple(PaneKey(b.id, b.key, b.description) for b in found if isinstance(b, Binding) and b.id)


PANE_KEYS = {"grid": _of(ChartGrid), "log": _of(LogView, LogTail), "text": _of(Document)}
"""By scope."""

IDS = frozenset(key.id for keys in PANE_KEYS.values() for key in keys)


_ARROWS = {"up": "↑", "down": "↓", "left": "←", "right": "→"}


def all_keys(action_id: str, keys: str, remapped: Mapping[str, str], *, glyphs: Glyphs = UNICODE) -> str:
    """Return all keys of an action as displayed: `j ↓`."""
    each = [key.strip() for key in remapped.get(action_id, keys).split(",")]
    if glyphs.ascii_only:
        return " ".join(key if key == "enter" else shown_key(key) for key in each)
    return " ".join(_with_arrow(key) for key in each)


def _with_arrow(key: str) -> str:
    before, plus, last = key.rpartition("+")
    return before + plus + _ARROWS[last] if last in _ARROWS else shown_key(key)


def hint(ids: str, word: str, defaults: Mapping[str, str], remapped: Mapping[str, str]) -> str:
    """Return a hint such as `h l metric`: the first key of each of `ids` (separated by spaces), then `word`."""
    return " ".join([*(shown_key(remapped.get(each, defaults[each])) for each in ids.split()), word])
