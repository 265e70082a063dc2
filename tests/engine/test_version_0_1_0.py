"""A project of version 0.1.0, with loops in every state, opens and continues.

`version_0_1_0/` holds what that version wrote: `store.sql` its database (schema 2), `files.json` all other files that an
engine may read. `{PROJECT}`, `{PYTHON}` and `{HOST}` stand for those of the machine.
"""

from __future__ import annotations

import json
import socket
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from autoloop.model import (
    LOOP_STOP,
    POLICY,
    Actor,
    ApprovalMode,
    ApprovalPolicy,
    EventKind,
    LapseKind,
    LoopEndKind,
    LoopState,
    ProposalStatus,
    RequeueKind,
    RoundState,
    RunState,
)
from autoloop.protocol import Approve, Edit, Resume, Retry, Start, Undo
from autoloop.store import SCHEMA_VERSION, Store

from tests.engine.project import Project

DATA = Path(__file__).with_name("version_0_1_0")


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Project]:
    folder = tmp_path / "project"

    def here(text: str) -> str:
        for name, value in (("PROJECT", str(folder)), ("PYTHON", sys.executable), ("HOST", socket.gethostname())):
            text = text.replace(f"{{{name}}}", value)
        return text

    files = json.loads((DATA / "files.json").read_text())
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(here(text))
    with sqlite3.connect(folder / ".autoloop" / "autoloop.db") as db:
        db.executescript(here((DATA / "store.sql").read_text()))
    db.close()
    project = Project(folder)
    (folder / "rules.toml").write_text(here(files["rules.toml"]))  # the project of the tests has put its own there
    yield project
    project.close()


def loop_of(project: Project, name: str) -> Any:
    return next(loop for loop in project.store.loops() if loop.spec.name == name)


def states(project: Project, name: str) -> list[RunState]:
    return [run.state for run in project.runs(loop_of(project, name))]


def test_the_states_that_were_sentences_are_types_and_the_old_file_is_kept(old: Project) -> None:
    with sqlite3.connect(old.folder / ".autoloop/autoloop.db.version-2") as kept:
        assert kept.execute("PRAGMA user_version").fetchone() == (2,)
        assert "stop_reason" in kept.execute("SELECT body FROM attempts").fetchone()[0].decode()
    kept.close()
    with sqlite3.connect(old.folder / ".autoloop/autoloop.db") as now:
        assert now.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    now.close()
    store = old.store
    assert {loop.spec.name: (loop.state, loop.end and loop.end.kind) for loop in store.loops()} == {
        "finished": (LoopState.FINISHED, LoopEndKind.ROUNDS_DONE),
        "live": (LoopState.FINISHED, LoopEndKind.ROUNDS_DONE),
        "halted": (LoopState.STOPPED, LoopEndKind.OUT_OF_MEMORY),
        "limit": (LoopState.STOPPED, LoopEndKind.LIMIT),
        "stopped": (LoopState.STOPPED, LoopEndKind.USER),
        "deciding": (LoopState.ACTIVE, None),
        "killed": (LoopState.ACTIVE, None),
    }
    assert loop_of(old, "stopped").reason == "stopped by root"
    assert loop_of(old, "finished").spec.approve == ApprovalPolicy()
    assert loop_of(old, "deciding").spec.approve == ApprovalPolicy(mode=ApprovalMode.MANUAL)
    assert loop_of(old, "killed").spec.approve == ApprovalPolicy(mode=ApprovalMode.AFTER, after=1800.0)
    continued, other, untouched = old.runs(loop_of(old, "stopped"))
    assert [run.requeued for run in (continued, other, untouched)] == [RequeueKind.LOOP_STOP, RequeueKind.LOOP_STOP, None]
    (attempt,) = store.attempts(continued.id)
    assert (attempt.stop, attempt.result) == (LOOP_STOP, RunState.STOPPED)
    by_policy = old.proposals(loop_of(old, "finished"))
    assert [(p.status, p.author, p.decided_by) for p in by_policy[:2]] == [
        (ProposalStatus.LAUNCHED, Actor.rule("more-lr"), POLICY),
        (ProposalStatus.SKIPPED, Actor.rule("less-lr"), POLICY),
    ]
    decided = old.proposals(loop_of(old, "deciding"))
    assert [(p.status, p.decided_by) for p in decided[:2]] == [
        (ProposalStatus.APPROVED, Actor.person("root")),
        (ProposalStatus.REJECTED, Actor.person("root")),
    ]
    assert decided[-1].author == Actor.person("root")
    assert len(old.story(loop_of(old, "finished"), EventKind.VARIANT_WRITTEN)) == 2


def test_a_loop_that_a_person_stopped_goes_on(old: Project) -> None:
    (old.folder / "gate5").touch()
    assert old.run(loop_of(old, "stopped")).end.kind is LoopEndKind.ROUNDS_DONE
    assert states(old, "stopped") == [RunState.FINISHED] * 3


def test_a_loop_that_met_its_limit_goes_on_with_a_larger_one(old: Project) -> None:
    old.store.send(loop_of(old, "limit").id, Resume(max_runs=3), "ada")
    assert old.run(loop_of(old, "limit")).state is LoopState.FINISHED
    assert states(old, "limit") == [RunState.FINISHED] * 3


def test_a_failed_run_of_a_halted_loop_is_retried(old: Project) -> None:
    loop = loop_of(old, "halted")
    failed = old.runs(loop)[0]
    config = Path(failed.config_path)
    config.write_text(config.read_text().replace('"dies": 1', '"dies": 0'))
    old.store.send(loop.id, Retry(run=failed.id), "ada")
    old.run(loop)
    assert states(old, "halted") == [RunState.FINISHED, RunState.FAILED, RunState.FAILED]


def test_decisions_are_taken_back_and_made_and_the_next_round_starts(old: Project) -> None:
    loop = loop_of(old, "deciding")
    one, rejected, two, *_ = old.proposals(loop)
    with old.driven(loop) as engine:
        # Version 0.1.0 hashed a variant without its trainer: what it approved for any but LeRobot is looked at again.
        engine.done(Undo(proposals=[one.id, rejected.id, two.id]))
        assert old.store.proposal(rejected.id).status is ProposalStatus.PENDING
        engine.done(Edit(proposal=rejected.id, edits=["lr@mul=0.25"]))
        engine.done(Approve(proposals=[rejected.id]))
        engine.done(Start())
        old.until(lambda: len(old.store.rounds(loop.id)) == 2, "the next round")
        old.until(lambda: old.store.last_round(loop.id).state is RoundState.DECIDING, "its end")
    (run,) = old.runs(loop, 2)
    assert (run.proposal, run.state) == (rejected.id, RunState.FINISHED)
    assert old.store.proposal(one.id).lapsed is LapseKind.ROUND_STARTED


def test_runs_whose_processes_were_killed_are_lost_and_can_be_retried(old: Project) -> None:
    (old.folder / "gate7").touch()
    loop = loop_of(old, "killed")
    with old.driven(loop) as engine:
        lost = next(run for run in old.runs(loop) if run.attempts)
        old.until(lambda: old.store.run(lost.id).state is RunState.LOST, "the loss")
        engine.done(Retry(run=lost.id))
        old.until(lambda: old.store.run(lost.id).state is RunState.FINISHED, "the retry")
    assert [attempt.result for attempt in old.store.attempts(lost.id)] == [RunState.LOST, RunState.FINISHED]


def test_a_finished_loop_stays_finished(old: Project) -> None:
    for name in ("finished", "live"):
        with Store.open(old.folder) as store:
            assert old.engine(store, loop_of(old, name)).run().state is LoopState.FINISHED
