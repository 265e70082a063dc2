"""Decisions by people on proposals, through commands, and what an approval covers."""

from __future__ import annotations

import json
import re
from pathlib import Path

from autoloop.engine import Engine
from autoloop.engine.base.frozen_config import frozen_config
from autoloop.model import POLICY, Actor, EventKind, LapseKind, LoopState, Proposal, ProposalStatus, Run, RunState
from autoloop.protocol import Approve, Edit, Hold, Propose, Reject, Start, Stop, Undo, Variant

from tests.engine.processes import seen
from tests.engine.project import EngineProject, rows
from tests.support.senders import person
from tests.support.waiting import eventually

THREE = """
name = "three"
version = "1"
[[rule]]
id = "two"
when = "steps > 0"
reason = "double it"
changes = ["lr@mul=2"]
[[rule]]
id = "three"
when = "steps > 0"
reason = "treble it"
changes = ["lr@mul=3"]
[[rule]]
id = "four"
when = "steps > 0"
reason = "fourfold"
changes = ["lr@mul=4"]
"""


def rates(runs: list[Run]) -> list[float]:
    return [seen(run)["config"]["lr"] for run in runs]


def test_a_manual_loop_waits_and_runs_what_was_approved_only(project: EngineProject) -> None:
    loop = project.loop([project.config("a")], rounds=2, decide=True, approve="manual", rules=project.rules(THREE))
    with project.driven(loop) as engine:
        two, three, four = engine.waiting()
        assert {p.status for p in (two, three, four)} == {ProposalStatus.PENDING}
        assert engine.project.runs(loop, 2) == []
        engine.done(Approve(proposals=[three.id]))
        engine.done(Reject(proposals=[two.id], note="too small a step"))
        assert project.runs(loop, 2) == []  # one is still undecided
        engine.done(Reject(proposals=[four.id]))
        assert engine.end().state is LoopState.FINISHED
    assert rates(project.runs(loop, 2)) == [3.0]
    rejected = project.store.proposal(two.id)
    assert (rejected.status, rejected.note, rejected.decided_by) == (
        ProposalStatus.REJECTED,
        "too small a step",
        Actor.person("ada"),
    )
    assert rejected.decided_at is not None
    assert "too small a step" in (project.folder / "reports" / "report.md").read_text()


def test_a_decision_can_be_undone_until_the_round_starts(project: EngineProject) -> None:
    loop = project.loop([project.config("a")], rounds=2, decide=True, approve="manual", rules=project.rules(THREE))
    with project.driven(loop) as engine:
        two, three, four = engine.waiting()
        engine.done(Approve(proposals=[two.id]))
        engine.done(Undo(proposals=[two.id]))
        undone = project.store.proposal(two.id)
        assert (undone.status, undone.decided_by, undone.decided_at) == (ProposalStatus.PENDING, None, None)
        engine.done(Approve(proposals=[three.id]))
        engine.done(Reject(proposals=[four.id]))
        engine.done(Reject(proposals=[two.id]))
        engine.end()
    assert rates(project.runs(loop, 2)) == [3.0]


def test_undo_without_a_number_takes_back_what_the_last_command_decided(project: EngineProject) -> None:
    loop = project.loop([project.config("a")], rounds=2, decide=True, approve="manual", rules=project.rules(THREE))

    def statuses() -> list[str]:
        return [proposal.status.value for proposal in project.proposals(loop)]

    with project.driven(loop) as engine:
        two, three, four = engine.waiting()
        assert "Nothing was decided" in engine.refused(Undo())
        engine.done(Hold())
        engine.done(Reject(proposals=[three.id]))
        assert engine.done(Approve(proposals=[two.id, four.id])) == f"proposals {two.id}, {four.id} are approved"
        assert statuses() == ["approved", "rejected", "approved"]
        said = engine.done(Undo())
        assert f"proposals {two.id}, {four.id} are pending again" in said
        assert "approved by ada" in said
        assert statuses() == ["pending", "rejected", "pending"]
        assert f"proposal {three.id} is pending again" in engine.done(Undo())
        assert statuses() == ["pending"] * 3
        assert "Nothing was decided" in engine.refused(Undo())
        engine.done(Reject(proposals=[two.id, three.id, four.id]))
        engine.done(Approve(proposals=[three.id]))  # decided again: no longer part of the joint rejection
        assert f"proposal {three.id} is pending" in engine.done(Undo())
        assert f"proposals {two.id}, {four.id} are pending" in engine.done(Undo())
        engine.done(Stop())


