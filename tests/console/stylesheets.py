"""Style sheets and themes parsed once for all of the hundreds of apps that the tests open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet

from autoloop_tui.console.theming import theme_files


@contextmanager
def parsed_once() -> Iterator[None]:
    """Within the block, parse each theme once, and each style sheet once per set of colours, and share them between apps.

    Apps do not change rules: Textual itself reuses them when it reads its files again. Nor do they change themes.
    """
    kept: dict[object, list[RuleSet]] = {}
    parse = Stylesheet._parse_rules

    def look_up(sheet: Stylesheet, css: str, read_from: Any, *more: Any, **named: Any) -> list[RuleSet]:
        key = (css, read_from, more, *sorted(named.items()), *sorted(sheet._variables.items()))
        if key not in kept:
            kept[key] = parse(sheet, css, read_from, *more, **named)
        return kept[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stylesheet, "_parse_rules", look_up)
        patch.setattr(theme_files, "parse_theme", cache(theme_files.parse_theme))
        yield
