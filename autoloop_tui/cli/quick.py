"""Common, unambiguous command lines, handled without the parser, which takes longer to load than these commands need to
run.

Scripts, agents and people use these most. Anything not in the table, or spelled differently, is left to the parser: help,
unknown flags, values that look like flags. `tests/cli/test_quick.py` compares the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

from autoloop_tui.cli import catalogue


class Shape(NamedTuple):
    switches: Mapping[str, str] = {}
    """Flags without a value, and the arguments they set."""
    values: Mapping[str, str] = {}
    """Flags that take a string, and the arguments they set."""
    words: bool = False
    """Whether words without a flag form the first argument, a list."""


JSON, LOOP, ALL = {"--json": "json"}, {"--loop": "loop"}, {"--all": "all_"}

SHAPES = {
    "status": Shape(JSON | ALL, LOOP),
    "runs": Shape(JSON, LOOP),
    "proposals": Shape(JSON, LOOP),
    "mcp": Shape(),
    "approve": Shape(ALL, LOOP | {"--note": "note"}, words=True),
}


def call(line: Sequence[str]) -> Callable[[], int] | None:
    """Return the command bound to its arguments; None if the parser is needed."""
    if not line or (shape := SHAPES.get(line[0])) is None:
        return None
    given: dict[str, Any] = {}
    words: list[str] = []
    rest = iter(line[1:])
    for word in rest:
        if word in shape.switches:
            given[shape.switches[word]] = True
        elif word in shape.values:
            value = next(rest, "")
            if not value or value.startswith("-"):
                return None
            given[shape.values[word]] = value
        elif not word or word.startswith("-") or not shape.words:
            return None
        else:
            words.append(word)
    module, _, function = catalogue.function(line[0]).partition(":")
    return partial(getattr(import_module(module), function), *([words] if words else []), **given)