def test_one_command_decides_on_what_it_can_and_says_what_it_cannot(project: EngineProject) -> None:
    loop = project.loop([project.config("a")], rounds=2, decide=True, approve="manual", rules=project.rules(THREE))
    with project.driven(loop) as engine:
        two, three, four = engine.waiting()
        said = engine.refused(Approve(proposals=[two.id, 99, four.id, two.id]))
        assert f"proposals {two.id}, {four.id} are approved. There is no proposal 99" in said
        assert [p.status.value for p in project.proposals(loop)] == ["approved", "pending", "approved"]
        wrong: tuple[object, ...] = ([], "1", [True], [0], [three.id, "x"], None)
        engine.rows_refused([("approve", {"proposals": numbers}) for numbers in wrong])
        assert "There is no proposal 98" in engine.refused(Reject(proposals=[98, 99]))
        engine.done(Stop())


def test_the_last_decision_can_be_taken_back_for_a_while(project: EngineProject) -> None:
    loop = project.loop([project.config("a")], rounds=2, decide=True, approve="manual", grace=3600.0)
    with project.driven(loop) as engine:
        (proposal,) = engine.waiting()
        answer = engine.done(Approve(proposals=[proposal.id]))
        assert re.search(r"round 2 starts in 3\d{3} s", answer)  # minus the time since then
        assert "`autoloop-tui undo` undoes the last decision" in answer
        decided = project.store.proposal(proposal.id).decided_at
        assert decided is not None
        eventually(lambda: project.store.rounds(loop.id)[-1].start_at == decided + 3600, "the start announced")
        assert re.search(r"round 2 starts in 3\d{3} s; until then", project.story(loop, EventKind.WAITING)[-1])
        engine.done(Hold())
        eventually(lambda: project.store.rounds(loop.id)[-1].start_at is None, "the round held")
        engine.done(Hold(held=False))
        eventually(lambda: project.store.rounds(loop.id)[-1].start_at is not None, "the start announced again")
        engine.done(Undo(proposals=[proposal.id]))
        eventually(lambda: project.store.rounds(loop.id)[-1].start_at is None, "the start taken back")
        assert project.runs(loop, 2) == []
        engine.done(Approve(proposals=[proposal.id]))
        assert engine.done(Start()) == "the next round starts with the approved proposals"
        engine.end()
    assert len(project.runs(loop, 2)) == 1


def test_the_round_starts_by_itself_once_its_last_decision_stands(project: EngineProject) -> None:
    loop = project.loop([project.config("a")], rounds=2, decide=True, approve="manual", grace=0.5)
    with project.driven(loop) as engine:
        (proposal,) = engine.waiting()
        engine.done(Approve(proposals=[proposal.id]))
        engine.end()
    (run,) = project.runs(loop, 2)
    decided = project.store.proposal(proposal.id).decided_at
    assert decided is not None
    assert run.created_at >= decided + 0.5
    assert [round_.start_at for round_ in project.store.rounds(loop.id)] == [None, None]


def test_what_the_policy_decides_starts_at_once(project: EngineProject) -> None:
    loop = project.loop([project.config("a")], rounds=2, decide=True, grace=3600.0)
    with project.driven(loop) as engine:
        engine.end()
    assert len(project.runs(loop, 2)) == 1


def test_what_has_become_a_run_can_no_longer_be_decided(project: EngineProject) -> None:
    gate = project.gate("variant")
    loop = project.loop([project.config("a")], rounds=2, decide=True, approve="manual")
    with project.driven(loop) as engine:
        (proposal,) = engine.waiting()
        engine.done(Edit(proposal=proposal.id, edits=[f"gate={json.dumps(str(gate))}"]))
        engine.done(Approve(proposals=[proposal.id]))
        (run,) = engine.until(lambda: project.runs(loop, 2), "round 2")
        decisions = [kind(proposals=[proposal.id]) for kind in (Undo, Reject, Approve)]
        engine.refused_all([*decisions, Edit(proposal=proposal.id, edits=["lr=3"])])
        gate.touch()
        engine.end()
    assert project.store.proposal(proposal.id).run == run.id
    assert rates(project.runs(loop, 2)) == [1.0]


