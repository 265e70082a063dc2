"""Verdicts between the runs of a loop: which runs are replicates, what other loops contribute, and the wording."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from autoloop.metrics import default_book
from autoloop.model import MetricSummary, Run, RunState, Summary
from autoloop.verdicts import Basis, Call, Judge, NoiseGap, SharedResults, Statistic, judged_metrics, reduced
from autoloop.verdicts.wording import noise_text, noise_unknown, sentence, short
from hypothesis import given
from hypothesis import strategies as st

L1 = "eval/offline_eval_l1"
NOISE = (0.001, -0.002, 0.0015, -0.0005)


def metric(last: float, **given: Any) -> MetricSummary:
    values = {
        "first": 1.0,
        "last": last,
        "best": last,
        "best_step": 1,
        "delta": 0.0,
        "pct": 0.0,
        "n": 9,
        "min": 0.0,
        "max": 1.0,
    }
    values |= {"tail_mean": last, "tail_mad": 0.0, "first_step": 0, "last_step": 9}
    return MetricSummary(**(values | given))


def run(name: str, value: float, group: str = "", seed: str = "", **given: Any) -> Run:
    fields: dict[str, Any] = {
        "id": name,
        "loop": 1,
        "round": 1,
        "position": 0,
        "name": name,
        "config_path": "",
        "source_path": "",
        "config_hash": name,
        "group": group,
        "seed": seed,
        "state": RunState.FINISHED,
        "summary": Summary(metrics={L1: metric(value)}),
    }
    return Run(**(fields | given))


def seeds(group: str, mean: float, **given: Any) -> list[Run]:
    return [run(f"{group}{seed}", mean + noise, group, str(seed), **given) for seed, noise in enumerate(NOISE)]


def test_the_main_metric_of_the_runs_has_most_of_the_error_rate_of_a_loop() -> None:
    both = {L1: metric(0.5), "epoch": metric(1.0), "train/l1_loss": metric(0.5), "speed": metric(3.0)}
    runs = [run(f"{name}{seed}", 0.0, name, str(seed), summary=Summary(metrics=both)) for name in "ab" for seed in (1, 2)]
    book = default_book().with_keys(["speed", "train/l1_loss", L1, "absent"])
    assert book.direction("speed") is None
    keys = judged_metrics(book, runs)
    assert keys == ["train/l1_loss", L1, "speed"]
    few = list(reduced(runs, [L1]))
    alphas = []
    for judge, key in ((Judge(runs, book), keys[0]), (Judge(runs, book), L1), (Judge(few, book, keys=keys), L1)):
        verdict = judge.between(runs[0], runs[2], key)
        assert verdict is not None
        alphas.append(verdict.alpha)
    main, other, reduced_other = alphas
    assert other == reduced_other
    assert 8 * other == pytest.approx(main)


def test_replicates_are_the_runs_of_one_group_and_tell_the_noise() -> None:
    judge = Judge([*seeds("a", 0.5), run("alone", 9.0, "b")], default_book())
    noise = judge.noise(L1)
    assert noise is not None
    assert (noise.runs, noise.groups, noise.dof) == (4, 1, 3)
    assert judge.noise("train/l1_loss") is None


def test_configs_are_judged_by_all_their_runs() -> None:
    ours, theirs = seeds("a", 0.4, round=2), seeds("b", 0.5)
    verdict = Judge([*theirs, *ours], default_book()).between(ours[0], theirs[2], L1)
    assert verdict is not None
    assert (verdict.call, verdict.runs) == (Call.BETTER, (4, 4))
    assert verdict.effect == pytest.approx(-0.1)
    assert short(verdict) == "better (n 4, 4)"
    assert sentence(verdict).startswith("better: -0.1 (tail mean) [")


def test_a_pair_of_configs_has_one_verdict_whichever_of_their_runs_are_asked_about() -> None:
    base, ours, other = seeds("base", 0.5), seeds("a", 0.4, round=2), seeds("b", 0.5, round=2)
    again = [run(f"{group}9", value, group, "9", round=3) for group, value in (("a", 0.4), ("base", 0.5))]
    judge = Judge([*base, *ours, *other, *again, run("new", 0.4, "c", round=3)], default_book())
    verdicts = [judge.between(mine, theirs, L1) for mine in (ours[0], again[0]) for theirs in (base[0], again[1])]
    assert verdicts[0] is not None
    assert (verdicts[0].call, verdicts[0].runs) == (Call.BETTER, (5, 5))
    assert verdicts == [verdicts[0]] * 4
    turned = judge.between(base[0], ours[0], L1)
    assert turned is not None
    assert (turned.call, turned.alpha) == (Call.WORSE, verdicts[0].alpha)
    # New configs of a round share its part of the error rate; those that run again there have had their own.
    shares = [verdict.alpha for each in (ours[0], again[0]) if (verdict := judge.between(each, base[0], L1))]
    new = judge.between(judge.replicates(run("new", 0.4, "c"))[0], base[0], L1)
    assert new is not None
    assert shares == [new.alpha] * 2  # half of 1/6, all of 1/12


def test_single_runs_without_any_replicate_stay_within_the_run() -> None:
    ours, theirs = run("a", 0.1, "a"), run("b", 9.0, "b")
    verdict = Judge([ours, theirs], default_book()).between(ours, theirs, L1)
    assert verdict is not None
    assert (verdict.call, verdict.basis) == (Call.NOT_ENOUGH, Basis.WITHIN_RUN)
    assert short(verdict) == "within the run only"
    assert "no config was run with two seeds" in sentence(verdict)


def test_replicates_that_tell_no_noise_are_not_called_missing() -> None:
    equal = [run(f"{name}{seed}", value, name, str(seed)) for name, value in (("a", 0.1), ("b", 9.0)) for seed in (1, 2)]
    longer = Summary(metrics={L1: metric(0.2, last_step=20)})
    uneven = [run("a", 0.1, "a", "1"), run("a2", 0.2, "a", "2", summary=longer), run("b", 9.0, "b")]
    for runs, why in ((equal, NoiseGap.SPREAD), (uneven, NoiseGap.STEPS)):
        verdict = Judge(runs, default_book()).between(runs[0], runs[-1], L1)
        assert verdict is not None
        assert sentence(verdict).endswith(f"within the run only: {why}") or verdict.basis is Basis.UNEQUAL_STEPS
        assert verdict.lacking is why
    assert noise_unknown(NoiseGap.SPREAD).endswith("does the seed reach the trainer? `autoloop-tui try` checks it.")


def test_what_another_loop_measured_on_the_same_base_counts() -> None:
    ours, theirs = run("a", 0.1, "a", round=2), run("base", 0.5, "base")
    calibration = seeds("base", 0.5, loop=7)
    verdict = Judge([ours, theirs], default_book(), calibration).between(ours, theirs, L1)
    assert verdict is not None
    assert (verdict.call, verdict.runs) == (Call.BETTER, (1, 5))


def test_the_same_training_twice_is_one_run() -> None:
    again = run("again", 0.5 + NOISE[0], "a", "0", config_hash="a0", loop=2)
    noise = Judge(seeds("a", 0.5), default_book(), [again]).noise(L1)
    assert noise is not None
    assert noise.runs == 4


def test_a_run_that_goes_on_and_a_replicate_of_the_same_config_are_not_judged() -> None:
    mine, others = seeds("a", 0.5), seeds("b", 0.1)
    going = run("going", 0.1, "b", state=RunState.RUNNING)
    judge = Judge([*mine, *others, going], default_book())
    assert judge.between(going, mine[0], L1) is None
    assert judge.between(mine[0], mine[1], L1) is None


def test_the_statistic_is_the_tail_mean_unless_another_is_asked_for() -> None:
    def of(name: str, group: str, tail: float, last: float) -> Run:
        return run(name, 0.0, group, summary=Summary(metrics={L1: metric(last, tail_mean=tail)}))

    runs = [of("a", "a", 1.0, 5.0), of("b", "b", 3.0, 4.0)]
    tail = Judge(runs, default_book()).between(runs[0], runs[1], L1)
    last = Judge(runs, default_book(), statistic=Statistic.LAST).between(runs[0], runs[1], L1)
    assert (tail.effect, last.effect) == (-2.0, 1.0)


def test_the_noise_in_words() -> None:
    noise = Judge(seeds("a", 0.5), default_book()).noise(L1)
    assert noise is not None
    assert noise_text(noise) == "0.0016 [0.0009, 0.0059] (4 runs of 1 config)"


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 6), st.integers(0, 3), st.integers(1, 3)), max_size=12))
def test_judges_of_ever_more_runs_find_what_they_would_without_each_other(made: list[tuple[int, int, int, int]]) -> None:
    """Whatever is added: a new config, a replicate of an early one, the same training again, a run that was read again."""
    book, seen, runs = default_book().with_keys([L1]), SharedResults(), list[Run]()
    for number, (config, seed, value, loop) in enumerate(made):
        summary = Summary(metrics={L1: metric(float(value), last_step=9 + value % 2)})
        runs.append(run(f"{config}-{seed}", 0.0, str(config), str(seed), loop=loop, round=number, summary=summary))
        if value == 1:
            runs[0] = msgspec.structs.replace(runs[0], step=number)
        mine, others = [each for each in runs if each.loop == 1], [each for each in runs if each.loop != 1]
        alone, beside = Judge(mine, book, others), Judge(mine, book, others, seen=seen)
        assert (beside.noise(L1), beside.lacking(L1)) == (alone.noise(L1), alone.lacking(L1))
        if number % 3 == 0:
            runs = [*runs[2:], *runs[:1]]
