"""`--then extend=N`: after the rounds, the config that is better than the baseline continues to N steps."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from autoloop.engine import Engine
from autoloop.engine.base.events import EventLog
from autoloop.engine.driver import outage
from autoloop.engine.planning.then import check_then
from autoloop.model import EventKind, Loop, LoopState, Proposal, ProposalStatus, Run, RunState, UserError
from autoloop.protocol import Approve, Edit, Reject, Undo
from autoloop.reports import then_line
from autoloop.store import Store, StoreUnavailableError

from tests.engine.project import EngineProject, rows
from tests.support.databases import Died, die_at
from tests.support.senders import person

TRAINER = Path(__file__).with_name("then_trainer.py")
RESUME = """
[resume]
checkpoint = "{output_dir}/checkpoints/last"

[resume.flags]
resume = "true"
"""
BASELINE = [1.00, 1.02, 0.98, 1.01]
BETTER = [0.50, 0.53, 0.48, 0.52]


def preset(project: EngineProject, *, resumes: bool = True, steps: str = 'steps = "{steps}"') -> str:
    text = f"""
name = "long"
title = "a trainer whose steps can be set"
argv = ["{{python}}", "-I", "-S", {json.dumps(str(TRAINER))}]
override_style = "dashed-eq"
success = "End of training"
stop = [["INT", 0.3], ["TERM", 0.3], ["KILL", 0]]
straggler_grace = 0.5

