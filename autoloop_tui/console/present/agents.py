"""Rows with what each actor has done and spent in a loop, and the last requests. Pure."""

from __future__ import annotations

import time
from collections.abc import Sequence

from autoloop.engine.commands.accounts import Account
from autoloop.model import Loop
from autoloop.store import Command
from autoloop.text.number_column import aligned

from autoloop_tui.console.drawing.glyphs import Glyphs
from autoloop_tui.console.drawing.paint import cells, clip, fit, plain
from autoloop_tui.console.drawing.pieces import Piece, crop, heading

HEADS = ("proposals", "approved", "rejected", "decided", "runs", "GPU h", "refused", "last seen", "left")
NARROW = ("prop", "appr", "rej", "dec", "runs", "GPU h", "ref", "seen", "left")
WIDEST = 28
"""Maximum width of an actor's name in cells."""
ROOM = 96
"""Minimum width in cells for unabbreviated column heads."""


def agents_rows(
    accounts: Sequence[Account], commands: Sequence[Command], loop: Loop, width: int, *, glyphs: Glyphs, key: str
) -> list[list[Piece]]:
    """Return the rows. `commands`: the last requests, newest last; `key`: the key that holds all agents."""
    rows: list[list[Piece]] = [_held(loop, key), []]
    heads = HEADS if width >= ROOM else NARROW
    hours = aligned(each.gpu_hours for each in accounts)
    told = [_figures(each, spent) for each, spent in zip(accounts, hours, strict=True)]
    wide = [max(len(head), *(len(line[at]) for line in told)) if told else len(head) for at, head in enumerate(heads)]
    named = min(WIDEST, max([5, *(cells(plain(each.actor)) for each in accounts)]))
    row: list[Piece] = [(f" {fit('actor', named)}", "dim")]
    row += [(f"  {fit(head, wide[at], _side(at))}", "dim") for at, head in enumerate(heads)]
    rows.append(crop(row, 0, width, glyphs.ellipsis))
    for account, figures in zip(accounts, told, strict=True):
        row = [(f" {fit(account.actor, named)}", "bold" if account.actor.startswith("agent:") else "")]
        for at, figure in enumerate(figures):
            row.append((f"  {fit(figure, wide[at], _side(at))}", "slot-warn" if at == 6 and account.refused else ""))
        rows.append(crop(row, 0, width, glyphs.ellipsis))
    if commands:
        rows += [[], heading("last requests", [], width, focused=False, glyphs=glyphs)]
    for command in reversed(commands):
        rows.append(_request(command, width, glyphs))
    return rows


def _held(loop: Loop, key: str) -> list[Piece]:
    if loop.agents_held:
        return [(f" All agents are held, {loop.agents_held.words}: {key} releases them.", "bold slot-warn")]
    return [(f" Agents act within their permissions; {key} holds them all.", "dim")]


def _figures(account: Account, hours: str) -> list[str]:
    counts = (account.proposals, account.approved, account.rejected, account.decided, account.runs)
    seen = time.strftime("%m-%d %H:%M", time.localtime(account.seen)) if account.seen else ""
    return [*map(str, counts), hours, str(account.refused), seen, account.left]


def _side(at: int) -> str:
    return "<" if at >= 7 else ">"


def _request(command: Command, width: int, glyphs: Glyphs) -> list[Piece]:
    at = time.strftime("%H:%M:%S", time.localtime(command.sent_at))
    state = "" if command.ok else "refused: " if command.ok is False else "not answered yet"
    text = f"{command.sender.words}, {command.kind}: {state}{command.answer or ''}"
    look = "slot-warn" if command.ok is False else ""
    return [(f" {at}  ", "dim"), (clip(text, width - 12, glyphs.ellipsis), look)]
