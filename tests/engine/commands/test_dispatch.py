"""Every request that a client can send is carried out or refused by exactly one handler."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable
from types import ModuleType
from typing import get_args, get_type_hints

import pytest
from autoloop.engine.commands import agents, dispatch, loop, notes, proposals, rounds, runs
from autoloop.model import Event, LoopState
from autoloop.protocol import Kill, Pause, Request, Resume, Stop, verb

from tests.engine.project import EngineProject
from tests.test_protocol import EXAMPLES

GROUPS = (proposals, rounds, runs, loop, notes, agents)


def handlers(module: ModuleType) -> dict[str, tuple[type, ...]]:
    """Return the handlers of a module (its public functions that take a request) with the types of their requests."""
    found = {}
    for name, function in inspect.getmembers(module, inspect.isfunction):
        public = not name.startswith("_") and function.__module__ == module.__name__
        if public and (kind := get_type_hints(function).get("request")):
            found[name] = get_args(kind) or (kind,)
    return found


def test_every_request_has_exactly_one_handler() -> None:
    found = Counter(kind for group in GROUPS for kinds in handlers(group).values() for kind in kinds)
    assert found == Counter(get_args(Request))


@pytest.mark.parametrize("request_", EXAMPLES, ids=repr)
def test_a_request_reaches_the_handler_of_its_type(request_: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    reached: list[str] = []

    def stand_in(name: str) -> Callable[..., str]:
        def handler(*_: object, **__: object) -> str:
            reached.append(name)
            return name

        return handler

    for group in GROUPS:
        for name in handlers(group):
            monkeypatch.setattr(group, name, stand_in(name))
    monkeypatch.setattr(runs, "stop", stand_in("stop"))  # the handler for one run, for `stop` and `kill`
    answer = dispatch.carry_out(None, request_)  # type: ignore[arg-type]
    assert reached == [answer] == ["stop" if isinstance(request_, Stop | Kill) else verb(request_)]


def test_an_open_command_of_version_0_1_is_carried_out(project: EngineProject) -> None:
    loop = project.loop([project.config("a")], rounds=2, decide=True, approve="manual")
    with project.driven(loop) as engine:
        (proposal,) = engine.waiting()
        answers = engine.rows_done(
            [
                ("propose", {"run": "a", "edits": ["lr=5"], "reason": "try"}),
                ("reject", {"proposal": proposal.id, "note": "weak"}),
                ("undo", {}),
                ("approve", {"proposal": proposal.id, "note": None}),
                ("undo", {"proposal": proposal.id}),
                ("hold", {"held": True}),
            ]
        )
        assert "lr 1 → 5" in answers[0]
        assert answers[1] == f"proposal {proposal.id} is rejected: weak"
        assert "pending again" in answers[2]
        engine.leave()


def test_an_event_that_cannot_be_shown_changes_neither_the_answer_nor_the_loop(project: EngineProject) -> None:
    gate = project.gate("go")
    loop = project.loop([project.config("a", gate=str(gate))])
    heard: list[str] = []

    def listen(event: Event) -> None:
        heard.append(event.text)
        raise ZeroDivisionError

    with project.driven(loop, on_event=listen) as engine:
        engine.done(Pause())
        engine.done(Resume())
        gate.touch()
        assert engine.end().state is LoopState.FINISHED
    assert any("queue resumed" in text for text in heard)
    assert set(heard) <= {event.text for event in project.store.events(loop.id)}
