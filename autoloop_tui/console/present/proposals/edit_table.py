"""Rows of the edit dialog: the table, the completions, and the result of the check. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from autoloop.configs import Config
from autoloop.model import Change
from autoloop.variants.check import CheckedVariant

from autoloop_tui.console.drawing.cutting import tail, wrapped
from autoloop_tui.console.drawing.glyphs import Glyphs
from autoloop_tui.console.drawing.paint import cells, clip, fit, look, plain
from autoloop_tui.console.drawing.pieces import Piece
from autoloop_tui.console.present.proposals.detail import change_rows
from autoloop_tui.console.present.proposals.edit_rows import Completion, EditRow, present_text

MOST_COMPLETIONS = 8


@dataclass
class Field:
    """A line of the table that is not an edit."""

    name: str
    hint: str
    text: str = ""


def table_rows(
    lines: Sequence[EditRow | Field],
    at: int,
    config: Config,
    width: int,
    height: int,
    *,
    bad: Callable[[EditRow | Field], bool],
    glyphs: Glyphs,
) -> list[list[Piece]]:
    """Return the head and `height` lines around the current one. `bad` returns whether a line is marked as wrong."""
    mark, arrow = glyphs.ellipsis, glyphs.of(" → ", " -> ")
    edits = [line for line in lines if isinstance(line, EditRow)]
    names = [line.name for line in lines if isinstance(line, Field)]
    path_wide = min(max(map(cells, [*(plain(row.path) for row in edits), *names])), width // 2)
    now_wide = min(max(map(cells, [*(present_text(config, row) for row in edits), "from"])), width // 5)
    head = fit("  path", path_wide + 4) + fit("from", now_wide, ">") + " " * len(arrow) + "to"
    first = max(0, min(at - height // 2, len(lines) - height))
    rows: list[list[Piece]] = [[(head if edits else "", "dim")]]
    for index in range(first, min(len(lines), first + height)):
        line, here, wrong = lines[index], " line" if index == at else "", bad(lines[index])
        start: Piece = ("> " if here else look("failed").mark(glyphs) + " " if wrong else "  ", f"bold key{here}")
        if isinstance(line, Field):
            rows.append([start, *_field(line, here, width - 2, mark)])
            continue
        row: list[Piece] = [
            (start[0], f"bold slot-failed{here}" if wrong else start[1]),
            (tail(plain(line.path), path_wide, mark) + "  ", here.strip()),
            (fit(present_text(config, line), now_wide, ">", mark), f"diff-before{here}"),
            (arrow, f"dim{here}"),
        ]
        left = width - sum(cells(text) for text, _ in row)
        rows.append([*row, (fit(plain(line.text[: 4 * width]), left, mark=mark), f"diff-after{here}")])
    return rows


def _field(line: Field, here: str, width: int, mark: str) -> list[Piece]:
    name, text = fit(line.name, 12), plain(line.text[: 4 * width])
    told = (text, here.strip()) if text else (line.hint if here else "", f"dim{here}")
    return [(name, f"key{here}"), (fit(told[0], width - 12, mark=mark), told[1])]


def completion_rows(found: Sequence[Completion], chosen: int, width: int, glyphs: Glyphs) -> list[list[Piece]]:
    """Return the completions around the chosen one, and their number if not all are shown."""
    first = max(0, min(chosen - MOST_COMPLETIONS // 2, len(found) - MOST_COMPLETIONS))
    shown = found[first : first + MOST_COMPLETIONS]
    wide = min(max((cells(plain(each.text)) for each in shown), default=0), width * 3 // 5)
    rows: list[list[Piece]] = []
    for index, each in enumerate(shown, first):
        here = " line" if index == chosen else ""
        about = clip(each.about, width - wide - 4, glyphs.ellipsis)
        path = tail(plain(each.text), wide, glyphs.ellipsis)
        rows.append([("> " if here else "  ", f"bold key{here}"), (f"{path}  ", here.strip()), (about, f"dim{here}")])
    if len(found) > len(shown):
        rows.append([(f"  {len(found)} paths match", "dim")])
    return rows


def verdict_rows(
    problem: str, outcome: CheckedVariant, rows: Sequence[EditRow], width: int, *, asked: bool, glyphs: Glyphs
) -> list[list[Piece]]:
    """Return why the input cannot be sent, or that it can, with changes beyond the `rows`. `asked`: nothing is wrong yet,
    but something is missing."""
    if problem:
        seen = look("failed")
        text = f"{' ' if asked else seen.mark(glyphs)} {problem}"
        return [[(line, "dim" if asked else seen.variable)] for line in wrapped(text, width)]
    seen = look("finished")
    changes = _told_changes(outcome, rows)
    made: list[list[Piece]] = [[(f"{seen.mark(glyphs)} this can run{', with' if changes else ''}", seen.variable)]]
    made += change_rows(changes, width, glyphs) if changes else []
    told = {change.note for change in outcome.changes}
    for note in outcome.notes:
        if note not in told:
            made += [[("  " + line, "dim")] for line in wrapped(note, width - 2)]
    return made


def _told_changes(outcome: CheckedVariant, rows: Sequence[EditRow]) -> list[Change]:
    """Return changes that the table does not show: values that differ from the input, and matches of a pattern."""
    shown = {row.path for row in rows if not row.text.strip().startswith("@")}
    return [change for change in outcome.changes if change.note or change.path not in shown]
