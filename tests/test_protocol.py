"""The engine reads exactly what a client sent, whoever wrote the row, and answers an invalid row with a sentence."""

from __future__ import annotations

import json
from typing import Any, get_args

import msgspec
import pytest
from autoloop.model import NoteTarget, UserError
from autoloop.protocol import (
    VERBS,
    Agents,
    Approve,
    Edit,
    Extend,
    Hold,
    Kill,
    Move,
    Note,
    Pause,
    Propose,
    Reject,
    Request,
    Resume,
    Retry,
    Start,
    Stop,
    Undo,
    Variant,
    decode,
    payload,
    verb,
)

EXAMPLES: list[Request] = [
    Approve(proposals=[1, 3], note="go"),
    Approve(proposals=[2]),
    Reject(proposals=[4], note="diverged before"),
    Undo(),
    Undo(proposals=[1]),
    Edit(proposal=2, edits=["lr@mul=2"]),
    Propose(run="base", variants=[Variant(edits=["lr=1", "seed=2"], reason="a hunch"), Variant(edits=["lr=2"])]),
    Start(),
    Hold(),
    Hold(held=False),
    Pause(),
    Resume(),
    Resume(max_hours=6, max_runs=40),
    Stop(),
    Stop(run="h5ktqxph"),
    Kill(),
    Kill(run="h5ktqxph"),
    Retry(run="base"),
    Extend(run="base", steps=4000),
    Move(run="a", before="b"),
    Move(run="a"),
    Agents(),
    Agents(held=False),
    Note(text="a slow night"),
    Note(text="NaN", target=NoteTarget.RUN, about="h5ktqxph"),
]


def test_every_request_has_an_example() -> None:
    assert {type(example) for example in EXAMPLES} == set(get_args(Request))
    assert sorted(VERBS) == sorted({verb(example) for example in EXAMPLES})


@pytest.mark.parametrize("request_", EXAMPLES, ids=repr)
def test_a_request_is_read_as_it_was_written(request_: Request) -> None:
    body = json.dumps(payload(request_))
    assert decode(verb(request_), body) == request_
    assert decode(verb(request_), body.encode()) == request_
    assert msgspec.json.decode(msgspec.json.encode(request_), type=Request) == request_


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [
        ("approve", {"proposal": 5, "note": None}, Approve(proposals=[5])),
        ("approve", {"proposals": [5, 6], "note": "go"}, Approve(proposals=[5, 6], note="go")),
        ("reject", {"proposal": 5, "note": "weak"}, Reject(proposals=[5], note="weak")),
        ("undo", {"proposal": 5}, Undo(proposals=[5])),
        ("undo", {}, Undo()),
        ("edit", {"proposal": 5, "edits": ["lr=1"]}, Edit(proposal=5, edits=["lr=1"])),
        (
            "propose",
            {"run": "a", "edits": ["lr=1"], "reason": "why"},
            Propose(run="a", variants=[Variant(edits=["lr=1"], reason="why")]),
        ),
        (
            "propose",
            {"run": "a", "variants": [{"reason": "why", "edits": ["lr=1"]}]},
            Propose(run="a", variants=[Variant(edits=["lr=1"], reason="why")]),
        ),
        ("resume", {"max_hours": 6}, Resume(max_hours=6.0)),
        ("move", {"run": "a", "before": None}, Move(run="a")),
        ("stop", {"run": "a"}, Stop(run="a")),
    ],
)
def test_what_version_0_1_wrote_is_understood(kind: str, fields: dict[str, Any], expected: Request) -> None:
    assert decode(kind, json.dumps(fields)) == expected


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("launch the rocket", "{}"),
        ("Approve", '{"proposals": [1]}'),
        ("", "{}"),
        ("approve", "{}"),
        ("approve", '{"proposals": []}'),
        ("approve", '{"proposals": [0]}'),
        ("approve", '{"proposals": [9223372036854775808]}'),
        ("approve", '{"proposals": ["1"]}'),
        ("approve", '{"proposal": null}'),
        ("undo", '{"proposals": null}'),
        ("edit", '{"proposal": 1, "edits": []}'),
        ("edit", '{"proposal": 1, "edits": "lr=2"}'),
        ("propose", '{"run": "a", "variants": []}'),
        ("propose", '{"run": "", "edits": ["lr=2"]}'),
        ("hold", '{"held": "no"}'),
        ("resume", '{"max_hours": true}'),
        ("resume", '{"max_runs": 1.5}'),
        ("extend", '{"run": "a", "steps": "40"}'),
        ("pause", '{"until": "tomorrow"}'),
        ("pause", "[]"),
        ("pause", "{"),
        ("pause", b"\xff"),
        ("pause", "[" * 20_000),
        ("pause", '{"a\\nb": 1}'),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_row_that_holds_no_request_is_one_sentence(kind: str, body: bytes | str) -> None:
    with pytest.raises(UserError) as caught:
        decode(kind, body)
    assert "\n" not in str(caught.value)
    assert kind in str(caught.value)


@pytest.mark.parametrize("body", ['{"run": null}', '{"run": ""}', '{"runs": "a"}', "[]", "{", ""])
@pytest.mark.parametrize("kind", ["stop", "kill"])
def test_only_a_request_without_any_run_stops_the_whole_loop(kind: str, body: str) -> None:
    with pytest.raises(UserError):
        decode(kind, body)