def test_start_runs_what_is_approved_although_others_are_undecided(project: EngineProject) -> None:
    loop = project.loop([project.config("a")], rounds=2, decide=True, approve="manual", rules=project.rules(THREE))
    with project.driven(loop) as engine:
        two, three, four = engine.waiting()
        engine.done(Approve(proposals=[four.id]))
        engine.done(Start())
        engine.end()
    assert rates(project.runs(loop, 2)) == [4.0]
    for left in (project.store.proposal(two.id), project.store.proposal(three.id)):
        assert (left.status, left.lapsed) == (ProposalStatus.LAPSED, LapseKind.ROUND_STARTED)
        assert left.note == "round 2 started before it was decided"


def test_a_held_round_waits_although_everything_is_approved_and_a_skipped_proposal_can_still_be(
    project: EngineProject,
) -> None:
    gate = project.gate("a")
    loop = project.loop(
        [project.config("a", gate=str(gate))], rounds=2, decide=True, variants_per_run=1, rules=project.rules(THREE)
    )
    with project.driven(loop) as engine:
        engine.done(Hold(held=True))
        gate.touch()
        two, three, four = engine.waiting()
        assert [p.status.value for p in (two, three, four)] == ["approved", "skipped", "skipped"]
        engine.done(Approve(proposals=[four.id]))
        assert project.runs(loop, 2) == []
        engine.done(Hold(held=False))
        engine.end()
    assert sorted(rates(project.runs(loop, 2))) == [2.0, 4.0]


def test_a_proposal_that_takes_a_secret_out_does_not_keep_it(project: EngineProject) -> None:
    key = "5ec4e7" + "0123456789abcdef" * 2
    config = project.config("a", hub={"token": key, "size": 1})
    loop = project.loop([config], rounds=2, decide=True, approve="manual")
    with project.driven(loop) as engine:
        (rules_own,) = engine.waiting()
        engine.done(Propose(run="a", variants=[Variant(edits=["hub.token=null", "lr=7"])]))
        made = project.proposals(loop)[-1]
        assert {change.path: change.before for change in made.changes} == {"hub.token": "***", "lr": 1.0}
        engine.done(Approve(proposals=[made.id]))
        engine.done(Reject(proposals=[rules_own.id]))
        engine.end()
    (run,) = project.runs(loop, 2)
    assert (run.state, frozen_config(run)["hub"]) == (RunState.FINISHED, {"token": None, "size": 1})


def test_an_edited_proposal_shows_what_it_gives_now_and_runs_so(project: EngineProject) -> None:
    loop = project.loop([project.config("a", batch_size=8)], rounds=2, decide=True, approve="manual")
    with project.driven(loop) as engine:
        (proposal,) = engine.waiting()
        answer = engine.done(Edit(proposal=proposal.id, edits=["lr@mul=5", "batch_size@add=4"]))
        assert "5" in answer
        assert "batch_size" in answer
        edited = project.store.proposal(proposal.id)
        assert (edited.status, edited.author, edited.revision) == (ProposalStatus.PENDING, Actor.person("ada"), 2)
        assert [(c.path, c.before, c.after) for c in edited.changes] == [("lr", 1.0, 5.0), ("batch_size", 8, 12)]
        engine.done(Approve(proposals=[proposal.id]))
        engine.end()
    (run,) = project.runs(loop, 2)
    assert (seen(run)["config"]["lr"], seen(run)["config"]["batch_size"]) == (5.0, 12)


def test_an_edit_may_give_another_reason_and_expectation(project: EngineProject) -> None:
    loop = project.loop([project.config("a")], rounds=2, decide=True, approve="manual")
    with project.driven(loop) as engine:
        (proposal,) = engine.waiting()
        edits = ["lr@mul=5"]
        engine.done(Edit(proposal=proposal.id, edits=edits, reason="to be sure", expect="eval_l1 lower"))
        edited = project.store.proposal(proposal.id)
        assert (edited.reason, edited.status) == ("to be sure", ProposalStatus.PENDING)
        assert edited.expects is not None
        assert edited.expects.direction == "lower"
        engine.done(Edit(proposal=proposal.id, edits=edits))
        assert project.store.proposal(proposal.id).expects == edited.expects
        engine.done(Edit(proposal=proposal.id, edits=edits, reason="", expect=""))
        edited = project.store.proposal(proposal.id)
        assert (edited.reason, edited.expects) == ("by hand", None)
        assert "is not an expectation" in engine.refused(Edit(proposal=proposal.id, edits=edits, expect="lower"))
        engine.leave()