[flags]
config = "{{config}}"
output_dir = "{{output_dir}}"
{steps}
"""
    path = project.folder / "long.toml"
    path.write_text(text + (RESUME if resumes else ""))
    return str(path)


def seeded(project: EngineProject, name: str, losses: list[float], **more: Any) -> list[str]:
    """Write configs that differ only in the seed, with a constant loss for each seed."""
    return [
        project.write_config(f"{name},seed={seed}", {"seed": seed, "loss": losses, "lr": 1.0, **more})
        for seed in range(len(losses))
    ]


def loop_of(project: EngineProject, losses: list[float] | None = None, *, extend: int = 40, **changes: Any) -> Loop:
    """Create a loop of two configs with four seeds each and 20 steps; the second has `losses`."""
    more = {key: changes.pop(key) for key in list(changes) if key in ("max_steps", "at")}
    other = BETTER if losses is None else losses
    configs = [*seeded(project, "base", BASELINE, **more), *seeded(project, "new", other, lr=3.0, **more)]
    changes.setdefault("preset", str(project.folder / "long.toml"))
    if not Path(changes["preset"]).exists():
        preset(project)
    return project.loop(configs, **{"steps": 20, "concurrency": 4, "extend_winner": extend, **changes})


def asked(project: EngineProject, loop: Loop) -> Proposal:
    (found,) = [each for each in project.proposals(loop) if each.extend is not None]
    return found


def long_run(project: EngineProject, loop: Loop) -> Run:
    proposal = asked(project, loop)
    assert proposal.run is not None
    return project.store.run(proposal.run)


def line(project: EngineProject, loop: Loop) -> str:
    return then_line(project.store, project.state(loop)) or ""


def test_the_winner_continues_from_its_checkpoint_and_the_outcome_stays(project: EngineProject) -> None:
    loop = loop_of(project)
    ended = project.run(loop)
    assert ended.state is LoopState.FINISHED
    run = long_run(project, loop)
    # The worse of the two runs in the middle of the four: 0.48 0.50 [0.52] 0.53.
    assert run.name == "new,seed=3"
    assert (run.state, run.step, run.attempts) == (RunState.FINISHED, 40, 2)
    assert ended.outcome is not None
    assert ended.outcome.better
    assert ended.outcome.comparison is not None
    assert ended.outcome.comparison.runs == (4, 4)
    assert asked(project, loop).status is ProposalStatus.LAUNCHED
    assert line(project, loop) == f"then: new,seed=3 ({run.id}) is trained to 40 steps: finished, step 40 of 40"
    assert line(project, loop) in project.story(loop, "note")


def test_without_a_resume_table_it_is_trained_anew(project: EngineProject) -> None:
    loop = loop_of(project, preset=preset(project, resumes=False))
    assert project.run(loop).state is LoopState.FINISHED
    run = long_run(project, loop)
    base = project.named(loop, "new,seed=3")
    assert (run.name, run.base_run, run.step, run.attempts) == ("new,seed=3_to_40", base.id, 40, 1)
    assert (base.state, base.step, base.attempts) == (RunState.FINISHED, 20, 1)
    outcome = project.state(loop).outcome
    assert outcome is not None
    assert outcome.better
    assert outcome.runs == 8


def test_steps_of_the_config_are_set_there(project: EngineProject) -> None:
    own = preset(project, resumes=False, steps="")
    loop = loop_of(project, preset=own, max_steps=20)
    project.run(loop)
    run = long_run(project, loop)
    assert [(each.path, each.before, each.after) for each in run.changes] == [("max_steps", 20, 40)]
    assert run.step == 40


def test_nothing_is_extended_if_no_config_is_better(project: EngineProject) -> None:
    loop = loop_of(project, [0.99, 1.03, 0.97, 1.00])
    assert project.run(loop).state is LoopState.FINISHED
    assert not project.proposals(loop)
    assert line(project, loop) == (
        "then: no run is extended, because no config has been shown to be better than the baseline"
    )
    assert line(project, loop) in project.story(loop, "note")
    assert len(project.attempts()) == 8


def test_it_waits_for_a_user_who_may_change_their_mind(project: EngineProject) -> None:
    loop = loop_of(project, approve="manual", grace=60.0)
    with project.driven(loop) as driven:
        driven.until(lambda: project.story(loop, "waiting"), "a decision is waited for")
        proposal = asked(project, loop)
        assert proposal.status is ProposalStatus.PENDING
        assert f"autoloop-tui approve {proposal.id}" in project.story(loop, "waiting")[-1]
        assert any("is better than the baseline" in text for text in project.story(loop, "note"))
        assert "extend" in driven.refused(Edit(proposal=proposal.id, edits=["lr=2"]))
        assert "the training to 40 steps starts in" in driven.done(Approve(proposals=[proposal.id]))
        driven.done(Undo())
        assert asked(project, loop).status is ProposalStatus.PENDING
        assert project.state(loop).state is LoopState.ACTIVE
        assert "waits for a decision" in line(project, loop)
    assert len(project.attempts()) == 8


def test_what_a_store_refused_once_is_said_afterwards(project: EngineProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outage, "LOOK_EVERY", 0.001)
    record, refused = EventLog.record, list[str]()

    def refuse_once(self: EventLog, kind: EventKind, text: str, run: str | None = None) -> None:
        if kind is EventKind.WAITING and text not in refused:
            refused.append(text)
            raise StoreUnavailableError("the disk is full for this instant")
        record(self, kind, text, run)

    monkeypatch.setattr(EventLog, "record", refuse_once)
    loops = [loop_of(project, approve="manual")]
    loops.append(project.loop([project.config("a")], rounds=2, decide=True, approve="manual"))
    for loop in loops:
        with project.driven(loop) as driven:
            driven.waiting()
    assert [text.partition(":")[0].partition(";")[0] for text in refused] == [
        "the winner waits for a decision",
        "round 2 waits for a decision on 1 proposal",
    ]


def test_a_rejection_ends_the_loop(project: EngineProject) -> None:
    loop = loop_of(project, approve="manual")
    with project.driven(loop) as driven:
        driven.until(lambda: project.story(loop, "waiting"), "a decision is waited for")
        driven.done(Reject(proposals=[asked(project, loop).id]))
        assert driven.end().state is LoopState.FINISHED
    assert line(project, loop).endswith("is not continued to 40 steps: rejected by ada")
    assert len(project.attempts()) == 8


def test_after_a_while_nobody_is_asked(project: EngineProject) -> None:
    loop = loop_of(project, approve="after:0.01")
    assert project.run(loop).state is LoopState.FINISHED
    assert long_run(project, loop).step == 40


def test_an_extension_that_fails_leaves_the_outcome_and_is_named(project: EngineProject) -> None:
    loop = loop_of(project, at={"40": {"code": 1}})
    ended = project.run(loop)
    assert ended.state is LoopState.FINISHED
    assert long_run(project, loop).state is RunState.FAILED
    assert ended.outcome is not None
    assert ended.outcome.better
    assert "failed, step" in line(project, loop)


def test_max_runs_do_not_count_a_run_that_goes_on(project: EngineProject) -> None:
    loop = loop_of(project, max_runs=8)
    assert project.run(loop).state is LoopState.FINISHED
    assert long_run(project, loop).step == 40


def test_max_runs_stop_before_a_training_anew_and_a_resume_goes_on(project: EngineProject) -> None:
    loop = loop_of(project, max_runs=8, preset=preset(project, resumes=False))
    ended = project.run(loop)
    assert ended.state is LoopState.STOPPED
    assert "--max-runs" in (ended.reason or "")
    outcome = ended.outcome
    project.store.put_loop(_with_runs(ended, 9))
    again = project.run(loop)
    assert again.state is LoopState.FINISHED
    assert long_run(project, loop).step == 40
    assert again.outcome == outcome


def _with_runs(loop: Loop, most: int) -> Loop:
    return msgspec.structs.replace(loop, max_runs=most)


@pytest.mark.parametrize("resumes", [True, False])
def test_an_engine_may_die_at_every_write(project: EngineProject, resumes: bool) -> None:
    """From the end of the rounds on: the next engine reaches the same end, with exactly one extension."""
    loop = loop_of(project, preset=preset(project, resumes=resumes), approve="manual")
    with project.driven(loop) as driven:
        driven.until(lambda: project.story(loop, "waiting"), "a decision is waited for")
    project.store.send(loop.id, Approve(proposals=[asked(project, loop).id]), person("ada"))
    for number in itertools.count(1):
        with Store.open(project.folder) as store:
            engine = Engine(store, store.loop(loop.id))
            die_at(store, number)
            try:
                engine.run()
                break
            except Died:
                continue
    assert number > 5
    assert project.state(loop).state is LoopState.FINISHED
    assert long_run(project, loop).step == 40
    assert asked(project, loop).status is ProposalStatus.LAUNCHED
    finished = [each for each in project.attempts() if each.result is RunState.FINISHED]
    assert len(finished) == 9
    assert len(project.runs(loop)) == (8 if resumes else 9)
    assert project.left_over() == []


def refused(project: EngineProject, **changes: Any) -> str:
    with pytest.raises(UserError) as problem:
        loop_of(project, **changes)
    assert not project.store.loops()
    return str(problem.value)


def test_a_plan_refuses_what_could_not_be_done(project: EngineProject) -> None:
    assert "must be more than the 20 steps" in refused(project, extend=20)
    assert "at most 1000000000 steps" in refused(project, extend=2 * 10**9)
    own = preset(project, resumes=False, steps="")
    assert "whose number of steps can be set" in refused(project, preset=own)
    alone = seeded(project, "base", BASELINE)
    with pytest.raises(UserError, match="only one config"):
        project.loop(alone, preset=preset(project), steps=20, extend_winner=40)


def test_a_plan_without_seeds_says_that_nothing_will_be_shown(project: EngineProject) -> None:
    configs = [project.config("a", rows=rows(5.0, 1.0)), project.config("b", rows=rows(5.0, 0.1))]
    loop = project.loop(configs, preset=preset(project), steps=20, extend_winner=40)
    runs = project.runs(loop)
    (warning,) = check_then(loop.spec, project.engine(project.store, loop).context.preset, runs, [{}, {}])
    assert "--seeds 3" in warning
