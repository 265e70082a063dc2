"""A query about one loop reads only the rows of that loop, however many loops there are."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator

import pytest
from autoloop.model import Actor, Attempt, EventKind, Loop, LoopSpec, LoopState, Proposal, Round, RoundState, Run, RunState
from autoloop.protocol import Pause
from autoloop.store import Store, take_snapshot

from tests.support.databases import connections
from tests.support.senders import person

LOOPS, RUNS = 20, 1000


Asked = tuple[Store, sqlite3.Connection]
"""A store and the connection it uses."""


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """20 000 runs of 20 loops, each with an attempt, a proposal and an event."""
    with pytest.MonkeyPatch.context() as patch:
        opened = connections(patch)
        store = Store.open(tmp_path_factory.mktemp("many"), create=True)
    with store:
        with store.transaction():
            for loop in range(1, LOOPS + 1):
                name, spec, done = f"loop_{loop}", LoopSpec(configs=[]), LoopState.FINISHED
                store.put_loop(Loop(id=loop, name=name, state=done, spec=spec, output_dir="/o", created_at=1.0))
                store.put_round(Round(loop=loop, number=1, state=RoundState.DONE, started_at=1))
                for position in range(RUNS if loop < LOOPS else 3):
                    fill(store, loop, position)
        yield store, opened[-1]


def fill(store: Store, loop: int, position: int) -> None:
    run = f"{loop}-{position}"
    number = store.next_id("proposals")
    store.put_run(
        Run(id=run, loop=loop, round=1, position=position, name=run, config_path="", source_path="", config_hash=run)
    )
    store.put_attempt(
        Attempt(
            id=f"{run}-1", run=run, number=1, slot=0, output_dir="", directory="", created_at=1.0, result=RunState.FINISHED
        ),
        loop,
    )
    store.put_proposal(Proposal(id=number, loop=loop, round=1, base_run=run, author=Actor.person("x"), reason="", edits=[]))
    store.add_event(loop, EventKind.NOTE, run)
    store.answer(store.send(loop, Pause(), person("ada")), True, "")


QUESTIONS: dict[str, Callable[[Store], object]] = {
    "status": lambda store: take_snapshot(store, LOOPS),
    "queue": lambda store: store.queued(LOOPS),
    "open attempts": lambda store: store.open_attempts(LOOPS),
    "attempts of a run": lambda store: store.attempts("3-3"),
    "one run": lambda store: store.run("3-3"),
    "one round's runs": lambda store: store.runs(LOOPS, 1),
    "each of one round's runs": lambda store: list(store.each_run(LOOPS, 1)),
    "has every run ended": lambda store: store.all_ended(LOOPS),
    "has every run of a round ended": lambda store: store.all_ended(LOOPS, 1),
    "how many runs": lambda store: store.number_of_runs(LOOPS),
    "the last round": lambda store: store.last_round(LOOPS),
    "one round's proposals": lambda store: store.proposals(LOOPS, 1),
    "one proposal": lambda store: store.proposal(5),
    "events since": lambda store: store.events(LOOPS, 15_000),
    "has this config run": lambda store: store.where_run("3-3"),
    "a loop by name": lambda store: store.find_loop("loop_7"),
    "the newest loop": lambda store: store.find_loop(None),
    "open commands": lambda store: store.open_commands(LOOPS),
    "one command": lambda store: store.command(7),
    "the next event's number": lambda store: store.next_id("events"),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_no_question_of_the_engine_or_a_client_walks_through_a_table(many: Asked, question: str) -> None:
    store, database = many
    asked: list[str] = []
    database.set_trace_callback(asked.append)
    try:
        QUESTIONS[question](store)
    finally:
        database.set_trace_callback(None)
    queries = [sql for sql in asked if sql.lstrip().upper().startswith("SELECT")]
    assert queries
    with sqlite3.connect(store.places.database) as reader:
        for sql in queries:
            plan = [row[3] for row in reader.execute(f"EXPLAIN QUERY PLAN {sql}")]
            walks = [step for step in plan if re.match(r"SCAN (?!CONSTANT ROW)", step)]
            # The newest loop is the last row: reading backwards stops at the first row.
            newest = walks == ["SCAN loops"] and sql.endswith("ORDER BY id DESC LIMIT 1")
            assert newest or not walks, f"{sql}: {plan}"
    reader.close()


@pytest.mark.parametrize(("kind", "table"), [(Run, "runs"), (Attempt, "attempts"), (Proposal, "proposals")])
def test_what_has_changed_is_found_by_the_number_of_its_change(many: Asked, kind: type[Run], table: str) -> None:
    """Not by searching all rows of the loop, of which most did not change."""
    store, database = many
    last, _ = store.changed(kind, table, 1, 10**9)
    asked: list[str] = []
    database.set_trace_callback(asked.append)
    try:
        store.changed(kind, table, 1, last - 1)
    finally:
        database.set_trace_callback(None)
    with sqlite3.connect(store.places.database) as reader:
        plans = [reader.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()[0][3] for sql in asked]
    reader.close()
    assert len(plans) == 2
    assert all(f"{table}_by_revision" in plan for plan in plans), plans
