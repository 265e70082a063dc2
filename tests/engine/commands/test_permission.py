"""Permissions: requests that need a person are accepted only from one, or as the project's policy allows."""

from __future__ import annotations

import time

import msgspec
import pytest
from autoloop.engine.commands import budgets, permission
from autoloop.model import Actor, Attempt, ProposalStatus, RunState, Sender, UserError
from autoloop.protocol import (
    Approve,
    Edit,
    Extend,
    Hold,
    Kill,
    Move,
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
)
from autoloop.settings import Grant

from tests.engine.project import EngineProject
from tests.support.senders import agent, person, script

NEEDS_A_PERSON: list[Request] = [
    Approve(proposals=[1]),
    Reject(proposals=[1]),
    Undo(),
    Edit(proposal=1, edits=["lr=3"]),
    Start(),
    Hold(held=False),
    Resume(),
    Stop(),
    Stop(run="a"),
    Kill(),
    Retry(run="a"),
    Extend(run="a", steps=9),
    Move(run="a"),
]


def test_what_needs_a_person_is_refused_to_agents_and_without_a_terminal(project: EngineProject) -> None:
    loop = project.loop([project.config("a")], rounds=2, decide=True, approve="manual")
    with project.driven(loop) as engine:
        (rules_own,) = engine.waiting()
        for request in NEEDS_A_PERSON:
            assert "needs a person at a terminal, but this came from the agent codex" in engine.refused(request, agent())
            assert "allow = [" in engine.refused(request, script())
        assert project.proposals(loop) == [rules_own]
        propose = Propose(run="a", variants=[Variant(edits=["lr=3"], reason="steeper")])
        assert engine.done(propose, agent()).startswith("proposal 2 from a")
        theirs = project.proposals(loop)[1]
        assert (theirs.author, theirs.status) == (Actor.agent("codex"), ProposalStatus.PENDING)
        assert str(theirs.author) == "agent:codex"
        # A request sent again because its answer was lost proposes nothing new.
        keyed = Propose(run="a", variants=[Variant(edits=["lr=5"])], key="one")
        assert engine.done(keyed, agent()) == engine.done(keyed, agent())
        assert len(project.proposals(loop)) == 3
        other = Propose(run="a", variants=[Variant(edits=["lr=6"])], key="one")
        assert "other variants" in engine.refused(other, agent())
        assert "needs a person" in engine.refused(Reject(proposals=[1, 3]), agent())
        assert "needs a person" in engine.refused(Reject(proposals=[3]), agent("gemini"))
        assert "needs a person" in engine.refused(Reject(proposals=[3]), script())
        engine.done(Reject(proposals=[3]), agent())  # its own
        # A proposal by a user's script does not belong to the user, nor the other way round.
        engine.done(Propose(run="a", variants=[Variant(edits=["lr=7"])], key="one"))
        assert engine.done(Propose(run="a", variants=[Variant(edits=["lr=8"])], key="one"), script()).startswith(
            "proposal 5 "
        )
        assert "needs a person" in engine.refused(Reject(proposals=[4]), script())
        engine.done(Reject(proposals=[5]), script())
        engine.done(Pause(), agent())
        engine.done(Hold(), agent())

        # A person's approval covers only what was shown.
        engine.done(Edit(proposal=2, edits=["lr=4"]))
        said = engine.refused(Approve(proposals=[2], seen=[theirs.config_hash]))
        assert "Proposal 2 has changed since it was shown" in said
        now = project.proposals(loop)[1]
        engine.done(Approve(proposals=[2], seen=[now.config_hash]))
        decided = project.proposals(loop)[1]
        assert decided.decided_by == Actor.person("ada")
        assert decided.decision is not None
        assert project.store.command(decided.decision).sender == person("ada")
        engine.leave()


def test_a_policy_opens_verbs_within_budgets_and_ranges(project: EngineProject) -> None:
    project.write(
        "autoloop.toml",
        '[agents.codex]\nallow = ["approve", "start"]\nruns = 1\n[agents.codex.edits]\nlr = {low = 0.5, high = 3}\n',
    )
    loop = project.loop([project.config("a")], rounds=2, decide=True, approve="manual")
    with project.driven(loop) as engine:
        engine.waiting()
        assert "may set lr only from 0.5 to 3, not to 4" in engine.refused(
            Propose(run="a", variants=[Variant(edits=["lr=4"])]), agent()
        )
        assert "may not change seed" in engine.refused(Propose(run="a", variants=[Variant(edits=["seed=4"])]), agent())
        engine.done(Propose(run="a", variants=[Variant(edits=["lr=3"])]), agent())
        # An agent gains nothing by editing the settings of a running loop.
        project.write("autoloop.toml", '[agents.codex]\nallow = ["approve", "stop"]\n')
        assert "runs = 1: it has caused 0 so far, and this would add 2" in engine.refused(Approve(proposals=[1, 2]), agent())
        assert "needs a person" in engine.refused(Stop(), agent())
        assert "needs a person" in engine.refused(Approve(proposals=[2]), agent("gemini"))
        assert "needs a person" in engine.refused(Approve(proposals=[2]), script())
        engine.done(Approve(proposals=[2]), agent())
        assert project.proposals(loop)[1].decided_by == Actor.agent("codex")
        assert "it has caused 1 so far, and this would add 1" in engine.refused(Approve(proposals=[1]), agent())
        engine.done(Start(), agent())
        assert engine.end().reason
    (second,) = project.runs(loop, 2)
    assert second.proposal == 2


