"""The table of slots as rows of text. Columns that do not fit are dropped by priority; numbers are never truncated."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from autoloop.model import LOCAL, Call
from autoloop.text.number_column import NumberColumn
from autoloop.text.values import NOTHING, duration

from autoloop_tui.console.drawing.columns import GAP, Cell, Column, Laid, lay_out, line
from autoloop_tui.console.drawing.cutting import middle
from autoloop_tui.console.drawing.glyphs import Glyphs
from autoloop_tui.console.drawing.lines import nan_since
from autoloop_tui.console.drawing.paint import (
    bar,
    cells,
    clip,
    look,
    percent,
    plain,
    short_count,
    size,
    sparkline,
)
from autoloop_tui.console.drawing.pieces import Piece, part_of
from autoloop_tui.console.present.slots.facts import Change, SlotFacts

VALUE, CHANGE, TAIL = 8, 8, 8
"""Cells of the key metric, of its change, and of the step or verdict after the change."""
NARROW, SMALL = 90, 70
"""Widths in cells below which a change has no step or verdict, and below which the bar is shorter and runs have no
letter."""
TREND = 16
"""Maximum width of the trend in cells."""
SHORTEST = 16
"""Minimum width of a run's name in cells."""
MORE = 6
"""Columns with at least this `need` only supplement the figures."""
LEAST = 14
"""Minimum cells of the reason; with less room, the key beside it is dropped."""
NOTE = 24
"""Minimum width of a note beside the figures, in cells."""
POINTS = 8
"""Maximum number of points per cell of the trend; longer curves are thinned out."""
BESIDE = ("change", "use", "trend", "memory", "note")
"""The columns replaced first by the message of a run in training."""
AFTER_BAR = ("eta", "value", *BESIDE)
"""The columns replaced by the message of an ended run."""


class Layout(NamedTuple):
    """The layout of all rows of a repaint. `bare`: slots are shown by number only, because the title names their kind.
    `wide`: changes have a step or verdict beside them. `values`, `changes`: number formats. `spare`: cells to the right of
    the last column."""

    laid: Laid
    bare: bool
    wide: bool
    values: NumberColumn
    changes: NumberColumn
    spare: int


def layout(slots: Sequence[SlotFacts], width: int) -> Layout:
    """Return the columns for rows of `width` cells. The run's name grows first."""
    kinds = {facts.slot.label.partition(" ")[0] for facts in slots}
    bare = len(kinds) == 1 and not any(facts.slot.place != LOCAL and not facts.slot.of for facts in slots)
    labels = [_label(facts, bare) for facts in slots]
    kind = next(iter(kinds)) if bare else "slot"
    letters = [facts.badge.letter if facts.badge else "" for facts in slots]
    longest = max((cells(plain(facts.run.name)) for facts in slots if facts.run), default=0)
    metric = next((facts.metric for facts in slots if facts.metric), "")
    wide = width >= NARROW
    values = NumberColumn.of([facts.last for facts in slots], room=VALUE)
    changes = NumberColumn.of(
        [facts.change.delta.change for facts in slots if facts.change and (wide or facts.change.delta.fair)],
        signed=True,
        room=CHANGE,
    )
    change = Column("change", "vs base @ step" if wide else "vs base", CHANGE + (GAP + TAIL) * wide, need=5)
    compared = any(facts.change and (wide or facts.change.delta.fair) for facts in slots)
    columns = [
        Column("slot", kind, max(map(cells, [*labels, kind]))),
        Column("state", "state", max(cells(look(facts.state).text()) for facts in slots)),
        *([Column("letter", "", max(map(cells, letters)), need=5)] if any(letters) and width >= SMALL else []),
        Column("run", "run", max(3, min(longest, SHORTEST)), most=longest),
        Column("bar", "done", 6 if width >= SMALL else 4, need=4, most=16),
        Column("percent", "", 4, need=1),
        *([Column("eta", "eta", 6, ">", need=2)] if any(facts.holds or facts.broken for facts in slots) else []),
        Column("value", metric, max(VALUE, min(12, cells(metric))), ">", need=3),
        *([change] if compared else []),
        Column("use", "cpu" if kind == "cpu" else "use", 5, ">", need=6),
        Column("trend", "trend", 6, need=7, most=TREND),
        Column("memory", "mem", 5, ">", need=8),
        Column("note", "", NOTE, need=9, most=width),
    ]
    # Names take precedence over columns that only supplement the figures.
    kept = [column for column, _ in lay_out([column for column in columns if column.need < MORE], width)]
    room = width - sum(column.width + GAP for column in kept) + GAP
    columns = [
        column._replace(width=max(column.width, min(longest, column.width + room))) if column.key == "run" else column
        for column in columns
    ]
    laid = lay_out(columns, width)
    used = sum(cells_ for _, cells_ in laid) + GAP * (len(laid) - 1)
    return Layout(laid, bare, wide, values, changes, max(0, width - used))


