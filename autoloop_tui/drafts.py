"""What a person types as edits of a run's config, judged while they type as the engine will judge it when sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from autoloop.configs import Config, FieldTypes, check_variant, parse_edits, resolve
from autoloop.engine.proposals import GIVEN_BY_FLAGS
from autoloop.model import Change, LoopSpec, UserError

_CLOSING = {"[": "]", "{": "}"}


@dataclass(frozen=True)
class Draft:
    """Edits as typed. `changes`: what they resolve to; `problem`: why they cannot be proposed, or None."""

    edits: list[str]
    changes: list[Change] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problem: str | None = None


def split_edits(text: str) -> list[str]:
    """One line of edits with spaces (or commas and spaces) between them; a JSON value may hold spaces itself."""
    edits, current, open_, quoted, escaped = [], "", list[str](), False, False
    for character in text:
        if character.isspace() and not open_ and not quoted:
            edits.append(current)
            current = ""
            continue
        current += character
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif not quoted and character in _CLOSING:
            open_.append(_CLOSING[character])
        elif not quoted and open_ and character == open_[-1]:
            open_.pop()
    return [edit for each in [*edits, current] if (edit := each.rstrip(","))]


def judge(
    text: str, base: Config, spec: LoopSpec, fields: FieldTypes, seen: Callable[[str], str | None]
) -> Draft:
    """Resolve and guard the edits in `text` against a run's config. Never fails. `seen`: see `check_variant`."""
    edits = split_edits(text)
    if not edits:
        return Draft([], problem="write path=value or path@op=value, with spaces between several")
    try:
        changes = resolve(base, parse_edits(edits), fields)
    except UserError as error:
        return Draft(edits, problem=str(error))
    given = [change.path for change in changes if change.path in GIVEN_BY_FLAGS]
    kept = [change for change in changes if change.path not in GIVEN_BY_FLAGS]
    guarded = check_variant({**base, "steps": spec.steps}, kept, by_rule=False, seen=seen, extra=spec.extra)
    notes = [f"{path} is given by a flag of the loop for all its runs: left out" for path in given]
    notes += [*guarded.notes, *(change.note for change in guarded.changes if change.note)]
    return Draft(edits, guarded.changes, notes, guarded.blocked)


def value_text(value: Any) -> str:
    """A config's value in one line, as JSON."""
    return f"{value:.6g}" if isinstance(value, float) else msgspec.json.encode(value).decode()

