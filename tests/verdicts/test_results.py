"""The outcome of a proposal: its runs, the verdict on them, whether its expectation was met, and the wording."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from autoloop.metrics import default_book
from autoloop.model import Actor, Call, Expectation, Proposal, Run, RunState
from autoloop.verdicts import Fate, Judge, Result, Results
from autoloop.verdicts.wording import expectation_said, result_document, result_texts

from tests.verdicts.test_judge import L1, run, seeds

BOOK = default_book().with_keys([L1])
LOWER = Expectation(metric=L1, direction="lower")


def proposal(**more: Any) -> Proposal:
    return Proposal(id=7, loop=1, round=1, base_run="a0", author=Actor.rule("r"), reason="", edits=[], **more)


def variants(mean: float, **more: Any) -> list[Run]:
    return seeds("b", mean, proposal=7, round=2, base_run="a0", **more)


def result(runs: list[Run], asked: Proposal | None = None) -> Result:
    found = Results(runs, Judge(runs, BOOK)).of(asked or proposal())
    assert found is not None
    return found


def test_a_proposal_without_a_run_has_no_result() -> None:
    runs = seeds("a", 0.5)
    assert Results(runs, Judge(runs, BOOK)).of(proposal()) is None


def test_all_its_runs_are_judged_against_its_base_over_their_seeds() -> None:
    found = result([*seeds("a", 0.5), *variants(0.4)], proposal(expects=LOWER))
    assert (found.fate, len(found.runs), found.metric) == (Fate.RAN, 4, L1)
    assert found.verdict is not None
    assert (found.verdict.call, found.verdict.runs) == (Call.BETTER, (4, 4))
    assert found.met is True
    assert result_texts(found) == ["ran -0.1 better", "-0.1 better", "better"]
    assert expectation_said(LOWER, found, BOOK) == "expects eval/offline_eval_l1 lower: met"
    document = result_document(found)
    assert (document["call"], document["n"], document["expectation_met"]) == ("better", (4, 4), True)
    assert document["runs"] == [each.id for each in found.runs]


def test_an_expectation_is_not_met_by_the_opposite_nor_where_no_difference_is_shown() -> None:
    worse = result([*seeds("a", 0.5), *variants(0.6)], proposal(expects=LOWER))
    assert (worse.met, result_texts(worse)[0]) == (False, "ran +0.1 worse")
    many = [run(f"a{n}", 0.5 + n % 2 * 0.01, "a", str(n)) for n in range(60)]
    same = [run(f"b{n}", 0.5 + n % 2 * 0.01, "b", str(n), proposal=7, round=2, base_run="a0") for n in range(60)]
    equal = result([*many, *same], proposal(expects=LOWER))
    assert (equal.met, result_texts(equal)) == (False, ["ran, no difference shown", "no difference", "ran"])


def test_without_replicates_nothing_is_decided_about_it() -> None:
    found = result([run("a0", 0.5), run("b0", 0.492, proposal=7, base_run="a0")], proposal(expects=LOWER))
    assert found.met is None
    assert result_texts(found) == ["ran -0.008 (not enough runs)", "ran -0.008", "-0.008", "ran"]
    assert expectation_said(LOWER, found, BOOK) == "expects eval/offline_eval_l1 lower: not decided"


def test_the_metric_that_is_expected_to_move_is_the_one_that_counts() -> None:
    other = Expectation(metric="l1_loss", direction="lower")
    found = result([run("a0", 0.5), run("b0", 0.4, proposal=7)], proposal(expects=other))
    assert found.metric == "train/l1_loss"
    assert result_texts(found) == ["ran"]


@pytest.mark.parametrize(
    ("states", "fate", "text"),
    [
        ([RunState.QUEUED, RunState.QUEUED], Fate.QUEUED, "queued"),
        ([RunState.QUEUED, RunState.FINISHED], Fate.RUNNING, "running"),
        ([RunState.STOPPING], Fate.RUNNING, "running"),
        ([RunState.FAILED, RunState.STOPPED], Fate.FAILED, "failed: out of GPU memory"),
        ([RunState.LOST], Fate.FAILED, "failed: out of GPU memory"),
        ([RunState.STOPPED], Fate.STOPPED, "stopped at step 600"),
    ],
)
def test_a_proposal_is_as_far_as_its_runs(states: list[RunState], fate: Fate, text: str) -> None:
    runs = [
        run(f"b{n}", 0.4, proposal=7, state=state, step=600, reason=f"{state.value}: out of GPU memory")
        for n, state in enumerate(states)
    ]
    found = result([*seeds("a", 0.5), *runs])
    assert (found.fate, result_texts(found)[0]) == (fate, text)
    assert expectation_said(LOWER, found, BOOK) == "expects eval/offline_eval_l1 lower"


def test_one_seed_that_failed_leaves_the_others() -> None:
    finished = variants(0.4)
    failed = run("b9", 0.0, "b", "9", proposal=7, state=RunState.FAILED)
    found = result([*seeds("a", 0.5), *finished, failed])
    assert found.fate is Fate.RAN
    assert [each.id for each in found.finished] == [each.id for each in finished]


def test_a_result_is_worked_out_once_for_a_proposal_as_it_stands() -> None:
    runs, asked = [*seeds("a", 0.5), *variants(0.4)], proposal()
    results = Results(runs, Judge(runs, BOOK))
    assert results.of(asked) is results.of(asked)
    expecting = results.of(msgspec.structs.replace(asked, expects=LOWER))
    assert expecting is not None
    assert expecting.met is True