def head(shown: Layout, glyphs: Glyphs) -> list[Piece]:
    """Return the titles of the columns."""
    return line(shown.laid, {column.key: (column.title, "dim") for column, _ in shown.laid}, glyphs.ellipsis)


def row(facts: SlotFacts, shown: Layout, *, key: Callable[[str], str], glyphs: Glyphs) -> list[Piece]:
    """Return the row of a slot: its figures, and in place of some of them a message that matters more."""
    values, said = _cells(facts, shown, glyphs), said_of(facts, key, glyphs)
    place = _place(facts, said, shown) if said else len(shown.laid)
    if place < len(shown.laid):
        before = line(shown.laid[:place], values, glyphs.ellipsis)
        return [*before, (" " * GAP, ""), *sentence(said, _room(shown, place), glyphs)]
    if facts.holds:
        note = next((wide for column, wide in shown.laid if column.key == "note"), 0)
        values["note"] = (clip(facts.last_line, note, glyphs.ellipsis), "dim")
    return line(shown.laid, values, glyphs.ellipsis)


def cut(facts: SlotFacts, shown: Layout, *, key: Callable[[str], str], glyphs: Glyphs) -> bool:
    """Return whether the row is too narrow for the full message."""
    said = said_of(facts, key, glyphs)
    return _length(said) > _room(shown, _place(facts, said, shown))


def _place(facts: SlotFacts, said: list[Piece], shown: Layout) -> int:
    """Return the column at which the message begins. For a run in training it replaces as few figures as possible; without a
    run it begins in place of the name."""
    columns = [column.key for column, _ in shown.laid]
    if facts.run is None:
        return columns.index("run")
    places = [place for place, column in enumerate(columns) if column in BESIDE]
    if not facts.holds or not places:
        return next((place for place, column in enumerate(columns) if column in AFTER_BAR), len(columns))
    return next((place for place in reversed(places) if _room(shown, place) >= _length(said)), places[0])


def _length(pieces: list[Piece]) -> int:
    return sum(cells(text) for text, _ in pieces)


def _room(shown: Layout, place: int) -> int:
    """Return the number of cells from a column to the end of the row."""
    return sum(wide for _, wide in shown.laid[place:]) + GAP * max(0, len(shown.laid) - place - 1) + shown.spare


def sentence(parts: list[Piece], room: int, glyphs: Glyphs) -> list[Piece]:
    """Return the parts of a message in `room` cells: the key at the end is kept whole, advice is cut before the reason."""
    *texts, last = parts
    key = [last] if "key" in last[1] else []
    texts = texts if key else parts
    left = room - sum(cells(text) for text, _ in key)
    if left < LEAST and key:
        key, left = [], room
    kept: list[Piece] = []
    for text, names in texts:
        if left < 4 and kept:
            break
        text = clip(text, left, glyphs.ellipsis)
        kept.append((text, names))
        left -= cells(text)
    return kept + key


def _label(facts: SlotFacts, bare: bool) -> str:
    return facts.slot.label.partition(" ")[2] if bare else facts.slot.label


