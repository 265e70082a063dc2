"""A kill criterion is part of the approval, and acts as a live rule on the runs of its proposal only."""

from __future__ import annotations

import msgspec
from autoloop.engine.rounds.kill_criteria import criterion_of
from autoloop.model import Actor, LiveContext, Proposal, ProposalStatus, RunState, StopKind
from autoloop.protocol import Approve, Edit, Propose, Variant

from tests.engine.project import EngineProject
from tests.engine.rounds.live_rules import BAD
from tests.support.senders import agent

TOO_HIGH = "l1_loss.last > 5"


def test_a_proposals_run_is_stopped_by_its_criterion_and_no_other_run_is(project: EngineProject) -> None:
    config = project.config("a", rows=BAD, hang=False)
    loop = project.loop([config], steps=100, rounds=2, decide=True, approve="manual", concurrency=2)
    with project.driven(loop) as engine:
        (others,) = engine.waiting()

        def variant(criterion: str, *edits: str) -> Propose:
            return Propose(run="a", variants=[Variant(edits=list(edits), kill_criterion=criterion)])

        for wrong, why in (
            ("l1_los.last > 5", "a has not logged l1_los; did you mean l1_loss?"),
            ("val/loss.last > 5", "a has not logged val/loss"),
            ("l1_loss.last >", "it is incomplete"),
        ):
            said = engine.refused(variant(wrong, "hang=true"), agent())
            assert said.startswith("The kill criterion is invalid: ")
            assert why in said
        assert f"its run is stopped if {TOO_HIGH}" in engine.done(variant(TOO_HIGH, "hang=true"), agent())
        proposal = project.proposals(loop)[-1]

        # An approval covers the criterion too.
        engine.done(Edit(proposal=proposal.id, edits=["hang=true"], kill_criterion=f"{TOO_HIGH} and steps > 2"))
        revised = project.store.proposal(proposal.id)
        assert (revised.config_hash, revised.kill_criterion) == (proposal.config_hash, f"{TOO_HIGH} and steps > 2")
        said = engine.refused(Approve(proposals=[proposal.id], seen=[proposal.approval_hash]))
        assert "has changed since it was shown" in said
        engine.done(Approve(proposals=[proposal.id, others.id], seen=[revised.approval_hash, others.approval_hash]))
        engine.end()

    base, killed, other = sorted(project.runs(loop), key=lambda run: (run.round, run.proposal != proposal.id))
    assert [run.state for run in (base, killed, other)] == [RunState.FINISHED, RunState.STOPPED, RunState.FINISHED]
    stop = project.store.attempts(killed.id)[-1].stop
    assert stop is not None
    assert stop.kind is StopKind.LIVE_RULE
    assert killed.reason == "stopped: kill criterion at step 3: l1_loss.last = 7 > 5, steps = 3 > 2"
    record = project.proposals(loop)[-1]
    assert (record.status, record.base_run, record.decided_by) == (
        ProposalStatus.DONE,
        killed.id,
        Actor.rule("kill criterion"),
    )
    assert record.reason == f"the kill criterion of proposal {proposal.id}: {TOO_HIGH} and steps > 2"
    assert record.evidence is not None
    assert record.evidence.observations[0].value == 7.0
    report = (project.folder / "reports" / "report.md").read_text()
    assert "(stopped if l1" in report
    assert project.left_over() == []


def test_the_criterion_goes_on_for_what_a_live_rule_makes_of_the_run(project: EngineProject) -> None:
    loop = project.loop([project.config("a")])
    context = project.engine(project.store, loop).context
    base = project.named(loop, "a")
    made = Proposal(
        id=1,
        loop=loop.id,
        round=1,
        base_run=base.id,
        author=Actor.agent("codex"),
        reason="",
        edits=["lr=3"],
        kill_criterion=TOO_HIGH,
    )
    project.store.put_proposal(made)
    variant = msgspec.structs.replace(base, id="variant", name="a_r2_1", proposal=1, base_run=base.id)
    live = LiveContext(attempt="1", step=3)
    patched = msgspec.structs.replace(made, id=2, base_run="variant", kill_criterion=None, live=live)
    relaunched = msgspec.structs.replace(base, id="relaunched", name="a_live1", proposal=2, base_run="variant")
    for row in (variant, relaunched):
        project.store.put_run(row)
    project.store.put_proposal(patched)
    assert criterion_of(context, base) is None
    for run in (variant, relaunched):
        rule = criterion_of(context, run)
        assert rule is not None
        assert rule.reason == f"the kill criterion of proposal 1: {TOO_HIGH}"
