"""Garbage in `commands`, as a faulty client might write it: each row is answered, and none ends the loop."""

from __future__ import annotations

import json
import random
import sqlite3
from contextlib import closing
from typing import Any

import msgspec
import pytest

from tests.engine.project import EngineProject
from tests.support.senders import person
from tests.support.waiting import PATIENCE

KINDS = ["approve", "reject", "undo", "edit", "propose", "start", "hold", "pause", "resume", "retry", "extend", "move"]
KINDS += ["", "é", "x" * 999]
OF_RUNS = ["stop", "kill"]
"""Without a run, they rightly stop the loop; here they always name one."""
VALUES: list[Any] = [None, True, -1, 0, 1, 2**63, 2**70, 1e308, 1.5, "", "a", "\x00\x1b[2J", "x" * 10_000]
VALUES += [[], [1], ["lr=2"], ["lr"], [None], {}]
KEYS = ["proposal", "run", "edits", "note", "reason", "held", "before", "steps", "max_hours", "max_runs", "__class__"]
TORN: list[Any] = [b"", b"{", b"\xff\xff", "null", "[]", '"x"', "[" * 20_000, 7, '{"run": NaN}', '{"a":1,"a":2}']


def rows(chance: random.Random, number: int) -> list[tuple[str, Any]]:
    made: list[tuple[str, Any]] = []
    for _ in range(number):
        payload: Any = {key: chance.choice(VALUES) for key in chance.sample(KEYS, chance.randrange(5))}
        if chance.random() < 0.2:
            made.append((chance.choice(KINDS), chance.choice(TORN)))
        elif chance.random() < 0.2:
            made.append((chance.choice(OF_RUNS), json.dumps({**payload, "run": chance.choice(VALUES[:-1])})))
        else:
            made.append((chance.choice(KINDS), json.dumps(payload)))
    return made


def every_row_is_answered(project: EngineProject, chance: random.Random, number: int) -> None:
    loop = project.loop([project.config("a")], rounds=2, decide=True, approve="manual")
    with project.driven(loop) as engine:
        engine.waiting()
        sent = rows(chance, number)
        with closing(sqlite3.connect(project.store.places.database, timeout=PATIENCE)) as database, database:
            for kind, payload in sent:
                database.execute(
                    "INSERT INTO commands (loop, kind, payload, actor, sent_at, sender) VALUES (?, ?, ?, 'garbage', 0, ?)",
                    (loop.id, kind, payload, msgspec.json.encode(person("garbage"))),
                )
        engine.until(lambda: not project.store.open_commands(loop.id), "an answer to every row")
        for command in range(1, number + 1):
            answer = project.store.command(command).answer
            assert answer, sent[command - 1]
            assert "bug in Auto Loop" not in answer, (sent[command - 1], answer)
            assert "\n" not in answer
        engine.leave()


def test_garbage_in_commands_is_answered_row_by_row(project: EngineProject) -> None:
    every_row_is_answered(project, random.Random(1), 150)


@pytest.mark.faults
def test_garbage_in_commands_is_answered_row_by_row_however_much(project: EngineProject) -> None:
    every_row_is_answered(project, random.Random(2), 4000)