def _cells(facts: SlotFacts, shown: Layout, glyphs: Glyphs) -> dict[str, Cell]:
    seen, run = look(facts.state), facts.run
    names = "" if facts.is_news else "dim"
    found: dict[str, Cell] = {
        "slot": (_label(facts, shown.bare), "bold"),
        "state": (seen.text(glyphs), f"bold {seen.variable}" if facts.is_news else seen.variable),
    }
    gpu, load = facts.gpu, facts.load
    if gpu is not None:
        used = f"{gpu.utilisation}%" if gpu.utilisation is not None else glyphs.nothing
        found |= {"use": (used, ""), "memory": (size(gpu.memory_used).replace(NOTHING, glyphs.nothing), "")}
    elif load is not None:
        found |= {"use": (f"{load.cpu:.0f}%", ""), "memory": (size(load.memory), "")}
    if run is None:
        return found
    widths = {column.key: wide for column, wide in shown.laid}
    share = facts.step / run.total_steps if run.total_steps else None
    done, rest = bar(share or 0.0, widths.get("bar", 0), glyphs=glyphs)
    found["letter"] = (facts.badge.letter, facts.badge.look) if facts.badge else ("", "")
    found["run"] = (middle(run.name, widths["run"], glyphs.ellipsis), names)
    # Otherwise nothing would be red if the run broke early.
    found["bar"] = [(done, seen.variable if facts.is_news else "dim"), (rest, seen.variable if facts.broken else "rule")]
    found["percent"] = (percent(share).replace(NOTHING, glyphs.nothing), names)
    if facts.holds:
        eta = duration(facts.eta) if facts.step else "starts"
        found["eta"] = (eta.replace(NOTHING, glyphs.nothing), names)
    found["value"] = _value(facts, shown.values, glyphs)
    if facts.change is not None:
        found["change"] = _change(facts.change, shown, glyphs)
    if facts.series is not None and len(facts.series) > 1 and "trend" in widths:
        values = facts.series.values
        thinned = values[:: max(1, len(values) // (POINTS * widths["trend"]))]
        names = facts.badge.look if facts.is_news and facts.badge else "dim"
        found["trend"] = (sparkline(thinned, widths["trend"], glyphs=glyphs), names)
    return found


def _value(facts: SlotFacts, column: NumberColumn, glyphs: Glyphs) -> Piece:
    if facts.last is None:
        return column.text(None).replace(NOTHING, glyphs.nothing), "dim"
    since = nan_since(facts.series) if facts.series is not None else None
    return column.text(facts.last), "bold slot-failed" if since is not None else "bold" if facts.is_news else ""


CALLS: Mapping[Call, str] = {
    Call.BETTER: "better",
    Call.WORSE: "worse",
    Call.HIGHER: "higher",
    Call.LOWER: "lower",
    Call.NO_DIFFERENCE: "≈ noise",
}


def _change(change: Change, shown: Layout, glyphs: Glyphs) -> list[Piece]:
    """Return `-0.0086 @120` for a run in training, `-0.0086 better` for a finished one; `±?` means that it may be chance."""
    delta = change.delta
    if math.isnan(delta.change) or not (delta.fair or shown.wide):
        return []
    text = shown.changes.text(delta.change)
    if not shown.wide:
        return [(text, delta.look)]
    if not delta.fair:
        tail = f"to {short_count(change.base_step)}"
    elif delta.verdict is None:
        tail = f"@{short_count(change.step)}"
    else:
        tail = CALLS.get(delta.call, glyphs.of("±?", "+-?"))
    return [(f"{text:<{CHANGE}} ", delta.look), (tail, delta.look or "dim")]


def said_of(facts: SlotFacts, key: Callable[[str], str], glyphs: Glyphs) -> list[Piece]:
    """Return a slot's message: what it is waiting for, what broke and which key helps, or what a live rule asks."""
    warned = look("warning")
    if facts.holds:
        if facts.asks:
            text = f"rule {plain(facts.asks)} asks: {facts.would}?"
            return [(text, look("pending").variable), (f"  {key('app.proposals')} decides", "bold key")]
        if facts.run and facts.run.waits:
            return [(plain(facts.run.waits), warned.variable)]
        if facts.diverged:
            metric, since = facts.diverged
            if metric == facts.metric:
                return [(f"not finite since step {since}", "slot-failed"), (f"  {key('slots.stop')} stops it", "bold key")]
            text = f"{plain(metric)} not finite since step {since}"
            return [(text, "slot-failed"), (f"  {key('slots.charts')} charts", "bold key")]
        if facts.foreign:
            return [(f"{warned.mark(glyphs)} also {plain(', '.join(facts.foreign))}", warned.variable)]
        return [(plain(facts.gpu_error), "dim")] if facts.gpu_error and facts.slot.gpus else []
    if facts.waits:
        return [(plain(facts.waits), warned.variable)]
    if facts.run is None:
        return [("nothing has run here yet", "dim")]
    if not facts.broken:
        return []
    parts: list[Piece] = [(plain(facts.reason) or facts.state, look(facts.state).variable)]
    if facts.advice:
        parts.append((f": {plain(facts.advice)}", ""))
    helps = f"{key('slots.retry')} retries" if facts.retries else f"{key('slots.open')} shows why"
    return [*parts, (f"  {helps}", "bold key")]


def queue_row(names: Sequence[str], shown: tuple[int, int], slots: int, width: int, glyphs: Glyphs) -> list[Piece]:
    """Return `queue 2: tau_r2_5 · lr_r2_6` and, if not all slots are visible, `17–34 of 64 slots`.

    `shown`: the first and last visible slot, counted from 1.
    """
    first, last = shown
    where = f"{part_of(first, last, slots, glyphs)} slots " if last - first + 1 < slots else ""
    room = width - cells(where)
    text = f"  queue {len(names)}: " if names else "  queue empty"
    told: list[str] = []
    for name in names:
        rest = f"{glyphs.dot}{len(names) - len(told)} more"
        full = glyphs.dot.join([*told, plain(name)])
        if cells(text) + cells(full) + (cells(rest) if len(told) + 1 < len(names) else 0) + 2 > room and told:
            told.append(f"{len(names) - len(told)} more")
            break
        told.append(plain(name))
    queued = clip(text + glyphs.dot.join(told), max(0, room - 1), glyphs.ellipsis)
    return [(queued, "dim"), (" " * max(0, room - cells(queued)), ""), (where, "bold")]
