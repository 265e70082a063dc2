"""Generate the page on states and its diagrams from `autoloop.model.transitions`: `python -m docs.make_states_page`.

Every function is called with every state it may encounter, and the results are drawn. The page therefore shows what the
code actually does.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from enum import Enum
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_type_hints

import msgspec
from autoloop.model import transitions
from autoloop.model.delivery import DeliveryState
from autoloop.model.loop import LoopState, RoundState
from autoloop.model.proposal import ProposalStatus
from autoloop.model.run import RunState
from autoloop.model.transitions import ImpossibleChangeError

DOCS = Path(__file__).parent
PAGE = DOCS / "states.md"

HEAD = """\
# States

Every change of a state is a function of `core/autoloop/model/transitions.py` that sets all fields that go with it;
nothing else writes a state. This page and its diagrams are made by calling each of these functions from each state:
what is not drawn raises `ImpossibleChangeError`. A dot stands for *made, or from any state*.
[Architecture](architecture.md#states) explains when the changes happen.

`python -m docs.make_states_page` makes the page; a test compares.
"""


class Subject(NamedTuple):
    name: str
    field: str
    states: type[Enum]
    places: dict[str, tuple[float, float]]
    """Column and row of each state."""


SUBJECTS = (
    Subject(
        "run",
        "state",
        RunState,
        {
            "queued": (0, 1.8),
            "running": (1.3, 0.3),
            "stopping": (1.3, 3.3),
            "finished": (3.2, 0),
            "failed": (3.2, 1.2),
            "stopped": (3.2, 2.4),
            "lost": (3.2, 3.6),
        },
    ),
    Subject(
        "proposal",
        "status",
        ProposalStatus,
        {
            "blocked": (0, 0),
            "pending": (0, 1.5),
            "skipped": (0, 3),
            "approved": (1.2, 0.5),
            "rejected": (1.2, 2.5),
            "launched": (2.4, 0),
            "done": (2.4, 1),
            "lapsed": (2.4, 2),
        },
    ),
    Subject("loop", "state", LoopState, {"active": (0, 0.5), "stopped": (1.4, 0), "finished": (1.4, 1)}),
    Subject("round", "state", RoundState, {"running": (0, 0), "deciding": (1.2, 0), "done": (2.4, 0)}),
    Subject(
        "delivery",
        "state",
        DeliveryState,
        {"pending": (0, 1), "delivered": (1.4, 0), "given up": (1.4, 1), "dropped": (1.4, 2)},
    ),
)


class Change(NamedTuple):
    function: str
    pairs: tuple[tuple[str, str], ...]
    """Pairs of states, from and to."""
    anywhere: bool
    """Whether it is possible from every state."""
    line: str


def changes(subject: Subject) -> Iterator[Change]:
    for name, function in vars(transitions).items():
        if name.startswith(f"{subject.name}_") and inspect.isfunction(function):
            yield _change(subject, name, function)


def _change(subject: Subject, name: str, function: Callable[..., Any]) -> Change:
    seen: list[tuple[str, str]] = []
    (first, kind), *others = ((key, hint) for key, hint in get_type_hints(function).items() if key != "return")
    for state in subject.states:
        reason = {"blocked": "text"} if state is ProposalStatus.BLOCKED else {}
        value = _like(kind, {subject.field: state, **reason})
        for given in product(*(_samples(hint) for _, hint in others)):
            try:
                result = function(**{first: value}, **dict(zip((key for key, _ in others), given, strict=True)))
            except ImpossibleChangeError:
                continue
            seen.append((str(state.value), str(getattr(result, subject.field).value)))
    everywhere = len({source for source, _ in seen}) == len(subject.states)
    line = (function.__doc__ or "").strip().split("\n\n")[0]
    return Change(name, tuple(dict.fromkeys(seen)), everywhere, " ".join(line.split()))


def _samples(hint: Any) -> list[Any]:
    """Return the values of a type that a change could depend on: every member of an enum, a struct with each result."""
    kinds = get_args(hint) if not isinstance(hint, type) else (hint,)
    if type(None) in kinds:
        return [None, *(value for kind in kinds if kind is not type(None) for value in _samples(kind))]
    if not isinstance(hint, type):
        return [[]]
    if issubclass(hint, Enum):
        return list(hint)
    if hint is bool:
        return [False, True]
    if hint is str:
        return ["text"]
    if not issubclass(hint, msgspec.Struct):
        return [hint()]
    if "result" in hint.__struct_fields__:
        return [_like(hint, {"result": result}) for result in (None, *(each for each in RunState if each.ended))]
    return [_like(hint, {})]


def _like(kind: type[msgspec.Struct], fields: dict[str, Any]) -> Any:
    """Return a struct with `fields`; other required fields get an arbitrary value of their type."""
    given = dict(fields)
    for field in msgspec.structs.fields(kind):
        if field.required and field.name not in given:
            given[field.name] = _samples(field.type)[0] if not hasattr(field.type, "__metadata__") else None
    return kind(**given)


# ------------------------------------------------------------------------------------------------------------ the drawing

WIDE, HIGH, ACROSS, DOWN, EDGE = 92, 30, 170, 62, 30


def drawing(subject: Subject) -> str:
    places = {state: (EDGE + 40 + x * ACROSS, EDGE + y * DOWN) for state, (x, y) in subject.places.items()}
    width = max(x for x, _ in places.values()) + WIDE + EDGE
    height = max(y for _, y in places.values()) + HIGH + EDGE
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}"'
        ' font-family="sans-serif" font-size="14">',
        f"<title>States of a {subject.name}</title>",
        '<defs><marker id="to" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z" fill="#7a869a"/></marker></defs>',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
    ]
    found = list(changes(subject))
    edges = dict.fromkeys((a, b) for each in found if not each.anywhere for a, b in each.pairs if a != b)
    parts += [_edge(places[a], places[b], both=(b, a) in edges) for a, b in edges]
    first = next(iter(subject.states))
    anywhere = dict.fromkeys((str(first.value), *(b for each in found if each.anywhere for _, b in each.pairs)))
    parts += [_begin(places[state]) for state in anywhere]
    for state, (x, y) in places.items():
        parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{WIDE}" height="{HIGH}" rx="8" fill="#eef3fb" stroke="#4a6fa5"/>'
            f'<text x="{x + WIDE / 2:g}" y="{y + 20:g}" text-anchor="middle" fill="#1c2733">{state}</text>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _edge(start: tuple[float, float], end: tuple[float, float], *, both: bool) -> str:
    """Return a line between the facing sides of two boxes. It is curved, so that the way back is a separate line."""
    (ax, ay), (bx, by) = start, end
    if abs(ax - bx) < 1:  # one above the other
        down = by > ay
        shift = (14 if down else -14) if both else 0
        a = (ax + WIDE / 2 + shift, ay + (HIGH if down else 0))
        b = (bx + WIDE / 2 + shift, by + (0 if down else HIGH))
        middle = ((a[0] + b[0]) / 2 + shift * 2, (a[1] + b[1]) / 2)
    else:
        right = bx > ax
        shift = (-5 if right else 5) if both else 0
        a = (ax + (WIDE if right else 0), ay + HIGH / 2 + shift)
        b = (bx + (0 if right else WIDE), by + HIGH / 2 + shift)
        middle = ((a[0] + b[0]) / 2, (a[1] + b[1]) / 2 + shift * 4)
    return (
        f'<path d="M{a[0]:g} {a[1]:g} Q{middle[0]:g} {middle[1]:g} {b[0]:g} {b[1]:g}" fill="none" stroke="#7a869a"'
        ' stroke-width="1.3" marker-end="url(#to)"/>'
    )


def _begin(place: tuple[float, float]) -> str:
    x, y = place
    return (
        f'<circle cx="{x - 26:g}" cy="{y + HIGH / 2:g}" r="5" fill="#1c2733"/>'
        f'<path d="M{x - 21:g} {y + HIGH / 2:g} L{x:g} {y + HIGH / 2:g}" stroke="#7a869a" stroke-width="1.3"'
        ' marker-end="url(#to)"/>'
    )


def picture(subject: Subject) -> Path:
    return DOCS / "pictures" / f"states-{subject.name}.svg"


def page() -> str:
    lines = [HEAD]
    for subject in SUBJECTS:
        title = "Deliveries (messages of hooks)" if subject.name == "delivery" else f"{subject.name.capitalize()}s"
        lines += [f"## {title}", "", f"![The states of a {subject.name}]({picture(subject).relative_to(DOCS)})", ""]
        lines += ["| change | from | to | |", "|---|---|---|---|"]
        for each in changes(subject):
            sources = "any" if each.anywhere else ", ".join(dict.fromkeys(source for source, _ in each.pairs))
            targets = ", ".join(dict.fromkeys(target for _, target in each.pairs))
            if all(source == target for source, target in each.pairs):
                targets = "the same"
            lines.append(f"| `{each.function}` | {sources} | {targets} | {each.line} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    for subject in SUBJECTS:
        picture(subject).write_text(drawing(subject), encoding="utf-8")
