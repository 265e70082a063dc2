"""The actions of agents on a loop: check edits, propose, withdraw their proposals, hold the next round, add notes."""

from __future__ import annotations

from autoloop.engine.commands.proposals import proposed_with
from autoloop.foresight import foresee
from autoloop.model import LONGEST_NOTE, Actor, Loop, NoteTarget, Sender, UserError
from autoloop.protocol import Hold, Note, Propose, Reject, Variant
from autoloop.store import Store

from autoloop_tui import client
from autoloop_tui.agents.answers import Alike, Checked, Found, Proposed, Said
from autoloop_tui.agents.quoting import NAME, difference, quoted

LONGEST_REASON, MOST_EDITS, LONGEST_EDIT = 500, 40, 1000
MOST_FINDINGS, MOST_PATHS = 10, 3


def checked(store: Store, loop: Loop, run: str, edits: list[str], actor: Actor) -> Checked:
    base = store.find_run(loop, run)
    seen = foresee(store, loop, base, _bounded(edits), actor)
    found = seen.variant
    return Checked(
        base=base.id,
        changes=[difference(each) for each in found.changes],
        notes=[quoted(note) for note in found.notes],
        blocked=quoted(found.blocked, 400) if found.blocked else None,
        config_hash=found.hash[:12],
        findings=[
            Found(quoted(each.subject, NAME), each.level, quoted(each.text), quoted(each.advice))
            for each in seen.findings
            if each.level != "ok"
        ][:MOST_FINDINGS],
        past=[
            Alike(
                each.run.id,
                each.run.state.value,
                len(each.differs),
                [quoted(change.path, NAME) for change in each.differs[:MOST_PATHS]],
                quoted(each.said),
            )
            for each in seen.past
        ],
        left_out=[quoted(each) for each in seen.left_out],
    )


def proposed(
    store: Store,
    loop: Loop,
    run: str,
    edits: list[str],
    reason: str,
    key: str,
    expect: str | None,
    kill_criterion: str,
    sender: Sender,
) -> Proposed:
    base = store.find_run(loop, run)
    variant = Variant(edits=_bounded(edits), reason=_reason(reason), expect=expect, kill_criterion=kill_criterion)
    if not 1 <= len(key) <= 200:
        raise UserError("Give a key of 1 to 200 characters: repeating a call with the same key proposes nothing new.")
    request = Propose(run=base.id, variants=[variant], key=quoted(key))
    said = client.ask(store, loop, request, sender)
    first = proposed_with(store, loop.id, sender, request.key)  # on a retry, this is not the command that was just answered
    made = next((each for each in store.proposals(loop.id) if first and each.asked == first.id), None)
    if made is None:
        raise UserError(f"{said}; see `status`.")
    return Proposed(
        proposal=made.id,
        status=made.status.value,
        changes=[difference(each) for each in made.changes],
        said=quoted(said),
        key=quoted(key),
        notes=[quoted(note) for note in made.notes],
    )


def withdrawn(store: Store, loop: Loop, proposal: int, reason: str, sender: Sender) -> Said:
    request = Reject(proposals=[proposal], note=_reason(reason) or "withdrawn")
    return Said(quoted(client.ask(store, loop, request, sender)))


def held(store: Store, loop: Loop, sender: Sender) -> Said:
    return Said(quoted(client.ask(store, loop, Hold(), sender)))


def written(store: Store, loop: Loop, text: str, target: NoteTarget, about: str, sender: Sender) -> Said:
    if len(text) > LONGEST_NOTE:
        raise UserError(f"A note has at most {LONGEST_NOTE} characters; this one has {len(text)}.")
    request = Note(text=quoted(text, LONGEST_NOTE) or " ", target=target, about=about)
    return Said(quoted(client.ask_or_do(store, loop, request, sender)))


def _bounded(edits: list[str]) -> list[str]:
    if not 1 <= len(edits) <= MOST_EDITS or any(len(edit) > LONGEST_EDIT for edit in edits):
        raise UserError(f"Give 1 to {MOST_EDITS} edits as path@op=value, of at most {LONGEST_EDIT} characters each.")
    return edits


def _reason(text: str) -> str:
    if len(text) > LONGEST_REASON:
        raise UserError(f"A reason has at most {LONGEST_REASON} characters; this one has {len(text)}.")
    return quoted(text, LONGEST_REASON)
