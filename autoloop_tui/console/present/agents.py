"""Rows with what each actor has done and spent in a loop, and the last requests. Pure."""

from __future__ import annotations

import time
from collections.abc import Sequence

from autoloop.engine.commands.accounts import Account
from autoloop.model import Loop
from autoloop.store import Command
from autoloop.text.number_column import aligned
from autoloop.text.plural import plural
from autoloop.text.values import number

from autoloop_tui.console.drawing.cutting import wrapped
from autoloop_tui.console.drawing.glyphs import Glyphs
from autoloop_tui.console.drawing.paint import cells, clip, fit, plain
from autoloop_tui.console.drawing.pieces import Piece, crop, heading

HEADS = ("proposals", "approved", "rejected", "decided", "runs", "GPU h", "refused", "last seen", "left")
WIDEST = 28
"""Maximum width of an actor's name in cells."""
ROOM = 96
"""Minimum width in cells of the table; narrower screens have the same facts in words."""


def agents_rows(
    accounts: Sequence[Account], commands: Sequence[Command], loop: Loop, width: int, *, glyphs: Glyphs, key: str
) -> list[list[Piece]]:
    """Return the rows. `commands`: the last requests, newest last; `key`: the key that holds all agents."""
    rows: list[list[Piece]] = [_held(loop, key), []]
    named = min(WIDEST, max([5, *(cells(plain(each.actor)) for each in accounts)]))
    rows += _table(accounts, named, width, glyphs) if width >= ROOM else _words(accounts, named, width, glyphs)
    if commands:
        rows += [[], heading("last requests", [], width, focused=False, glyphs=glyphs)]
    for command in reversed(commands):
        rows.append(_request(command, width, glyphs))
    return rows


def _table(accounts: Sequence[Account], named: int, width: int, glyphs: Glyphs) -> list[list[Piece]]:
    hours = aligned(each.gpu_hours for each in accounts)
    told = [_figures(each, spent) for each, spent in zip(accounts, hours, strict=True)]
    wide = [max(len(head), *(len(line[at]) for line in told)) if told else len(head) for at, head in enumerate(HEADS)]
    row: list[Piece] = [(f" {fit('actor', named)}", "dim")]
    row += [(f"  {fit(head, wide[at], _side(at))}", "dim") for at, head in enumerate(HEADS)]
    rows = [crop(row, 0, width, glyphs.ellipsis)]
    for account, figures in zip(accounts, told, strict=True):
        row = [_name(account, named)]
        for at, figure in enumerate(figures):
            row.append((f"  {fit(figure, wide[at], _side(at))}", "slot-warn" if at == 6 and account.refused else ""))
        rows.append(crop(row, 0, width, glyphs.ellipsis))
    return rows


def _words(accounts: Sequence[Account], named: int, width: int, glyphs: Glyphs) -> list[list[Piece]]:
    """Return the facts of each actor beside its name, without those that are zero."""
    rows: list[list[Piece]] = []
    for each in accounts:
        counts = ((each.approved, "approved"), (each.rejected, "rejected"))
        decisions = ", ".join(f"{count} {word}" for count, word in counts if count)
        proposals = plural(each.proposals, "proposal") + (f" ({decisions})" if decisions else "")
        facts = [
            *([proposals] if each.proposals else []),
            *([f"decided {each.decided}"] if each.decided else []),
            *([plural(each.runs, "run"), f"{number(each.gpu_hours)} GPU h"] if each.runs else []),
            *([f"{each.refused} refused"] if each.refused else []),
            *([f"{each.left} left"] if each.left else []),
            *([f"last seen {_seen(each)}"] if each.seen else []),
        ]
        for at, line in enumerate(wrapped(glyphs.dot.join(facts), max(20, width - named - 4))):
            name = _name(each, named) if at == 0 else (" " * (named + 1), "")
            rows.append([name, (f"  {line}", "slot-warn" if each.refused else "")])
    return rows


def _name(account: Account, named: int) -> Piece:
    return f" {fit(account.actor, named)}", "bold" if account.actor.startswith("agent:") else ""


def _seen(account: Account) -> str:
    return time.strftime("%m-%d %H:%M", time.localtime(account.seen)) if account.seen else ""


def _held(loop: Loop, key: str) -> list[Piece]:
    if loop.agents_held:
        return [(f" All agents are held, {loop.agents_held.words}: {key} releases them.", "bold slot-warn")]
    return [(f" Agents act within their permissions; {key} holds them all.", "dim")]


def _figures(account: Account, hours: str) -> list[str]:
    counts = (account.proposals, account.approved, account.rejected, account.decided, account.runs)
    return [*map(str, counts), hours, str(account.refused), _seen(account), account.left]


def _side(at: int) -> str:
    return "<" if at >= 7 else ">"


def _request(command: Command, width: int, glyphs: Glyphs) -> list[Piece]:
    at = time.strftime("%H:%M:%S", time.localtime(command.sent_at))
    state = "" if command.ok else "refused: " if command.ok is False else "not answered yet"
    text = f"{command.sender.words}, {command.kind}: {state}{command.answer or ''}"
    look = "slot-warn" if command.ok is False else ""
    return [(f" {at}  ", "dim"), (clip(text, width - 12, glyphs.ellipsis), look)]
