"""Text for terminal cells: clipping and padding by cell width, numbers, durations, bars, sparklines, and the appearance of
each state.

Pure and independent of Textual, so that the headless commands print the same words and numbers as the console.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from autoloop.text import values as text_values
from autoloop.text.values import NOTHING, value_text
from rich.cells import cell_len, get_character_cell_size

from autoloop_tui.console.drawing.glyphs import UNICODE, Glyphs

# ------------------------------------------------------------------------------------------------ cells


def plain(text: str) -> str:
    """Return `text` without anything that a terminal would interpret or whose width terminals disagree about.

    Control characters, bidirectional overrides and joiners are dropped, tabs and unusual spaces become one space, and what
    cannot be displayed (lone surrogates of a file name, unassigned code points) becomes `�`.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_plain_character, text))


def _plain_character(character: str) -> str:
    if character.isprintable():
        # Variation selectors widen the preceding character in some terminals only.
        return "" if "\ufe00" <= character <= "\ufe0f" else character
    if character.isspace():
        return " "
    # Control characters, soft hyphens, joiners, bidirectional marks and tags take no cell.
    codepoint = ord(character)
    if codepoint < 0xA0 or codepoint == 0xAD or 0x200B <= codepoint <= 0x206F or codepoint == 0xFEFF:
        return ""
    return "" if 0xE0000 <= codepoint <= 0xE0FFF or get_character_cell_size(character) == 0 else "�"


def cells(text: str) -> int:
    """Return the number of terminal cells that `text` occupies."""
    return len(text) if text.isascii() else cell_len(text)


def clip(text: str, width: int, mark: str = "…") -> str:
    """Return `text` cut to at most `width` cells; a cut text ends in `mark`."""
    text = plain(text)
    if width <= 0:
        return ""
    if text.isascii():
        if len(text) <= width:
            return text
        return text[: width - 1] + mark if mark else text[:width]
    room = width - len(mark)
    used = cut = 0
    for index, character in enumerate(text):
        used += get_character_cell_size(character)
        if used <= room:
            cut = index + 1
        elif used > width:
            return text[:cut] + mark
    return text


