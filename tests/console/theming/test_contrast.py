"""Whether themes are readable in 24-bit, 256 and 16 colours, and how that is measured."""

from __future__ import annotations

import pytest

from autoloop_tui.console.theming import contrast
from autoloop_tui.console.theming.colours import PALETTE, Depth, depth_of, hexadecimal, nearest_16, nearest_256
from autoloop_tui.console.theming.theme_files import ThemeFile, load_themes, parse_theme
from autoloop_tui.console.theming.vision import KINDS, distance

SHIPPED = load_themes(None, {"HOME": "/nonexistent"}).themes
GOOD = 'name = "mine"\nprimary = "#102030"\nforeground = "#ffffff"\nbackground = "#000000"\n'


@pytest.mark.parametrize("theme", SHIPPED.values(), ids=SHIPPED.keys())
def test_every_shipped_theme_can_be_read_and_keeps_its_states_apart_in_every_depth(theme: ThemeFile) -> None:
    assert [str(fault) for fault in contrast.faults(theme)] == []


@pytest.mark.parametrize("theme", SHIPPED.values(), ids=SHIPPED.keys())
def test_every_shipped_theme_has_grey_grounds_in_256_colours(theme: ThemeFile) -> None:
    if theme.ansi:
        pytest.skip("it uses the terminal's own colours")
    greys = {hexadecimal(PALETTE[number]) for number in [*range(232, 256), 16, 231]}
    look = theme.at[Depth.PALETTE]
    assert {look.colours[name] for name in ("background", "surface", "panel")} <= greys
    assert look.variables["line-background"] in greys


def test_one_shipped_theme_promises_to_be_fit_for_any_colour_vision() -> None:
    assert [theme.name for theme in SHIPPED.values() if theme.colour_blind] == ["okabe-ito"]


def test_a_faint_theme_is_found_out_in_each_depth() -> None:
    theme = parse_theme(GOOD.replace('"#ffffff"', '"#555555"') + '[variables]\nslot-failed = "#300000"\n', "x")
    said = [str(fault) for fault in contrast.faults(theme)]
    assert "foreground on background: 2.8, needs 4.5 (24 bit)" in said
    assert any(line.startswith("foreground on background") and "256 colours" in line for line in said)
    assert any(line.startswith("slot-failed on background") for line in said)
    few = parse_theme(GOOD + '[sixteen]\nforeground = "ansi_red"\n', "x")
    assert "foreground on background: 2.7, needs 4.5 (16 colours)" in [str(fault) for fault in contrast.faults(few)]


def test_states_that_look_alike_are_found_out_and_a_promise_is_held() -> None:
    alike = "[variables]\nslot-running = 75\nslot-stopped = 141\n"
    assert contrast.faults(parse_theme(GOOD + alike, "x")) == []
    promised = contrast.faults(parse_theme(GOOD + "colour_blind = true\n" + alike, "x"))
    assert any(str(fault).startswith("slot-running looks to deuteranopia like slot-stopped") for fault in promised)


def test_a_run_with_the_colour_of_failure_is_found_out() -> None:
    red = "[variables]\nslot-failed = 203\nchart-6 = 203\n"
    said = [str(fault) for fault in contrast.faults(parse_theme(GOOD + red, "x"))]
    assert "chart-6 looks like slot-failed: 0.0, needs 15 (256 colours)" in said


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast.ratio((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast.ratio((119, 119, 119), (255, 255, 255)) == pytest.approx(4.48, abs=0.01)


def test_black_and_white_are_a_hundred_apart_to_everybody_and_red_and_green_not_to_all() -> None:
    for kind in ("", *KINDS):
        assert distance((0, 0, 0), (255, 255, 255), kind) == pytest.approx(100, abs=0.1)
    assert distance((200, 60, 60), (110, 120, 40)) > 60
    assert distance((200, 60, 60), (110, 120, 40), "protanopia") < 30


def test_every_colour_of_the_palette_is_its_own_nearest() -> None:
    assert {PALETTE[nearest_256(colour)] for colour in PALETTE.values()} == set(PALETTE.values())
    assert all(PALETTE[nearest_256(colour)] == colour for colour in PALETTE.values())


def test_a_dark_grey_with_a_tint_stays_grey() -> None:
    assert nearest_256((18, 21, 28)) == 233
    assert nearest_256((30, 36, 48)) == 235
    assert nearest_256((254, 1, 1)) == 196
    assert nearest_16((250, 90, 80)) == 9


@pytest.mark.parametrize(
    ("environment", "depth"),
    [
        ({"TERM": "xterm-256color"}, Depth.PALETTE),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, Depth.FULL),
        ({"TERM": "xterm-256color", "COLORTERM": "24bit"}, Depth.FULL),
        ({"TERM": "xterm-kitty"}, Depth.FULL),
        ({"TERM": "xterm-direct"}, Depth.FULL),
        ({"TERM": "tmux-256color", "TMUX": "x"}, Depth.PALETTE),
        ({"TERM": "screen", "TMUX": "x"}, Depth.PALETTE),
        ({"TERM": "screen"}, Depth.SIXTEEN),
        ({"TERM": "linux"}, Depth.SIXTEEN),
        ({"TERM": "linux", "TMUX": "x"}, Depth.SIXTEEN),
        ({"TERM": "xterm"}, Depth.SIXTEEN),
        ({}, Depth.SIXTEEN),
    ],
)
def test_how_many_colours_a_terminal_shows(environment: dict[str, str], depth: Depth) -> None:
    assert depth_of(environment) is depth
