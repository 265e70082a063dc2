"""One request holds all agents; and the account of what each actor has done and spent."""

from __future__ import annotations

import time

import pytest
from autoloop.engine.commands.accounts import accounts
from autoloop.engine.commands.directly import carry_out_directly
from autoloop.engine.commands.permission import check_begin
from autoloop.model import UserError
from autoloop.protocol import Agents, Approve, Hold, Note, Pause, Propose, Reject, Resume, Variant
from autoloop.settings import Grant

from tests.engine.project import EngineProject
from tests.support.senders import agent, person, script


def test_agents_that_are_held_ask_for_nothing_until_a_person_releases_them(project: EngineProject) -> None:
    project.write("autoloop.toml", '[agents.codex]\nallow = ["approve", "start"]\nruns = 3\n')
    loop = project.loop([project.config("a")], rounds=2, decide=True, approve="manual")
    propose = Propose(run="a", variants=[Variant(edits=["lr=3"])])
    with project.driven(loop) as engine:
        engine.waiting()
        engine.done(propose, agent())
        assert engine.done(Agents()) == "all agents are held: they can read but not send requests"
        assert "are held already (by ada, since " in engine.done(Agents())
    # A new engine keeps them held.
    with project.driven(loop) as engine:
        again = Propose(run="a", variants=[Variant(edits=["lr=5"])])
        for request in (again, Reject(proposals=[2]), Note(text="but"), Approve(proposals=[1]), Agents(held=False)):
            for sender in (agent(), script()):
                assert f"All agents are held in {loop.name} (by ada, since " in engine.refused(request, sender)
        for brake in (Pause(), Hold()):
            engine.done(brake, agent())
        engine.done(Resume())
        engine.done(again)  # from a person
        with pytest.raises(UserError, match="All agents are held in loop_"):
            check_begin({"codex": Grant(allow=["start"])}, agent(), 1, time.time(), project.store.loops())
        check_begin({}, script(), 1, time.time(), project.store.loops())  # as scheduled by a person
        assert engine.done(Agents(held=False)) == "agents may send requests again"
        assert engine.refused(Agents(held=False)) == "Agents are not held."
        assert engine.refused(Agents(held=False), agent()) == "Only a person at a terminal may release agents."
        engine.done(Note(text="back"), agent())
    assert any(line.endswith("send requests (by ada)") for line in project.story(loop, "note"))


def test_agents_of_a_loop_without_an_engine_are_held_too(project: EngineProject) -> None:
    loop = project.run(project.loop([project.config("a")]))
    carry_out_directly(project.store, loop, Agents(), person())
    held = project.state(loop)
    with pytest.raises(UserError, match="All agents are held"):
        carry_out_directly(project.store, held, Note(text="x"), agent())
    with pytest.raises(UserError, match="All agents are held"):
        carry_out_directly(project.store, held, Agents(held=False), agent())
    carry_out_directly(project.store, held, Agents(held=False), person())
    assert project.state(loop).agents_held is None


def test_what_each_actor_did_and_spent_is_counted(project: EngineProject) -> None:
    loop = project.loop([project.config("a")], rounds=2, decide=True, approve="manual")
    with project.driven(loop) as engine:
        (rules_own,) = engine.waiting()
        for lr in (3, 5):
            engine.done(Propose(run="a", variants=[Variant(edits=[f"lr={lr}"])]), agent())
        engine.refused(Approve(proposals=[2]), agent())
        engine.done(Reject(proposals=[3, rules_own.id]))
        engine.done(Approve(proposals=[2]))
        engine.end()
    grants = {"codex": Grant(allow=["approve"], runs=4, gpu_hours=2.0)}
    found = {each.actor: each for each in accounts(project.store, project.state(loop), grants, time.time())}
    assert next(iter(found)) == "agent:codex"
    codex, ada, rule = found["agent:codex"], found["ada"], found["rule:more-lr"]
    assert (codex.proposals, codex.approved, codex.rejected, codex.runs, codex.refused) == (2, 1, 1, 1, 1)
    assert (codex.runs_left, codex.gpu_hours_left, codex.left) == (4, 2.0, "4 runs, 2 GPU h")  # approved by a person
    assert (ada.proposals, ada.decided, ada.refused, ada.left) == (0, 3, 0, "")
    assert (rule.proposals, rule.rejected, rule.runs) == (1, 1, 0)
    assert codex.seen is not None
    assert sum(each.runs for each in found.values()) == len(project.runs(loop))