def fit(text: str, width: int, align: str = "<", mark: str = "…") -> str:
    """Return `text` in exactly `width` cells, cut with `mark` or padded. `align` is `<`, `>` or `^`."""
    text = clip(text, width, mark)
    space = max(0, width - cells(text))
    if align == ">":
        return " " * space + text
    if align == "^":
        return " " * (space // 2) + text + " " * (space - space // 2)
    return text + " " * space


def window(text: str, start: int, width: int, mark: str = "…") -> str:
    """Return cells `start` … `start + width` of `text`, for panes that scroll sideways; half a wide character becomes a
    space."""
    text = plain(text)
    if start <= 0:
        return fit(text, width, mark=mark)
    if text.isascii():
        return fit(text[start:], width, mark=mark)
    used = 0
    for index, character in enumerate(text):
        if used >= start and get_character_cell_size(character):
            return fit(" " * (used - start) + text[index:], width, mark=mark)
        used += get_character_cell_size(character)
    return " " * width


# ------------------------------------------------------------------------------------------------ numbers


def number(value: float | None, width: int | None = None) -> str:
    """Return `value` with four significant digits (`1.842`, `31250`, `2.6e-85`), or fewer to fit into `width` cells."""
    text = text_values.number(value)
    if value is None or not math.isfinite(value) or width is None or len(text) <= width:
        return text
    shorter = [text_values.number(value, digits) for digits in (3, 2)]
    shorter += [text_values.with_power(value, digits) for digits in (4, 3, 2)]
    shorter += [text_values.number(value, 1), text_values.with_power(value, 1)]
    return next((each for each in shorter if len(each) <= width), shorter[-1])


def signed(value: float | None, width: int | None = None) -> str:
    """Return a change like `number`, with its sign."""
    if value is None or math.isnan(value):
        return number(value, width)
    sign = "-" if value < 0 else "+" if value > 0 else "±"
    return sign + number(abs(value), None if width is None else width - 1)


SHOWN = 400
"""Maximum number of characters shown of a config value."""


def shown_value(value: object, most: int = SHOWN) -> str:
    """Return a config value as JSON on one line, cut to `most` characters before any expensive processing."""
    return plain(value_text(value, most))


def short_count(value: float) -> str:
    """Return a number of steps or lines for an axis: `0`, `500`, `20k`, `1.5M`."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{letter}"
    return f"{value:.4g}"


def size(value: float | None) -> str:
    """Return bytes in at most five cells: `812B`, `71G`, `1.4T`."""
    if value is None:
        return NOTHING
    for letter in "BKMGT":
        if value < 1000 or letter == "T":
            return f"{value:.1f}{letter}" if value < 10 and letter != "B" else f"{value:.0f}{letter}"
        value /= 1024
    raise AssertionError


def percent(fraction: float | None) -> str:
    """Return a fraction between 0 and 1 in four cells: ` 78%`. 100% is shown only once it is reached."""
    if fraction is None or not math.isfinite(fraction):
        return f"{NOTHING:>4}"
    return f"{math.floor(min(max(fraction, 0.0), 1.0) * 100 + 1e-9):3d}%"


# ------------------------------------------------------------------------------------------------ bars


def bar(fraction: float, width: int, *, glyphs: Glyphs = UNICODE) -> tuple[str, str]:
    """Return a progress bar of `width` cells in two parts, done and remaining, so that each can have its own colour.

    The parts also differ in shade, so the bar is readable without colour; half cells are used if the font has them.
    """
    fraction = min(max(fraction, 0.0), 1.0) if math.isfinite(fraction) else 0.0
    width = max(0, width)
    whole, half = divmod(int(fraction * width * 2), 2)
    if glyphs.ascii_only and not glyphs.blocks:
        return "#" * whole, "." * (width - whole)
    done = "█" * whole + "▌" * (half and not glyphs.ascii_only)
    return done, "░" * (width - len(done))


SPARKS = "▁▂▃▄▅▆▇█"
ASCII_SPARKS = "_.-~=+*#"


def sparkline(
    values: Sequence[float], width: int, *, span: tuple[float, float] | None = None, glyphs: Glyphs = UNICODE
) -> str:
    """Return one row of `width` cells. Each cell shows the most extreme of its values, so that spikes stay visible; NaN
    leaves a gap. `span`: values of the lowest and highest level, by default the extremes.

    If there are fewer values than cells, each takes one cell from the left, so that a few points do not look like a full
    bar.
    """
    ramp = glyphs.of(SPARKS, ASCII_SPARKS)
    finite = [value for value in values if math.isfinite(value)]
    if not finite or width <= 0:
        return " " * max(0, width)
    low, high = span or (min(finite), max(finite))
    middle = median(finite)
    row = []
    columns = min(width, len(values))
    for column in range(columns):
        first = column * len(values) // columns
        after = (column + 1) * len(values) // columns
        part = [value for value in values[first:after] if math.isfinite(value)]
        if not part:
            row.append(" ")
            continue
        value = max(part, key=lambda each: abs(each - middle))
        share = (value / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0.5
        row.append(ramp[max(0, min(len(ramp) - 1, int(share * len(ramp))))])
    return "".join(row).ljust(width)


# ------------------------------------------------------------------------------------------------ states


class Look(NamedTuple):
    """How a state is shown: always glyph and word, coloured by a theme variable."""

    glyph: str
    ascii: str
    word: str
    short: str
    """The word in at most four cells."""
    variable: str

    def mark(self, glyphs: Glyphs = UNICODE) -> str:
        return glyphs.of(self.glyph, self.ascii)

    def text(self, glyphs: Glyphs = UNICODE, *, short: bool = False) -> str:
        """Return glyph and word: `▶ running`."""
        return f"{self.mark(glyphs)} {self.short if short else self.word}"


LOOKS: dict[str, Look] = {
    "idle": Look("·", "-", "idle", "idle", "dim"),
    "queued": Look("◌", "o", "queued", "wait", "slot-queued"),
    "running": Look("▶", ">", "running", "run", "slot-running"),
    "stopping": Look("■", "%", "stopping", "halt", "slot-warn"),
    "finished": Look("✓", "+", "finished", "done", "slot-finished"),
    "failed": Look("✗", "x", "failed", "fail", "slot-failed"),
    "stopped": Look("■", "%", "stopped", "stop", "slot-stopped"),
    "lost": Look("?", "?", "lost", "lost", "slot-lost"),
    "gone": Look("?", "?", "gone", "gone", "slot-lost"),
    "ended": Look("■", "%", "ended", "end", "slot-stopped"),
    "paused": Look("‖", "=", "paused", "paus", "slot-warn"),
    "waiting": Look("▲", "!", "waiting", "waits", "slot-warn"),
    "warning": Look("▲", "!", "warning", "warn", "slot-warn"),
    "pending": Look("◌", "o", "pending", "pend", "slot-queued"),
    "approved": Look("✓", "+", "approved", "ok", "slot-finished"),
    "rejected": Look("✗", "x", "rejected", "rej", "slot-failed"),
    "blocked": Look("▲", "!", "blocked", "blkd", "slot-warn"),
    "skipped": Look("·", "-", "skipped", "skip", "dim"),
    "launched": Look("▶", ">", "launched", "run", "slot-running"),
    "done": Look("■", "%", "done", "done", "slot-stopped"),
    "lapsed": Look("·", "-", "lapsed", "laps", "dim"),
    "edited": Look("✎", "~", "edited", "edit", "slot-warn"),
}
"""By the value of RunState and ProposalStatus, plus a few conditions that are not states of the store."""


def look(state: str) -> Look:
    """Return the look of `state`; a state unknown to this version is shown by its name."""
    return LOOKS.get(state) or Look("?", "?", state, state[:4], "slot-warn")
