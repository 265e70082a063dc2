"""What a client may ask of a running engine: one typed request per verb, used by both sides.

The console, the command line and scripts send the same objects with `Store.send`; the engine decodes a row with `decode` and
carries it out (`engine/commands/`). No I/O, and no engine: a client needs nothing else to ask.
"""

from __future__ import annotations

from typing import Annotated, Any, cast, get_args

import msgspec
from msgspec import UNSET, Meta, UnsetType

from autoloop.model import LONGEST_NOTE, NoteTarget, UserError
from autoloop.model.structs import convert
from autoloop.text.validation import problem_text

Number = Annotated[int, Meta(ge=1, le=(1 << 63) - 1)]
"""A proposal's, as SQLite can hold it."""
Numbers = Annotated[list[Number], Meta(min_length=1)]
"""Proposals by their numbers."""
RunName = Annotated[str, Meta(min_length=1)]
"""A run by its id, or by its name: then the newest of that name."""
Edits = Annotated[list[str], Meta(min_length=1)]
"""Edits as `path@op=value`."""

Criterion = Annotated[str, Meta(max_length=500)]

# A field that narrows a request to one run, or to some proposals, is left out (UNSET) rather than null: a client that sends
# null by mistake is refused, and does not stop the whole loop.


class _Verb(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag=str.lower):
    """The tag of a request is its verb: the class name in lower case."""


class Approve(_Verb, frozen=True):
    proposals: Numbers
    note: str | None = None
    seen: list[str] | UnsetType = UNSET
    """The `approval_hash` of each proposal as the sender saw it: one that was edited since is not approved."""


class Reject(_Verb, frozen=True):
    proposals: Numbers
    note: str | None = None


class Undo(_Verb, frozen=True):
    """Take back the decisions on these proposals; without any, what the last approval or rejection decided."""

    proposals: Numbers | UnsetType = UNSET


class Edit(_Verb, frozen=True):
    """Replace what a proposal changes, its reason or its expectation; it then waits for a decision again."""

    proposal: Number
    edits: Edits
    kill_criterion: Criterion | UnsetType = UNSET
    """Another criterion by which its run is stopped; empty: none."""
    reason: str | UnsetType = UNSET
    """Another reason."""
    expect: str | UnsetType = UNSET
    """Another expectation, a metric and `lower` or `higher`; empty: none."""


class Variant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One variant that somebody proposes."""

    edits: Edits
    reason: str = ""
    expect: str | None = None
    """A metric and `lower` or `higher`."""
    kill_criterion: Criterion = ""
    """A condition of a live rule, by which its run is stopped."""


class Propose(_Verb, frozen=True):
    """Propose variants of a run for the next round: all of them, or none if one cannot be used."""

    run: RunName
    variants: Annotated[list[Variant], Meta(min_length=1)]
    key: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    """Sent again with the same key by the same sender, because its answer was lost, it proposes nothing anew."""


class Start(_Verb, frozen=True):
    """Start the next round now, with what is approved."""


class Hold(_Verb, frozen=True):
    """Keep the next round from starting automatically, or let it start again."""

    held: bool = True


class Pause(_Verb, frozen=True):
    """Start no new run until `Resume`."""


class Resume(_Verb, frozen=True):
    max_hours: float | None = None
    """Stop this many hours from now."""
    max_runs: int | None = None
    """How many runs the loop may start in all."""


class Stop(_Verb, frozen=True):
    """Stop a run, or without one the whole loop: interrupt, wait, terminate, kill."""

    run: RunName | UnsetType = UNSET


class Kill(_Verb, frozen=True):
    """Stop a run, or without one the whole loop, without waiting for a clean end."""

    run: RunName | UnsetType = UNSET


class Retry(_Verb, frozen=True):
    run: RunName


class Extend(_Verb, frozen=True):
    """Let an ended run continue from its last checkpoint, to `steps` steps in all."""

    run: RunName
    steps: int


class Move(_Verb, frozen=True):
    """Move a queued run before another one, or to the end of the queue."""

    run: RunName
    before: str | None = None


class Note(_Verb, frozen=True):
    """Write something down about the loop, or a round, a run or a proposal of it."""

    text: Annotated[str, Meta(min_length=1, max_length=LONGEST_NOTE)]
    target: NoteTarget = NoteTarget.LOOP
    about: Annotated[str, Meta(max_length=200)] = ""
    """The number of the round or the proposal; a run by its id or name."""


class Agents(_Verb, frozen=True):
    """Keep all agents from asking for anything, or let them again."""

    held: bool = True


Request = (
    Approve
    | Reject
    | Undo
    | Edit
    | Propose
    | Start
    | Hold
    | Pause
    | Resume
    | Stop
    | Kill
    | Retry
    | Extend
    | Move
    | Note
    | Agents
)

_KINDS = {str(kind.__struct_config__.tag): kind for kind in get_args(Request)}

VERBS: tuple[str, ...] = tuple(_KINDS)


def verb(request: Request) -> str:
    return str(request.__struct_config__.tag)


def payload(request: Request) -> dict[str, Any]:
    """The request's fields without its verb, as JSON holds them."""
    fields: dict[str, Any] = msgspec.to_builtins(request)
    del fields["type"]
    return fields


def decode(kind: str, body: bytes | str) -> Request:
    """The request of a row: its verb and its JSON payload. UserError, in one sentence, for a row that holds none."""
    if kind not in VERBS:
        raise UserError(f'There is no command "{kind}"; known are {", ".join(VERBS)}.')
    try:
        fields = msgspec.json.decode(body, type=dict[str, Any])
        request: Request = convert({**_of_version_0_1(kind, fields), "type": kind}, cast("Any", Request))
        return request
    except msgspec.ValidationError as error:
        problem = problem_text(error, _KINDS[kind])
    except (ValueError, TypeError, RecursionError) as error:  # not an object, not JSON, not even text, or nested without end
        problem = f"{' '.join(str(error).split())}."
    raise UserError(f"The {kind} command could not be carried out: {problem}")


def _of_version_0_1(kind: str, fields: dict[str, Any]) -> dict[str, Any]:
    """A payload in today's shape: Auto Loop 0.1 also named one proposal, or wrote one variant, outside of a list."""
    if kind in ("approve", "reject", "undo") and "proposal" in fields and "proposals" not in fields:
        return {**{key: value for key, value in fields.items() if key != "proposal"}, "proposals": [fields["proposal"]]}
    if kind == "propose" and "variants" not in fields:
        variant = {key: value for key, value in fields.items() if key != "run"}
        return {key: value for key, value in fields.items() if key == "run"} | {"variants": [variant]}
    return fields
