"""What a run, a slot or a round waits for: every resource once, with what ends the wait."""

from __future__ import annotations

from pathlib import Path

import pytest
from autoloop.explaining import Explainer, Explanation
from autoloop.model import EventKind, ProposalStatus, Run, RunState, UserError
from autoloop.model.loop import RoundState
from autoloop.store import take_snapshot

from tests.console.projects import NOW, RecordedProject


def explainer(project: RecordedProject, *, driven: bool = True) -> Explainer:
    snapshot = take_snapshot(project.store, project.loop.id)
    return Explainer(snapshot, project.store.events(project.loop.id), driven=driven, now=NOW)


def resources(told: Explanation) -> list[str]:
    return [wait.resource for wait in told.waits]


def test_each_resource_that_is_waited_for_is_named_with_what_ends_the_wait(tmp_path: Path) -> None:
    project = RecordedProject(tmp_path, slots=1)
    busy = project.run("busy", RunState.RUNNING, slot=0, log="x\n")
    queued = [project.run(f"next{n}", RunState.QUEUED) for n in range(2)]
    slot = project.spec.slots[0]

    def run(which: Run = queued[1], *, driven: bool = True) -> Explanation:
        return explainer(project, driven=driven).run(which)

    (wait,) = run().waits
    assert (wait.resource, wait.since) == ("slot", busy.started_at)
    assert wait.ends == "busy ends; 1 run starts before it"
    assert run().stands == "next1: queued, 2 of 2"
    assert resources(explainer(project).run(busy)) == []
    assert explainer(project).slot(slot).stands.startswith("cpu 0 runs busy: running, step 100 of 200")
    assert resources(run(driven=False)) == ["engine", "slot"]
    assert resources(explainer(project, driven=False).run(busy)) == ["engine"]

    event = project.store.add_event(project.loop.id, EventKind.LOOP_PAUSED, "paused")
    project.change_loop(paused=True, waits_for="1 GiB free of 5", slot_waits={0: "in use by anna (41 GiB)"}, max_runs=1)
    told = run()
    assert resources(told) == ["pause", "machine", "budget", "GPU", "slot"]
    assert told.waits[0].since == event.at
    assert resources(explainer(project).round(take_snapshot(project.store, 1).round)) == [
        "pause",
        "machine",
        "budget",
        "runs",
    ]


def test_a_round_that_waits_for_decisions_names_them_and_since_when(tmp_path: Path) -> None:
    project = RecordedProject(tmp_path, slots=2)
    base = project.run("base")
    project.round(1, RoundState.DECIDING)
    first = project.proposal(base, created_at=NOW - 90)
    project.proposal(base, created_at=NOW - 80, status=ProposalStatus.APPROVED)
    project.change_loop(held=True)
    for told in (
        explainer(project).round(take_snapshot(project.store, 1).round),
        explainer(project).slot(project.spec.slots[1]),
    ):
        assert resources(told) == ["approval", "hold"]
        assert told.waits[0].why == f"1 proposal to decide: #{first.id}"
        assert told.waits[0].since == NOW - 90
    assert explainer(project).run(base).stands == "base: finished"


def test_the_command_explains_by_name_and_refuses_what_there_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from autoloop_tui.cli.commands.explain import explain

    project = RecordedProject(tmp_path, slots=1)
    project.run("waiting", RunState.QUEUED)
    monkeypatch.chdir(tmp_path)
    assert explain("waiting") == 0
    assert explain("slot", 0) == 0
    said = capsys.readouterr().out
    assert (
        "waiting: queued, 1 of 1\n  engine: the engine has stopped\n      until: `autoloop-tui resume` restarts it\n" in said
    )
    assert "cpu 0: free, 1 run queued\n  engine:" in said
    with pytest.raises(UserError, match="has no round 7; it has 1"):
        explain("round", 7)
