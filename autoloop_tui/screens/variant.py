"""Asks for the edits of a variant of a run, judged while one types against the very config that ran."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from autoloop.configs import check_variant, parse_config, parse_edits, resolve
from autoloop.engine.proposals import GIVEN_BY_FLAGS
from autoloop.model import ProposalStatus, Run, UserError
from autoloop.settings import load_settings

from autoloop_tui.feed import View
from autoloop_tui.paint import plain
from autoloop_tui.run_rows import changes_in_short
from autoloop_tui.screens.dialogs import Ask

if TYPE_CHECKING:
    from autoloop_tui.app import ConsoleApp


def split_edits(text: str) -> list[str]:
    """The edits of one line: parted by spaces that are neither in quotes nor in brackets."""
    parts, start, depth, quoted = [], 0, 0, False
    for place, character in enumerate(text):
        if character == '"' and (place == 0 or text[place - 1] != "\\"):
            quoted = not quoted
        elif not quoted and character in "[{":
            depth += 1
        elif not quoted and character in "]}":
            depth -= 1
        elif character.isspace() and not quoted and depth <= 0:
            parts.append(text[start:place])
            start = place + 1
    return [part for part in [*parts, text[start:]] if part.strip()]


def judge(console: ConsoleApp, view: View, run: Run) -> Callable[[str], tuple[str | None, str]]:
    """A function from a line of edits to what is wrong with it, or None, and what it would change.

    The engine judges again when it takes the proposal up. UserError where the run's config cannot be read.
    """
    path = Path(run.config_path)
    try:
        base = parse_config(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"The frozen config of run {run.id} cannot be read ({error}).") from None
    spec = view.loop.spec
    fields = load_settings(console.project).field_types()
    newest = view.snapshot.round.number if view.snapshot.round else 0
    dead = (ProposalStatus.BLOCKED, ProposalStatus.REJECTED)
    twins = {p.config_hash: p.id for p in view.snapshot.proposals if p.round == newest and p.status not in dead}

    def seen(hash_: str) -> str | None:
        return console.feed.store.where_run(hash_) or (f"proposal {twins[hash_]}" if hash_ in twins else None)

    @lru_cache(maxsize=1)  # Asked twice for each key: what is wrong, and what it would do.
    def judged(text: str) -> tuple[str | None, str]:
        edits = split_edits(text)
        if not edits:
            return None, ""
        try:
            changes = resolve(base, parse_edits(edits), fields)
        except UserError as error:
            return plain(str(error)), ""
        flags = [change.path for change in changes if change.path in GIVEN_BY_FLAGS]
        if flags:
            return f"{flags[0]} is given by a flag of the loop for all its runs; leave it out.", ""
        guarded = check_variant({**base, "steps": spec.steps}, changes, by_rule=False, seen=seen, extra=spec.extra)
        if guarded.blocked:
            return plain(guarded.blocked), ""
        notes = "".join(f" ({note})" for note in [*guarded.notes, *(c.note for c in guarded.changes if c.note)])
        return None, plain(changes_in_short(guarded.changes, 6) + notes)

    return judged


def ask_variant(console: ConsoleApp, view: View, run: Run) -> None:
    """Ask for edits and then for a reason; a proposal is sent after both. Esc at either leaves everything as it is."""
    try:
        judged = judge(console, view, run)
    except UserError as error:
        console.told(str(error), ok=False)
        return

    def edits_given(text: str | None) -> None:
        if text is None or not (edits := split_edits(text)):
            return

        def reason_given(reason: str | None) -> None:
            if reason is not None:
                console.ask("propose", run=run.id, edits=edits, reason=reason.strip())

        console.push_screen(Ask("Why this variant?", "May stay empty. It is kept with the proposal."), reason_given)

    console.push_screen(
        Ask(
            f"Variant of {plain(run.name)} ({run.id})",
            "path=value or path@op=value with op mul, add, min or max; several with spaces between.",
            placeholder="policy.optimizer_lr@mul=0.5 seed=1001",
            needed=True,
            check=lambda text: judged(text)[0],
            explain=lambda text: judged(text)[1],
        ),
        edits_given,
    )
