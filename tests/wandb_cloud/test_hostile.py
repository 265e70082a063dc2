"""Whatever a server answers, the result is a sentence, in time."""

from __future__ import annotations

import contextlib
import json
import os
import random
import time
from collections.abc import Callable
from typing import Any

import pytest
from autoloop.configs import dump_config
from autoloop.configs.fields import default_fields
from autoloop.model import UserError
from autoloop.wandb_cloud import service as asked_once
from autoloop.wandb_cloud.client import Project
from autoloop.wandb_cloud.run_config import trainer_config

from tests.wandb_cloud.stand_in import StandIn, StandInRun

DEEP = '{"data": ' + '{"project": {"run": ' * 400 + "1" + "}}" * 400 + "}"
ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    10**400,
    1e308,
    "",
    "x" * 5000,
    "\ud800",
    "NaN",
    [],
    [None],
    [[]],
    {},
    {"a": 1},
    [{"node": 3}],
    [3],
    {"edges": 3},
    {"edges": [[]]},
    {"node": {"name": ["a"]}},
    "[" * 5000,
    '{"_step": "a"}',
]
WHOLE = {
    "project": {
        "runs": {
            "edges": [{"node": {"name": "r", "displayName": "n", "tags": ["t"], "state": "s", "group": "g"}}],
            "pageInfo": {"hasNextPage": True, "endCursor": "c"},
        },
        "run": {
            "name": "r",
            "displayName": "n",
            "config": '{"lr": {"value": 1}}',
            "summaryMetrics": '{"_step": 9}',
            "historyLineCount": 3,
            "historyKeys": {"lastStep": 2},
            "history": ['{"_step": 1, "loss": 2}'],
        },
    },
    "viewer": {"entity": "e", "teams": {"edges": [{"node": {"name": "t"}}]}},
}
"""An answer to every query at once."""


def giving(body: bytes) -> Callable[[str], bytes]:
    """Return the behaviour of a server whose every answer is `body`."""
    return lambda _: body


def ask_once() -> None:
    """Send our only own request, which checks whether the key is accepted."""
    answer = asked_once.ask(os.environ)
    assert answer.state in ("ok", "refused", "away")
    answer.detail.encode()


def everything(seconds: float = 60.0) -> None:
    """Send all queries that are ever sent; each failure must be a sentence."""
    ask_once()
    with contextlib.suppress(UserError):
        for run in Project(os.environ, time.monotonic() + seconds, "e", "p").runs(5, limit=10)[1]:
            "".join((run.id, run.name, run.state, run.group)).encode()
            dump_config(trainer_config(run.config, default_fields()))


def once_the_key_is_taken(trouble: Any) -> Callable[[str], Any]:
    """Return the failure for every request except the check of the key, so that the official client encounters it."""
    return lambda name: None if name == "Viewer" else trouble


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    if isinstance(value, dict | list):
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            found += places(child, (*path, key))
    return found


def put(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    if not path:
        return odd
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = put(value[path[0]], path[1:], odd)
    return copy


@pytest.mark.parametrize("seed", range(6))
def test_a_value_of_any_other_type_in_any_place_is_no_crash(service: StandIn, seed: int) -> None:
    chance = random.Random(seed)
    bodies = []
    for path in places(WHOLE):
        answer = put(WHOLE, path, chance.choice(ODD))
        bodies.append(json.dumps({"data": answer} if chance.random() < 0.9 else {"errors": answer, "data": None}).encode())
        service.trouble = giving(bodies[-1])
        ask_once()
    if seed % 3 == 0:  # the official client is slow
        service.trouble = once_the_key_is_taken(chance.choice(bodies))
        everything()


@pytest.mark.parametrize("seed", range(2))
def test_a_run_that_holds_values_of_any_other_type_is_no_crash(service: StandIn, seed: int) -> None:
    """The client accepts such a run, and must not crash on its values."""
    chance = random.Random(seed)
    config = {f"key{index}": {"value": odd} for index, odd in enumerate(ODD)} | {"\ud800": {"value": "\ud800"}, "": 1}
    rows = [{"_step": step, "loss": chance.choice(ODD), "\ud800": 1.0, "x": 10**400} for step in range(20)]
    odd = StandInRun(name="\ud800", group="g", config=config, rows=rows)
    service.projects["e", "p"] = {"r": odd}
    everything()


BODIES = [
    b"",
    b"null",
    b"[]",
    b'"text"',
    b"\xff\xfe\x00",
    b"\x1f\x8b\x08",
    b'{"data": ' + b"[" * 100_000,
    DEEP.encode(),
    b'{"data": {"project": ' + b"9" * 5000 + b"}}",
    b"<html>" + b"x" * 2_000_000,
    b'{"errors": [[[[]]]]}',
    b'{"errors": [{"message": {"a": []}}]}',
    b'{"data": {"project": {"runs": {"edges": "abc"}}}}',
    b'{"data": {"viewer": {"entity": "\\ud800"}}}',
]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:30]))
def test_a_body_of_any_kind_is_no_crash(service: StandIn, body: bytes) -> None:
    service.trouble = giving(body)
    ask_once()


@pytest.mark.parametrize("body", BODIES[::4], ids=lambda body: repr(body[:30]))
def test_a_body_of_any_kind_that_the_official_client_gets_is_no_crash(service: StandIn, body: bytes) -> None:
    service.trouble = once_the_key_is_taken(body)
    everything()


@pytest.mark.parametrize("trouble", [204, 301, 302, 307, 400, 404, 418, 500, 503, "cut", "silent", "drip"])
def test_any_status_and_any_way_of_not_answering_ends_in_time(service: StandIn, trouble: int | str) -> None:
    service.trouble = lambda _: trouble
    everything(seconds=1.0)


def test_pages_without_end_end_with_the_time_that_was_given(service: StandIn) -> None:
    """Each page has one run, not one of those wanted, and a next page."""
    pages = iter(range(10**9))
    service.projects["e", "p"] = {"r": StandInRun(group="other")}
    node = StandInRun(group="other").node("r")

    def page(name: str) -> bytes | None:
        if name != "Runs":
            return None
        info = {"hasNextPage": True, "endCursor": str(next(pages))}
        runs = {"edges": [{"node": node, "cursor": info["endCursor"]}], "pageInfo": info}
        project = {"internalId": "7", "runCount": 10**9, "readOnly": False, "runs": runs}
        return json.dumps({"data": {"project": project}}).encode()

    service.trouble = page
    with pytest.raises(UserError, match="took too long"):
        Project(os.environ, time.monotonic() + 15.0, "e", "p").runs(5, group="mine")
    assert next(pages) > 1