def test_an_edit_after_the_approval_asks_for_a_new_approval(project: EngineProject) -> None:
    loop = project.loop([project.config("a")], rounds=2, decide=True, approve="manual", rules=project.rules(THREE))
    with project.driven(loop) as engine:
        two, *_ = engine.waiting()
        engine.done(Approve(proposals=[two.id]))
        engine.done(Edit(proposal=two.id, edits=["lr@mul=9"]))
        assert project.store.proposal(two.id).status is ProposalStatus.PENDING
        engine.leave()
    assert project.runs(loop, 2) == []


def test_a_person_s_own_proposal_is_resolved_and_run(project: EngineProject) -> None:
    loop = project.loop([project.config("a"), project.config("b")], rounds=2, decide=True, approve="manual")
    with project.driven(loop) as engine:
        rule_made = engine.waiting()
        assert "warmup" in engine.refused(Propose(run="b", variants=[Variant(edits=["warmup@mul=2"], reason="try")]))
        engine.refused(Propose(run="nobody", variants=[Variant(edits=["lr=2"])]))
        assert project.proposals(loop) == rule_made
        assert "lr 1 → 0.25" in engine.done(
            Propose(run="b", variants=[Variant(edits=["lr=0.25"], reason="smaller for once")])
        )
        mine = project.proposals(loop)[-1]
        assert (mine.author, mine.reason, mine.status) == (Actor.person("ada"), "smaller for once", ProposalStatus.PENDING)
        engine.done(Approve(proposals=[mine.id]))
        engine.done(Start())
        engine.end()
    (run,) = project.runs(loop, 2)
    assert run.base_run == project.named(loop, "b").id
    assert rates([run]) == [0.25]


def test_a_second_proposal_of_the_same_training_is_refused(project: EngineProject) -> None:
    loop = project.loop([project.config("a")], rounds=2, decide=True, approve="manual")
    with project.driven(loop) as engine:
        (proposal,) = engine.waiting()
        assert f"proposal {proposal.id}" in engine.refused(Propose(run="a", variants=[Variant(edits=["lr=2"])]))
        engine.leave()


def test_two_approved_proposals_never_run_one_training_twice(project: EngineProject) -> None:
    loop = project.loop([project.config("a")], rounds=2, decide=True, approve="manual")
    with project.driven(loop) as engine:
        (first,) = engine.waiting()
        engine.done(Reject(proposals=[first.id]))
        engine.done(Propose(run="a", variants=[Variant(edits=["lr=2"])]))  # allowed, because the other proposal is rejected
        second = project.proposals(loop)[-1]
        engine.done(Hold(held=True))
        engine.ask(Undo(proposals=[first.id]))
        engine.ask(Approve(proposals=[first.id]))
        engine.ask(Approve(proposals=[second.id]))
        engine.done(Start())
        engine.end()
    assert rates(project.runs(loop, 2)) == [2.0]


def approved_and_left(project: EngineProject) -> tuple[Proposal, Run, Path]:
    """Return the approved proposal of a loop on hold whose engine has left, its base run, and that run's frozen config."""
    loop = project.loop([project.config("a")], rounds=2, decide=True, approve="manual")
    with project.driven(loop) as engine:
        (proposal,) = engine.waiting()
        engine.done(Hold(held=True))
        engine.done(Approve(proposals=[proposal.id]))
        engine.leave()
    (base,) = project.runs(loop)
    return proposal, base, Path(base.config_path)


def alter(frozen: Path) -> None:
    frozen.chmod(0o600)
    config = json.loads(frozen.read_text())
    frozen.write_text(json.dumps({**config, "lr": 1.5}))


def test_an_approval_no_longer_holds_when_the_base_config_was_altered_afterwards(project: EngineProject) -> None:
    proposal, base, frozen = approved_and_left(project)
    alter(frozen)
    loop = project.store.loop(base.loop)
    project.store.send(loop.id, Start(), person("ada"))
    ended = project.run(loop)
    after = project.store.proposal(proposal.id)
    assert after.status is ProposalStatus.BLOCKED
    assert after.blocked is not None
    assert "changed" in after.blocked
    assert project.runs(loop, 2) == []
    assert ended.state is LoopState.STOPPED


