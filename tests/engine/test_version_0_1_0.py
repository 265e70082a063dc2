"""A project of version 0.1.0, with loops in every state, opens and continues.

`version_0_1_0/` holds the files of that version: `store.sql` is its database (schema 2), `files.json` all other files that
an engine may read; `resuming/` has the same for a project whose trainer can continue from a checkpoint. `{PROJECT}`,
`{PYTHON}` and `{HOST}` stand for this machine's values.
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
from autoloop.engine.base.frozen_config import frozen_config
from autoloop.engine.planning.variant_policies import run_policy
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
    Run,
    RunState,
)
from autoloop.protocol import Approve, Edit, Extend, Resume, Retry, Start, Undo
from autoloop.settings import Settings
from autoloop.store import SCHEMA_VERSION, Store

from tests.engine.project import EngineProject
from tests.support.senders import person

DATA = Path(__file__).with_name("version_0_1_0")


def restore(folder: Path, data: Path) -> None:
    """Write the project in `data` to `folder`, as version 0.1.0 left it."""

    def here(text: str) -> str:
        for name, value in (("PROJECT", str(folder)), ("PYTHON", sys.executable), ("HOST", socket.gethostname())):
            text = text.replace(f"{{{name}}}", value)
        return text

    for name, text in json.loads((data / "files.json").read_text()).items():
        path = folder / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(here(text))
    with sqlite3.connect(folder / ".autoloop" / "autoloop.db") as db:
        db.executescript(here((data / "store.sql").read_text()))
    db.close()


def opened(folder: Path) -> EngineProject:
    """Open the project with this version, and with its own rule book."""
    rules = folder / "rules.toml"
    own = rules.read_text() if rules.exists() else None
    project = EngineProject(folder)
    if own is not None:
        rules.write_text(own)
    return project


@pytest.fixture
def old(tmp_path: Path) -> Iterator[EngineProject]:
    folder = tmp_path / "project"
    restore(folder, DATA)
    project = opened(folder)
    yield project
    project.close()


@pytest.fixture
def resuming(tmp_path: Path) -> Iterator[EngineProject]:
    folder = tmp_path / "project"
    restore(folder, DATA / "resuming")
    project = opened(folder)
    yield project
    project.close()


def loop_of(project: EngineProject, name: str) -> Any:
    return next(loop for loop in project.store.loops() if loop.spec.name == name)


def history(run: Run) -> list[tuple[int, float]]:
    """Return step and loss of each row that the run wrote."""
    files = Path(run.output_dir or "") / "wandb" / "latest-run" / "files"
    rows = map(json.loads, (files / "wandb-history.jsonl").read_text().splitlines())
    return [(row["_step"], row["train/l1_loss"]) for row in rows]


def states(project: EngineProject, name: str) -> list[RunState]:
    return [run.state for run in project.runs(loop_of(project, name))]


def test_the_states_that_were_sentences_are_types_and_the_old_file_is_kept(old: EngineProject) -> None:
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


def test_a_loop_that_a_person_stopped_goes_on(old: EngineProject) -> None:
    (old.folder / "gate5").touch()
    assert old.run(loop_of(old, "stopped")).end.kind is LoopEndKind.ROUNDS_DONE
    assert states(old, "stopped") == [RunState.FINISHED] * 3


def test_a_loop_that_met_its_limit_goes_on_with_a_larger_one(old: EngineProject) -> None:
    old.store.send(loop_of(old, "limit").id, Resume(max_runs=3), person("ada"))
    assert old.run(loop_of(old, "limit")).state is LoopState.FINISHED
    assert states(old, "limit") == [RunState.FINISHED] * 3


def test_a_failed_run_of_a_halted_loop_is_retried(old: EngineProject) -> None:
    loop = loop_of(old, "halted")
    failed = old.runs(loop)[0]
    config = Path(failed.config_path)
    config.write_text(config.read_text().replace('"dies": 1', '"dies": 0'))
    old.store.send(loop.id, Retry(run=failed.id), person("ada"))
    old.run(loop)
    assert states(old, "halted") == [RunState.FINISHED, RunState.FAILED, RunState.FAILED]


def test_decisions_are_taken_back_and_made_and_the_next_round_starts(old: EngineProject) -> None:
    loop = loop_of(old, "deciding")
    one, rejected, two, *_ = old.proposals(loop)
    with old.driven(loop) as engine:
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


def test_what_was_approved_runs_without_being_approved_again(old: EngineProject) -> None:
    loop = loop_of(old, "deciding")
    approved = {each.id for each in old.proposals(loop) if each.status is ProposalStatus.APPROVED}
    with old.driven(loop) as engine:
        engine.done(Start())
        old.until(lambda: len(old.store.rounds(loop.id)) == 2, "the next round")
    assert len(approved) == 2
    assert {run.proposal for run in old.runs(loop, 2)} == approved


def test_runs_are_found_again_by_the_hash_that_their_training_has_now(old: EngineProject) -> None:
    for loop in old.store.loops():
        for run in old.runs(loop):
            now = run_policy(old.store, run, Settings().field_types()).hash(frozen_config(run))
            assert run.config_hash == now, run.name
            assert old.store.runs_with_config(now)[-1].config_hash == now


def test_a_project_whose_state_lies_behind_a_link_is_migrated_as_any_other(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "project", tmp_path / "other" / "disk"
    restore(folder, DATA)
    elsewhere.parent.mkdir()
    (folder / ".autoloop").rename(elsewhere)
    (folder / ".autoloop").symlink_to(elsewhere)
    project = opened(folder)
    runs = [run for loop in project.store.loops() for run in project.runs(loop)]
    policy = {run.id: run_policy(project.store, run, Settings().field_types()) for run in runs}
    assert [run.config_hash for run in runs] == [policy[run.id].hash(frozen_config(run)) for run in runs]
    project.close()


def test_a_proposal_whose_config_cannot_be_read_keeps_its_hash_and_is_approved_again(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    restore(folder, DATA)
    with sqlite3.connect(folder / ".autoloop" / "autoloop.db") as db:
        bodies = [json.loads(body) for (body,) in db.execute("SELECT body FROM proposals")]
    db.close()
    before = {each["id"]: each["config_hash"] for each in bodies}
    for each in bodies:
        (folder / ".autoloop" / "configs" / f"{each['base_run']}.json").unlink(missing_ok=True)
    project = opened(folder)
    proposals = [each for loop in project.store.loops() for each in project.proposals(loop)]
    assert {each.id: each.config_hash for each in proposals} == before
    project.close()


def test_a_finished_run_is_extended_from_its_checkpoint(resuming: EngineProject) -> None:
    (loop,) = resuming.store.loops()
    (run,) = resuming.runs(loop)
    resuming.store.send(loop.id, Extend(run=run.id, steps=9), person("ada"))
    assert resuming.run(loop).state is LoopState.FINISHED
    extended = resuming.store.run(run.id)
    assert (extended.state, extended.step, extended.output_dir) == (RunState.FINISHED, 9, run.output_dir)
    assert [attempt.result for attempt in resuming.store.attempts(run.id)] == [RunState.FINISHED] * 2
    assert [point for point, _ in history(extended)] == list(range(1, 10))


def test_a_run_whose_trainer_cannot_be_resumed_is_not_extended(old: EngineProject) -> None:
    loop = loop_of(old, "finished")
    number = old.store.send(loop.id, Extend(run=old.runs(loop)[0].id, steps=9), person("ada"))
    old.run(loop)
    assert old.store.command(number).ok is False
    assert "plain" in (old.store.command(number).answer or "")


def test_runs_whose_processes_were_killed_are_lost_and_can_be_retried(old: EngineProject) -> None:
    (old.folder / "gate7").touch()
    loop = loop_of(old, "killed")
    with old.driven(loop) as engine:
        lost = next(run for run in old.runs(loop) if run.attempts)
        old.until(lambda: old.store.run(lost.id).state is RunState.LOST, "the loss")
        engine.done(Retry(run=lost.id))
        old.until(lambda: old.store.run(lost.id).state is RunState.FINISHED, "the retry")
    assert [attempt.result for attempt in old.store.attempts(lost.id)] == [RunState.LOST, RunState.FINISHED]


def test_a_finished_loop_stays_finished(old: EngineProject) -> None:
    for name in ("finished", "live"):
        with Store.open(old.folder) as store:
            assert old.engine(store, loop_of(old, name)).run().state is LoopState.FINISHED
