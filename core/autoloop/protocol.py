"""The requests that a client may send to a running engine: one type per verb, used by both sides.

The console, the command line and scripts send the same objects with `Store.send`; the engine decodes a row with `decode` and
carries it out (`engine/commands/`). No I/O and no import of the engine: this module is all that a client needs.
"""

from __future__ import annotations

from typing import Annotated, Any, cast, get_args

import msgspec
from msgspec import UNSET, Meta, UnsetType

from autoloop.model import LONGEST_NOTE, NoteTarget, UserError
from autoloop.model.structs import convert
from autoloop.text.validation import problem_text

Number = Annotated[int, Meta(ge=1, le=(1 << 63) - 1)]
"""A proposal's number, within SQLite's integer range."""
Numbers = Annotated[list[Number], Meta(min_length=1)]
"""Proposal numbers."""
RunName = Annotated[str, Meta(min_length=1)]
"""A run's id, or its name: the newest run with that name."""
Edits = Annotated[list[str], Meta(min_length=1)]
"""Edits as `path@op=value`."""

Criterion = Annotated[str, Meta(max_length=500)]

# A field that narrows a request to one run or to some proposals is omitted (UNSET), never null: a client that sends null by
# mistake is refused instead of stopping the whole loop.


class _Verb(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag=str.lower):
    """Base of all requests. The tag of a request is its verb: the class name in lower case."""


class Approve(_Verb, frozen=True):
    proposals: Numbers
    note: str | None = None
    seen: list[str] | UnsetType = UNSET
    """The `approval_hash` of each proposal as the sender saw it; a proposal that was edited since is not approved."""


class Reject(_Verb, frozen=True):
    proposals: Numbers
    note: str | None = None


class Undo(_Verb, frozen=True):
    """Revert the decisions on these proposals; without proposals, the last approval or rejection."""

    proposals: Numbers | UnsetType = UNSET


class Edit(_Verb, frozen=True):
    """Replace a proposal's edits, reason, expectation or kill criterion; it is then pending again."""

    proposal: Number
    edits: Edits
    kill_criterion: Criterion | UnsetType = UNSET
    """A new condition that stops its run; empty removes it."""
    reason: str | UnsetType = UNSET
    """A new reason."""
    expect: str | UnsetType = UNSET
    """A new expectation, a metric and `lower` or `higher`; empty removes it."""


class Variant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One proposed variant."""

    edits: Edits
    reason: str = ""
    expect: str | None = None
    """A metric and `lower` or `higher`."""
    kill_criterion: Criterion = ""
    """A live rule's condition that stops its run."""


class Propose(_Verb, frozen=True):
    """Propose variants of a run for the next round: all of them, or none if one is invalid."""

    run: RunName
    variants: Annotated[list[Variant], Meta(min_length=1)]
    key: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    """An idempotency key: a request that the same sender repeats with this key, because the answer was lost, proposes
    nothing new."""


class Start(_Verb, frozen=True):
    """Start the next round now, with the approved proposals."""


class Hold(_Verb, frozen=True):
    """Keep the next round from starting automatically, or let it start again."""

    held: bool = True


class Pause(_Verb, frozen=True):
    """Start no new run until `Resume`."""


class Resume(_Verb, frozen=True):
    max_hours: float | None = None
    """Stop this many hours from now."""
    max_runs: int | None = None
    """The number of runs that the loop may start in total."""


class Stop(_Verb, frozen=True):
    """Stop a run, or the whole loop if none is given: interrupt, wait, terminate, kill."""

    run: RunName | UnsetType = UNSET


class Kill(_Verb, frozen=True):
    """Stop a run, or the whole loop if none is given, without waiting for a clean exit."""

    run: RunName | UnsetType = UNSET


class Retry(_Verb, frozen=True):
    run: RunName


class Extend(_Verb, frozen=True):
    """Continue an ended run from its last checkpoint, to `steps` steps in total."""

    run: RunName
    steps: int


class Move(_Verb, frozen=True):
    """Move a queued run before another one, or to the end of the queue."""

    run: RunName
    before: str | None = None


class Note(_Verb, frozen=True):
    """Add a note to the loop, or to one of its rounds, runs or proposals."""

    text: Annotated[str, Meta(min_length=1, max_length=LONGEST_NOTE)]
    target: NoteTarget = NoteTarget.LOOP
    about: Annotated[str, Meta(max_length=200)] = ""
    """The number of the round or proposal, or the id or name of the run; empty for the loop."""


class Agents(_Verb, frozen=True):
    """Block the requests of all agents, or allow them again."""

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
    """Return the request's fields without its verb, as JSON values."""
    fields: dict[str, Any] = msgspec.to_builtins(request)
    del fields["type"]
    return fields


def decode(kind: str, body: bytes | str) -> Request:
    """Return the request of a row with this verb and JSON payload. An invalid row raises a UserError of one sentence."""
    if kind not in VERBS:
        raise UserError(f'There is no command "{kind}"; known are {", ".join(VERBS)}.')
    try:
        fields = msgspec.json.decode(body, type=dict[str, Any])
        request: Request = convert({**_of_version_0_1(kind, fields), "type": kind}, cast("Any", Request))
        return request
    except msgspec.ValidationError as error:
        problem = problem_text(error, _KINDS[kind])
    except (ValueError, TypeError, RecursionError) as error:  # not an object, not JSON, not text, or nested too deeply
        problem = f"{' '.join(str(error).split())}."
    raise UserError(f"The {kind} command could not be carried out: {problem}")


def _of_version_0_1(kind: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Convert a payload of Auto Loop 0.1, which could hold one proposal or one variant without a list."""
    if kind in ("approve", "reject", "undo") and "proposal" in fields and "proposals" not in fields:
        return {**{key: value for key, value in fields.items() if key != "proposal"}, "proposals": [fields["proposal"]]}
    if kind == "propose" and "variants" not in fields:
        variant = {key: value for key, value in fields.items() if key != "run"}
        return {key: value for key, value in fields.items() if key == "run"} | {"variants": [variant]}
    return fields