def test_an_approval_holds_no_longer_either_when_the_engine_saw_the_base_before_it_was_altered(
    project: EngineProject,
) -> None:
    loop = project.loop([project.config("a")], rounds=2, decide=True, approve="manual")
    with project.driven(loop) as engine:
        (proposal,) = engine.waiting()
        engine.done(Hold(held=True))
        engine.done(Approve(proposals=[proposal.id]))
        alter(Path(project.runs(loop)[0].config_path))
        engine.done(Start())
        engine.end()
    assert project.store.proposal(proposal.id).status is ProposalStatus.BLOCKED
    assert project.runs(loop, 2) == []


def test_an_approval_holds_when_nothing_was_altered_while_no_engine_was_there(project: EngineProject) -> None:
    proposal, base, _ = approved_and_left(project)
    loop = project.store.loop(base.loop)
    project.store.send(loop.id, Start(), person("ada"))
    assert project.run(loop).state is LoopState.FINISHED
    assert project.store.proposal(proposal.id).status is ProposalStatus.LAUNCHED
    assert rates(project.runs(loop, 2)) == [2.0]


def test_after_a_delay_proposals_are_approved_without_a_person(project: EngineProject) -> None:
    now = [1_800_000_000.0]

    def use_fake_clock(engine: Engine) -> None:
        engine.context.clock = lambda: now[0]

    loop = project.loop(
        [project.config("a")],
        rounds=2,
        decide=True,
        approve="after:600",
        variants_per_run=1,
        rules=project.rules(THREE),
    )
    with project.driven(loop, use_fake_clock) as engine:
        two, three, four = engine.waiting()
        assert project.store.rounds(loop.id)[0].decide_by == now[0] + 600
        now[0] += 599
        engine.done(Reject(proposals=[two.id]))  # the engine has made a turn
        assert project.store.proposal(three.id).status is ProposalStatus.PENDING
        assert project.runs(loop, 2) == []
        now[0] += 1
        assert engine.end().state is LoopState.FINISHED
    assert rates(project.runs(loop, 2)) == [3.0]
    assert project.store.proposal(three.id).decided_by == POLICY
    assert project.store.proposal(four.id).status is ProposalStatus.SKIPPED


def test_a_hold_outlasts_the_deadline(project: EngineProject) -> None:
    now = [1_800_000_000.0]

    def use_fake_clock(engine: Engine) -> None:
        engine.context.clock = lambda: now[0]

    loop = project.loop([project.config("a")], rounds=2, decide=True, approve="after:600")
    with project.driven(loop, use_fake_clock) as engine:
        (proposal,) = engine.waiting()
        engine.done(Hold(held=True))
        now[0] += 3600
        engine.refused(Approve(proposals=[99]))
        engine.refused(Approve(proposals=[99]))  # the engine has made two turns
        assert project.store.proposal(proposal.id).status is ProposalStatus.PENDING
        engine.done(Hold(held=False))
        engine.end()
    assert rates(project.runs(loop, 2)) == [2.0]


def test_a_manual_loop_whose_only_proposals_are_blocked_waits_for_a_better_one(project: EngineProject) -> None:
    path = project.config("a")
    project.run(project.loop([path], rounds=2, decide=True))
    loop = project.loop([path], rounds=2, decide=True, approve="manual")
    with project.driven(loop) as engine:
        (blocked,) = engine.waiting()
        assert blocked.status is ProposalStatus.BLOCKED
        assert "blocked" in engine.refused(Approve(proposals=[blocked.id]))
        engine.done(Edit(proposal=blocked.id, edits=["lr@mul=3"]))
        engine.done(Approve(proposals=[blocked.id]))
        engine.end()
    assert rates(project.runs(loop, 2)) == [3.0]
    assert project.runs(loop, 2)[0].state is RunState.FINISHED


def test_rejecting_everything_leaves_the_loop_waiting_for_a_person(project: EngineProject) -> None:
    loop = project.loop([project.config("a", rows=rows(3.0, 2.0))], rounds=2, decide=True, approve="manual")
    with project.driven(loop) as engine:
        (proposal,) = engine.waiting()
        engine.done(Reject(proposals=[proposal.id]))
        engine.done(Propose(run="a", variants=[Variant(edits=["lr=0.1"])]))
        engine.done(Approve(proposals=[project.proposals(loop)[-1].id]))
        engine.end()
    assert rates(project.runs(loop, 2)) == [0.1]
