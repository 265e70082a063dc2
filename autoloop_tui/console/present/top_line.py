"""The top line: the loop, its state, its best result and whether that is more than noise, the estimated end, and the
time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from autoloop.metrics import config_name
from autoloop.model import Call, Outcome
from autoloop.text.plural import plural

from autoloop_tui.console.drawing.glyphs import Glyphs
from autoloop_tui.console.drawing.paint import cells, clip, number, plain, signed
from autoloop_tui.console.drawing.pieces import Piece, crop
from autoloop_tui.console.feed import Feed
from autoloop_tui.console.loop_view import View
from autoloop_tui.console.present import loop_ends
from autoloop_tui.console.present.loop_state import name, short_name, short_status, status, waits

SHORTEST = 10
"""Minimum width of the loop's name in cells."""
MOST = 28
"""Maximum width of the best config's name in cells."""


def top_line(
    view: View, feed: Feed, width: int, now: float, *, first: bool, key: Callable[[str], str], glyphs: Glyphs
) -> list[Piece]:
    """Return the top line. Less important parts are shortened first, the loop's name is shortened before parts are dropped,
    and the time always stays.

    `first`: the line is for the first screen, which shows at its foot what the loop is waiting for.
    """
    head: list[Piece] = [(" ", "")]
    bests = best_texts(view, glyphs)
    if not first and (why := waits(view)):
        bests = [[(clip(why[0], max(MOST, width // 3), glyphs.ellipsis), "slot-warn")]]
    when = loop_ends.texts(loop_ends.ends(view, feed, now), now)
    stands = [
        status(view, key=key, glyphs=glyphs),
        short_status(view, key=key, glyphs=glyphs),
        short_status(view, key=key, glyphs=glyphs, word=False),
    ]
    clock: Piece = (f"  {loop_ends.clock(now, now)} ", "bold")
    full, called = name(view), short_name(view)
    for told, best, end in _tries(stands, bests, when):
        right = [*_gap(best), *_gap([(end, "")]), clock]
        fixed = _length([*head, *told, *right]) + 2
        if fixed + min(SHORTEST, cells(called)) <= width:
            shown = clip(full if cells(full) <= width - fixed else called, width - fixed, glyphs.ellipsis)
            return [*head, (f"{shown}  ", "bold"), *told, (" " * (width - fixed - cells(shown)), ""), *right]
    left = [*head, (f"{clip(called, SHORTEST, glyphs.ellipsis)} ", "bold"), *stands[-1]]
    room = width - _length([clock])
    left = crop(left, 0, room, glyphs.ellipsis)
    return [*left, (" " * (room - _length(left)), ""), clock] if room > SHORTEST else crop(left, 0, width)


def _tries(
    stands: list[list[Piece]], bests: list[list[Piece]], when: list[str]
) -> Iterator[tuple[list[Piece], list[Piece], str]]:
    """Yield combinations of wordings, fullest first: best and end are shortened alternately, then the state; only then parts
    are dropped."""
    for told in stands:
        # The last wordings are used only if even the shortest state leaves no more room.
        last, best, end = max(0, len(bests) - 1 - 2 * (told is stands[0] and len(bests) > 1)), 0, 0
        while True:
            yield told, bests[best], when[end]
            if best < last and (best <= end or end == len(when) - 1):
                best += 1
            elif end < len(when) - 1:
                end += 1
            else:
                break
    yield from ((told, [], when[-1]) for told in stands)
    yield from ((told, [], "") for told in stands)


def _gap(pieces: list[Piece]) -> list[Piece]:
    return [("  ", ""), *pieces] if any(text for text, _ in pieces) else []


def _length(pieces: list[Piece]) -> int:
    return sum(cells(text) for text, _ in pieces)


def best_texts(view: View, glyphs: Glyphs) -> list[list[Piece]]:
    """Return the best result so far, its difference to the baseline and its verdict, fullest first."""
    found = view.outcome
    if found is None:
        return [[]]
    run = view.run(found.first.run)
    metric = view.metrics.short(found.metric)
    value: list[Piece] = [("best ", "dim"), (number(found.first.value), "bold")]
    titled: list[Piece] = [("best ", "dim"), (f"{metric} ", ""), (number(found.first.value), "bold")]
    # Elsewhere, a column `best` has the best value that a single run reached at any step.
    whole: list[Piece] = [*titled, (f" (tail mean, {plural(found.first.runs, 'run')})", "dim")]
    called = clip(plain(config_name(run) if run else found.first.run), MOST, glyphs.ellipsis)
    if found.comparison is None:
        called += ", the baseline"
        return [[*whole, (f" {called}", "")], [*titled, (f" {called}", "")], [*value, (" (baseline)", "")], value]
    change = signed(found.comparison.effect, 8)
    words, mark, look = verdict_words(found, glyphs)
    where = f" {called}" + (f" r{run.round}" if run else "")
    base = number(found.baseline.value)
    return [
        [*whole, (where, ""), (f"  {change} to baseline {base}: ", ""), (words, look)],
        [*titled, (where, ""), (f"  {change} to baseline {base}: ", ""), (words, look)],
        [*value, (where, ""), (f"  {change} ", ""), (words, look)],
        [*value, (f" {change} ", ""), (words, look)],
        [*value, (f" {change} ", ""), (mark, look)],
        [(f"{mark} ", look), value[1], (f" {change}", "")] if found.better else [*value, (f" {mark}", look)],
        [(f"{mark} ", look), value[1]],
    ]


def verdict_words(found: Outcome, glyphs: Glyphs) -> tuple[str, str, str]:
    """Return the verdict on the first config against the baseline: in words, as a symbol, and its look."""
    maybe = glyphs.of("±?", "+-?")
    if found.better:
        return ("confirmed" if found.confirms else "better"), glyphs.of("★", "*"), "bold slot-finished"
    call = found.comparison.call if found.comparison else Call.NOT_ENOUGH
    if found.confirms and call is not Call.NO_DIFFERENCE:
        return "not confirmed", maybe, "slot-warn"
    if call is Call.NOT_ENOUGH:
        return "maybe noise", maybe, "slot-warn"
    return ("within noise", glyphs.about, "dim") if call is Call.NO_DIFFERENCE else (call.value, call.value, "")
