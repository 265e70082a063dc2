"""How the key bindings of panes are parsed."""

from __future__ import annotations

from autoloop_tui.console.drawing.glyphs import ASCII
from autoloop_tui.console.pane_bindings import all_keys


def test_all_keys_of_an_action_are_read_as_on_a_keyboard() -> None:
    assert all_keys("x", "j,down", {}) == "j ↓"
    assert all_keys("x", "J,shift+down", {}) == "J shift+↓"
    assert all_keys("x", "ctrl+d,pagedown", {"x": "ctrl+e"}) == "^e"
    assert all_keys("x", "enter,up", {}, glyphs=ASCII) == "enter up"
