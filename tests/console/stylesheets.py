"""Style sheets that are worked out once, and not for each of the hundreds of apps that the tests open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet


@contextmanager
def parsed_once() -> Iterator[None]:
    """Inside, every app takes the rules of a text, with the same colours, from those that the first one has parsed. An app
    changes no rule: Textual itself takes them from one reading of its files to the next."""
    kept: dict[object, list[RuleSet]] = {}
    parse = Stylesheet._parse_rules

    def look_up(sheet: Stylesheet, css: str, read_from: Any, *more: Any, **named: Any) -> list[RuleSet]:
        key = (css, read_from, more, *sorted(named.items()), *sorted(sheet._variables.items()))
        if key not in kept:
            kept[key] = parse(sheet, css, read_from, *more, **named)
        return kept[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stylesheet, "_parse_rules", look_up)
        yield