def test_the_approval_policy_of_a_loop_does_not_speak_for_agents(project: EngineProject) -> None:
    """Not even for an agent that may approve: the policy would check neither its hours nor its budget, and charge no one."""
    project.write("autoloop.toml", '[agents.codex]\nallow = ["approve"]\nruns = 0\n')
    loop = project.loop([project.config("a", gate=str(project.gate()))], rounds=2, decide=True)
    with project.driven(loop) as engine:
        engine.until(lambda: project.runs(loop)[0].state is RunState.RUNNING)
        assert engine.done(Propose(run="a", variants=[Variant(edits=["lr=7"])]), agent())
        assert engine.done(Propose(run="a", variants=[Variant(edits=["lr=8"])]), script())
        project.gate().touch()
        engine.end()
    theirs, scripts_own, rules_own = project.proposals(loop)
    assert (scripts_own.author, scripts_own.status) == (Actor.script("ada"), ProposalStatus.SKIPPED)
    assert scripts_own.note == "a script's proposal, which only a person approves"
    assert theirs.status is ProposalStatus.SKIPPED
    assert theirs.note == "an agent's proposal, which only a person approves"
    assert rules_own.status is ProposalStatus.LAUNCHED
    assert [run.proposal for run in project.runs(loop, 2)] == [rules_own.id]


def test_gpu_hours_slots_and_hours_of_the_day(project: EngineProject) -> None:
    loop = project.loop([project.config("a")], rounds=2, decide=True, approve="manual")
    store, run = project.store, project.runs(loop)[0]
    on_gpus = msgspec.structs.replace(loop, spec=msgspec.structs.replace(loop.spec, device="cuda", gpus_per_run=2))
    store.put_loop(on_gpus)
    store.put_run(msgspec.structs.replace(run, state=RunState.FAILED, attempts=1))
    attempt = Attempt(
        id="x.1", run=run.id, number=1, slot=0, output_dir="", directory="", created_at=0.0, started_at=0.0, ended_at=1800.0
    )
    store.put_attempt(attempt, loop.id)

    def check(grant: Grant, sender: Sender, now: float = 5000.0) -> None:
        permission.check(store, on_gpus, grant, sender, Retry(run=run.id), now)

    check(Grant(allow=["retry"], gpu_hours=1.0, slots=1, runs=1), agent())
    with pytest.raises(UserError, match=r"gpu_hours = 0\.9: this would bring it to about 1;"):
        check(Grant(allow=["retry"], gpu_hours=0.9), agent())
    with pytest.raises(UserError, match="slots = 0"):
        check(Grant(allow=["retry"], slots=0), agent())
    # An extension is charged for the steps it adds, even while it is queued: here a run of 100 steps took one GPU hour.
    store.put_run(msgspec.structs.replace(run, state=RunState.FINISHED, attempts=1, step=100, total_steps=100))

    def extend(steps: int, hours: float) -> None:
        grant = Grant(allow=["extend"], gpu_hours=hours, runs=1, slots=1)
        permission.check(store, on_gpus, grant, agent(), Extend(run=run.id, steps=steps), 5000.0)

    extend(150, 0.5)
    extend(1100, 10.0)
    with pytest.raises(UserError, match=r"gpu_hours = 1: this would bring it to about 10;"):
        extend(1100, 1.0)
    number = store.send(loop.id, Extend(run=run.id, steps=1100), agent("gemini"))
    store.answer(number, True, "queued")
    store.put_run(msgspec.structs.replace(run, state=RunState.QUEUED, attempts=1, step=100, total_steps=1100))
    assert budgets.used(store, on_gpus, "gemini", 5000.0).ahead == 1.0  # no run has ended, so the duration is unknown
    store.put_run(msgspec.structs.replace(run, id="zz", state=RunState.FINISHED, attempts=1, step=200, total_steps=200))
    assert budgets.used(store, on_gpus, "gemini", 5000.0).ahead == 5.0
    store.put_run(msgspec.structs.replace(run, state=RunState.FAILED, attempts=1))
    noon = time.mktime((2026, 1, 5, 12, 0, 0, 0, 0, -1))
    check(Grant(allow=["retry"], hours="11:00-13:00"), agent(), noon)
    with pytest.raises(UserError, match="lets it retry only at 22:00-07:00"):
        check(Grant(allow=["retry"], hours="22:00-07:00"), agent(), noon)
    number = store.send(loop.id, Retry(run=run.id), agent())
    store.answer(number, True, "queued again")
    assert budgets.used(store, on_gpus, "codex", 5000.0).runs == 1
    assert budgets.used(store, on_gpus, "script", 5000.0).runs == 0
    with pytest.raises(UserError, match="runs = 1: it has caused 1"):
        check(Grant(allow=["retry"], runs=1), agent())


def test_an_agent_cannot_pass_for_a_script() -> None:
    agents = {"script": Grant(allow=["stop"])}
    assert permission.grant_of(agents, agent("script")) == Grant()
    assert permission.grant_of(agents, script()) == agents["script"]
    assert permission.grant_of(agents, person()) is None
