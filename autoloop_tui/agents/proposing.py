"""What an agent may do to a loop: check edits, propose, withdraw what it proposed, and hold the next round."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from autoloop.configs import suffix_of
from autoloop.engine.base.frozen_config import frozen_config
from autoloop.engine.planning.frozen import preset_of
from autoloop.engine.planning.variant_policies import loop_policy
from autoloop.model import LONGEST_NOTE, Actor, Loop, NoteTarget, Sender, UserError
from autoloop.protocol import Hold, Note, Propose, Reject, Variant
from autoloop.settings import load_settings
from autoloop.store import Store
from autoloop.variants.check import check
from autoloop.variants.request import VariantRequest

from autoloop_tui import client
from autoloop_tui.agents.quoting import quoted, value
from autoloop_tui.agents.results import Difference

LONGEST_REASON, MOST_EDITS, LONGEST_EDIT = 500, 40, 1000


@dataclass
class Checked:
    """What edits would come to. `blocked`: why they may not run; else `propose` takes them."""

    base: str
    changes: list[Difference]
    notes: list[str]
    blocked: str | None
    config_hash: str


@dataclass
class Proposed:
    """A proposal that waits for a person. `key`: the same call with it again proposes nothing anew."""

    proposal: int
    status: str
    changes: list[Difference]
    said: str
    key: str
    notes: list[str] = field(default_factory=list)


@dataclass
class Said:
    said: str


def checked(store: Store, loop: Loop, run: str, edits: list[str], actor: Actor) -> Checked:
    edits = _bounded(edits)
    base = store.find_run(loop, run)
    fields = load_settings(Path(loop.spec.cwd)).field_types()
    made_from = store.last_round(loop.id).number
    policy = loop_policy(store, loop.id, loop.spec, preset_of(store.places, loop), fields, made_from)
    request = VariantRequest(author=actor, reason="", edits=edits)
    found = check(frozen_config(base), request, policy, suffix_of(base.config_path))
    return Checked(
        base=base.id,
        changes=[Difference(quoted(each.path), value(each.before), value(each.after)) for each in found.changes],
        notes=[quoted(note) for note in found.notes],
        blocked=quoted(found.blocked, 400) if found.blocked else None,
        config_hash=found.hash[:12],
    )


def proposed(
    store: Store, loop: Loop, run: str, edits: list[str], reason: str, key: str, expect: str | None, sender: Sender
) -> Proposed:
    base = store.find_run(loop, run)
    variant = Variant(edits=_bounded(edits), reason=_reason(reason), expect=expect)
    if not 1 <= len(key) <= 200:
        raise UserError("Give a key of 1 to 200 characters: the same call with the same key proposes nothing anew.")
    said = client.ask(store, loop, Propose(run=base.id, variants=[variant], key=quoted(key)), sender)
    mine = [each for each in store.proposals(loop.id) if each.author == sender.actor and each.base_run == base.id]
    made = next(each for each in reversed(mine) if each.edits == variant.edits)
    return Proposed(
        proposal=made.id,
        status=made.status.value,
        changes=[Difference(quoted(each.path), value(each.before), value(each.after)) for each in made.changes],
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
    return Said(quoted(client.note(store, loop, request, sender)))


def _bounded(edits: list[str]) -> list[str]:
    if not 1 <= len(edits) <= MOST_EDITS or any(len(edit) > LONGEST_EDIT for edit in edits):
        raise UserError(f"Give 1 to {MOST_EDITS} edits as path@op=value, of at most {LONGEST_EDIT} characters each.")
    return edits


def _reason(text: str) -> str:
    if len(text) > LONGEST_REASON:
        raise UserError(f"A reason has at most {LONGEST_REASON} characters; this one has {len(text)}.")
    return quoted(text, LONGEST_REASON)
