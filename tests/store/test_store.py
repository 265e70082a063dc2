"""Whatever is written can be read back, and readers and writers do not block each other."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from pathlib import Path

import msgspec
import pytest
from autoloop.model import (
    Actor,
    Attempt,
    Change,
    EventKind,
    Evidence,
    ExitRecord,
    LoopEnd,
    LoopEndKind,
    MetricSummary,
    Observation,
    Proposal,
    ProposalStatus,
    Round,
    RoundState,
    RunState,
    StopCause,
    StopKind,
    Summary,
    UserError,
)
from autoloop.protocol import Pause, Stop
from autoloop.store import NoLoopError, Store, take_snapshot

from tests.store.rows import a_loop, a_run
from tests.support.senders import person
from tests.support.waiting import PATIENCE

FULL_RUN = a_run(
    "full",
    state=RunState.STOPPED,
    reason="stopped: ☂ \x1b[31m 'quoted' \"twice\" | \n and more",
    base_run="other",
    proposal=7,
    changes=[Change(path="a.b", before=None, after=[1, 2.5, {"x": True}], created=True, note="made anew")],
    attempts=2,
    slot=1,
    output_dir="/out/0_full",
    step=12,
    total_steps=2000,
    summary=Summary(
        metrics={
            "train/loss": MetricSummary(
                first=1.0,
                last=0.1,
                best=0.1,
                best_step=9,
                delta=-0.9,
                pct=-90.0,
                n=3,
                min=0.1,
                max=1.0,
                tail_mean=0.2,
                tail_mad=0.01,
                first_step=1,
                last_step=12,
                nan=1,
                inf=2,
            )
        },
        steps=12,
    ),
    wandb_url="https://wandb.ai/x",
    created_at=1.0,
    started_at=2.0,
    ended_at=3.0,
)


FULL_ATTEMPT = Attempt(
    id="full-2",
    run="full",
    number=2,
    slot=1,
    output_dir="/out/0_full_a2",
    directory="/d/full-2",
    created_at=1.0,
    argv=["python", "-c", "print('x')"],
    handle={"pid": 7, "start_time": 2**50, "boot_id": "b", "host": "h"},
    started_at=2.0,
    ended_at=3.0,
    stop=StopCause(kind=StopKind.USER, text="stopped by ada"),
    result=RunState.STOPPED,
    cause="stopped: by ada",
    exit=ExitRecord(code=None, signal=15, stopped_by="stop", started_at=2.0, ended_at=3.0),
)


FULL_PROPOSAL = Proposal(
    id=7,
    loop=1,
    round=1,
    base_run="full",
    author=Actor.rule("x"),
    reason="why",
    edits=["a@mul=2"],
    changes=[Change(path="a", before=1, after=2)],
    status=ProposalStatus.SKIPPED,
    priority=-3,
    blocked="no",
    evidence=Evidence(
        rule="x",
        rule_version="v 1",
        when="a.last > 1",
        observations=[
            Observation(
                name="a.last",
                value=2.0,
                op=">",
                threshold=1,
                holds=True,
                metric="train/a",
                first_step=1,
                last_step=2,
                n=2,
                noise=0.5,
            )
        ],
    ),
    notes=["n"],
    note="said",
    decided_by=Actor.person("ada"),
    decided_at=4.0,
    base_hash="b",
    config_hash="c",
    revision=3,
    run="r",
    created_at=5.0,
)


def test_every_noun_comes_back_as_it_was_written(store: Store) -> None:
    loop = a_loop(end=LoopEnd(kind=LoopEndKind.SIGNAL, text="why"), paused=True, held=True, winner="full", ended_at=9.0)
    round_ = Round(loop=1, number=1, state=RoundState.DECIDING, started_at=1.0, ended_at=2.0, decide_by=3.0)
    store.put_loop(loop)
    store.put_round(round_)
    store.put_run(FULL_RUN)
    store.put_attempt(FULL_ATTEMPT, 1)
    store.put_proposal(FULL_PROPOSAL)
    event = store.add_event(1, EventKind.NOTE, "text ☂\n", "full")
    with Store.open(store.places.project) as other:
        assert other.loop(1) == other.find_loop(loop.name) == other.find_loop(None) == loop
        assert other.rounds(1) == [round_]
        assert other.run("full") == FULL_RUN
        assert other.attempts("full") == other.loop_attempts(1) == [FULL_ATTEMPT]
        assert other.proposal(7) == FULL_PROPOSAL
        assert other.events(1) == [event]
        snapshot = take_snapshot(other, 1)
    assert (snapshot.loop, snapshot.rounds, snapshot.runs) == (loop, [round_], [FULL_RUN])
    assert (snapshot.proposals, snapshot.attempts) == ([FULL_PROPOSAL], {"full": FULL_ATTEMPT})


def test_what_was_read_can_be_written_again(store: Store) -> None:
    store.put_run(FULL_RUN)
    store.put_attempt(FULL_ATTEMPT, 1)
    store.put_run(msgspec.structs.replace(store.run("full"), position=9))
    store.put_attempt(msgspec.structs.replace(store.attempts("full")[0], number=2), 1)
    assert store.run("full") == msgspec.structs.replace(FULL_RUN, position=9)
    assert store.attempts("full") == [msgspec.structs.replace(FULL_ATTEMPT, number=2)]


def test_writing_again_replaces_what_was_there(store: Store) -> None:
    store.put_loop(a_loop())
    store.put_run(a_run("a", state=RunState.QUEUED))
    store.put_run(a_run("a", state=RunState.FINISHED, position=3))
    assert [(run.state, run.position) for run in store.runs(1)] == [(RunState.FINISHED, 3)]
    assert store.queued(1) == []


def test_the_queue_is_in_order_of_round_and_position(store: Store) -> None:
    for name, round_, position in (("c", 2, 0), ("b", 1, 5), ("a", 1, 2), ("other", 1, 3)):
        store.put_run(a_run(name, round_=round_, position=position))
    store.put_run(a_run("other", position=3, state=RunState.RUNNING))
    store.put_run(a_run("elsewhere", loop=2))
    assert [run.id for run in store.queued(1)] == ["a", "b", "c"]


def test_runs_are_in_the_order_in_which_they_were_made_wherever_they_stand_in_the_queue(store: Store) -> None:
    store.put_loop(a_loop())
    for place, name in enumerate("abc"):
        store.put_run(a_run(name, position=place))
    store.put_run(a_run("late", round_=2, position=0))
    for place, name in enumerate("cba"):
        store.put_run(a_run(name, position=place, state=RunState.FINISHED))
    made = ["a", "b", "c", "late"]
    assert [run.id for run in store.runs(1)] == [run.id for run in take_snapshot(store, 1).runs] == made
    assert [run.id for run in store.runs(1, 1)] == ["a", "b", "c"]
    assert [run.id for run in store.newest_in(1, RunState.FINISHED, 2)] == ["c", "b"]


def test_runs_that_are_read_one_by_one_are_the_same_and_hold_nobody_up(store: Store) -> None:
    store.put_loop(a_loop())
    for number in range(100):
        store.put_run(a_run(f"r{number}", round_=1 + number % 3, position=number))
    assert list(store.each_run(1)) == store.runs(1)
    assert list(store.each_run(1, 2)) == store.runs(1, 2)
    with Store.open(store.places.project) as reader:
        reading = reader.each_run(1)
        assert next(reading).id == "r0"
        last = store.runs(1)[-1]
        store.put_run(msgspec.structs.replace(last, step=7))
        assert store._sql("PRAGMA wal_checkpoint(TRUNCATE)")[0][0] == 0  # noqa: SLF001
        assert [run.step for run in reading][-1] == 7


def test_an_attempt_is_open_until_its_result_is_counted(store: Store) -> None:
    attempt = Attempt(id="a-1", run="a", number=1, slot=0, output_dir="/o", directory="/d", created_at=1.0)
    store.put_attempt(attempt, 1)
    assert store.open_attempts(1) == [attempt]
    assert store.open_attempts(2) == []
    store.put_attempt(FULL_ATTEMPT, 1)
    assert store.open_attempts(1) == [attempt]


def test_where_a_config_has_run_is_told_over_all_loops_and_failures_do_not_count(store: Store) -> None:
    store.put_loop(a_loop(1))
    store.put_loop(a_loop(2))
    for state in (RunState.FAILED, RunState.LOST, RunState.STOPPED):
        store.put_run(a_run(state.value, config_hash="same", state=state))
    assert store.where_run("same") is None
    store.put_run(a_run("good", loop=2, config_hash="same", state=RunState.QUEUED))
    where = store.where_run("same")
    assert where is not None
    assert "good" in where
    assert a_loop(2).name in where


def test_a_command_is_open_until_it_is_answered(store: Store) -> None:
    first = store.send(1, Stop(run="a"), person("ada"))
    second = store.send(1, Pause(), person("ada"))
    store.send(2, Stop(), person("ada"))
    assert [command.id for command in store.open_commands(1)] == [first, second]
    assert [command.request for command in store.open_commands(1)] == [Stop(run="a"), Pause()]
    store.answer(first, False, "no such run")
    assert [command.id for command in store.open_commands(1)] == [second]
    answered = store.command(first)
    assert (answered.ok, answered.answer) == (False, "no such run")
    assert answered.answered_at is not None


def test_a_command_row_that_is_no_json_object_holds_no_request(store: Store) -> None:
    rows: list[object] = [b"\xff\xfe", b"[1]", b"{", b'"text"', b"[" * 5000, b'{"run": "\xff"}', 5, 1.5]
    for raw in rows:
        number = store.send(1, Stop(), person("ada"))
        with sqlite3.connect(store.places.database) as raw_connection:
            raw_connection.execute("UPDATE commands SET payload = ? WHERE id = ?", (raw, number))
        raw_connection.close()
    commands = store.open_commands(1)
    assert len(commands) == len(rows)
    for command in commands:
        with pytest.raises(UserError, match="could not be carried out"):
            _ = command.request


def test_events_of_two_loops_written_at_once_are_all_kept(store: Store) -> None:
    def write(loop: int) -> None:
        with Store.open(store.places.project) as mine:
            for number in range(100):
                mine.add_event(loop, EventKind.NOTE, f"{number}")

    threads = [threading.Thread(target=write, args=[loop]) for loop in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for loop in (1, 2):
        assert [event.text for event in store.events(loop)] == [str(number) for number in range(100)]


def test_only_events_after_a_known_one_are_read(store: Store) -> None:
    ids = [store.add_event(1, EventKind.NOTE, str(number)).id for number in range(5)]
    assert [event.text for event in store.events(1, after=ids[2])] == ["3", "4"]
    assert [event.text for event in store.events(1, limit=2)] == ["0", "1"]


def test_a_project_without_a_loop_says_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(NoLoopError, match="autoloop-tui run"):
        Store.open(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with Store.open(tmp_path, create=True) as store, pytest.raises(NoLoopError):
        store.find_loop(None)


def test_asking_for_what_is_not_there_is_a_sentence(store: Store) -> None:
    store.put_loop(a_loop())
    for ask in (lambda: store.run("nobody"), lambda: store.proposal(9), lambda: store.loop(9)):
        with pytest.raises(UserError, match="There is no"):
            ask()
    with pytest.raises(UserError, match="loop_x"):
        store.find_loop("loop_x")


def test_a_run_is_named_by_its_id_or_else_the_newest_of_its_name_is_meant(store: Store) -> None:
    store.put_loop(a_loop())
    with store.transaction():
        for number, (id_, name) in enumerate([("aaaa1111", "base"), ("bbbb2222", "base"), ("cccc3333", "aaaa1111")]):
            store.put_run(msgspec.structs.replace(a_run(id_, position=number), name=name))
    assert store.find_run(a_loop(), "base").id == "bbbb2222"
    assert store.find_run(a_loop(), "aaaa1111").name == "base", "an id goes before a name"
    with pytest.raises(UserError, match='no run "bse"; did you mean base'):
        store.find_run(a_loop(), "bse")


def test_the_state_folder_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        Store.open(tmp_path, create=True).close()
    finally:
        os.umask(before)
    home = tmp_path / ".autoloop"
    for folder in (home, *(path for path in home.iterdir() if path.is_dir())):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_place_where_no_folder_can_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UserError, match="Cannot create"):
        Store.open(tmp_path / "file", create=True)


def test_many_who_open_a_new_project_at_once_all_get_it(tmp_path: Path) -> None:
    errors: list[BaseException] = []

    def open_one(folder: Path, barrier: threading.Barrier) -> None:
        barrier.wait(PATIENCE)
        try:
            Store.open(folder, create=True).close()
        except BaseException as error:
            errors.append(error)

    for attempt in range(10):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        barrier = threading.Barrier(4)
        threads = [threading.Thread(target=open_one, args=[folder, barrier]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert errors == []
