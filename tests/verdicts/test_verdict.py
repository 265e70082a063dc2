"""Better, worse, no difference shown, or not enough runs: the verdict on two configs, and how often it is wrong."""

from __future__ import annotations

import math
import random

import pytest
from autoloop.metrics import Direction
from autoloop.verdicts import ALPHA, Basis, Call, Noise, Value, Verdict, decide, pooled, shared
from autoloop.verdicts.verdict import among_metrics

KNOWN = Noise(sd=1.0, dof=1_000_000, runs=1_000_010, groups=10)
CALIBRATED = Noise(sd=1.0, dof=9, runs=10, groups=1)


def values(*numbers: float, step: int = 100, seeds: str = "s") -> list[Value]:
    return [Value(number, step, f"{seeds}{place}") for place, number in enumerate(numbers)]


def verdict(ours: list[Value], theirs: list[Value], noise: Noise | None = KNOWN, good: Direction | None = "low") -> Verdict:
    return decide(ours, theirs, noise, good=good)


def test_without_any_replicate_nothing_is_decided_however_far_apart() -> None:
    found = verdict(values(1.0), values(1000.0), None)
    assert (found.call, found.basis) == (Call.NOT_ENOUGH, Basis.WITHIN_RUN)
    assert (found.effect, found.interval, found.more, found.runs) == (-999.0, None, None, (1, 1))


def test_one_run_each_against_calibrated_noise() -> None:
    """With few seeds, a wide spread is plausible, so the same difference proves less."""
    assert verdict(values(0.0), values(5.0)).call is Call.BETTER
    assert verdict(values(5.0), values(0.0)).call is Call.WORSE
    assert verdict(values(0.0), values(5.0), CALIBRATED).call is Call.NOT_ENOUGH
    assert verdict(values(0.0), values(7.0), CALIBRATED).call is Call.BETTER
    assert verdict(values(0.0), values(1.0), CALIBRATED).call is Call.NOT_ENOUGH


def test_the_direction_decides_which_way_is_better() -> None:
    assert verdict(values(9.0), values(0.0), good="high").call is Call.BETTER
    assert verdict(values(9.0), values(0.0), good="low").call is Call.WORSE
    assert verdict(values(9.0), values(0.0), good=None).call is Call.HIGHER
    assert verdict(values(-9.0), values(0.0), good=None).call is Call.LOWER


def test_the_replicates_of_the_two_configs_tell_the_noise_themselves() -> None:
    found = verdict(values(1.0, 1.1, 0.9, 1.0), values(2.0, 2.1, 1.9, 2.0, seeds="t"), None)
    assert (found.call, found.basis, found.runs) == (Call.BETTER, Basis.UNPAIRED, (4, 4))


def test_the_interval_holds_the_effect_and_leaves_zero_out_where_it_is_decided() -> None:
    for ours in (-9.0, -2.0, 0.5):
        found = verdict(values(ours), values(0.0))
        assert found.interval is not None
        low, high = found.interval
        assert low < ours < high
        assert found.call.decided == (not low < 0 < high)


def test_how_many_more_runs_would_settle_it() -> None:
    """If further runs of each give the same results, the verdict is reached after exactly that many."""
    first = verdict(values(-1.5), values(0.0))
    assert first.more is not None
    assert first.more > 0
    each = 1 + first.more // 2
    later = verdict(values(*[-1.5] * each), values(*[0.0] * (each + first.more % 2), seeds="t"))
    assert (later.call, later.more) == (Call.BETTER, 0)


def test_an_effect_that_is_nothing_is_given_up() -> None:
    found = verdict(values(*[0.1] * 16), values(*[0.0] * 16, seeds="t"))
    assert (found.call, found.more) == (Call.NO_DIFFERENCE, 0)
    assert verdict(values(0.1), values(0.0)).call is Call.NOT_ENOUGH


def test_every_comparison_ends() -> None:
    for effect in (0.0, 0.3, 0.5, 0.7, 1.0, 3.0):
        assert verdict(values(*[effect] * 40), values(*[0.0] * 40, seeds="t")).call is not Call.NOT_ENOUGH


def test_only_runs_at_equal_steps_are_compared() -> None:
    found = verdict(values(0.0, step=100), values(9.0, step=300))
    assert (found.call, found.basis) == (Call.NOT_ENOUGH, Basis.UNEQUAL_STEPS)
    mixed = verdict([*values(0.0, 0.0), Value(-50.0, 300)], values(0.0, 0.0, seeds="t"))
    assert (mixed.effect, mixed.runs) == (0.0, (2, 2))


def test_a_side_without_a_run_has_no_value() -> None:
    found = verdict([], values(1.0))
    assert (found.call, found.basis) == (Call.NOT_ENOUGH, Basis.MISSING)
    assert math.isnan(found.effect)


def test_runs_are_paired_by_seed_where_that_has_been_shown_to_help() -> None:
    rng = random.Random(4)
    luck = [rng.gauss(0, 1) for _ in range(8)]
    ours, theirs = (
        [Value(each + mean + rng.gauss(0, 0.1), 100, str(seed)) for seed, each in enumerate(luck)] for mean in (0, 0.6)
    )
    found = verdict(ours, theirs, pooled([ours, theirs]))
    assert (found.call, found.basis, found.runs) == (Call.BETTER, Basis.PAIRED, (8, 8))
    strangers = [Value(each.value, each.step, f"t{each.seed}") for each in theirs]
    unpaired = verdict(ours, strangers, pooled([ours, strangers]))
    assert (unpaired.call, unpaired.basis) == (Call.NOT_ENOUGH, Basis.UNPAIRED)


def test_among_many_comparisons_each_must_show_more() -> None:
    ours, theirs = values(0.0), values(5.0)
    assert decide(ours, theirs, KNOWN, good="low").call is Call.BETTER
    assert decide(ours, theirs, KNOWN, good="low", comparisons=shared(3, 4)).call is Call.NOT_ENOUGH


def test_a_loop_never_spends_more_than_its_error_rate() -> None:
    rounds = enumerate([5, 8, 1, 3, 100] * 40, 1)
    spent = sum(configs / shared(round_, configs) + 1 / shared(round_) for round_, configs in rounds)
    assert 0.9 < spent <= 1


@pytest.mark.parametrize("keys", [["a"], ["a", "b"], ["a", "b", "c", "d", "e"]])
def test_nor_does_it_in_all_its_key_metrics_together(keys: list[str]) -> None:
    spent = [1 / among_metrics(key, keys) for key in keys]
    assert 0.79 < sum(spent) < 1 + 1e-9
    assert spent[0] == max(spent)
    assert 1 / among_metrics("another", keys) <= min(spent)


def looked_at_after_every_run(effect: float, rng: random.Random, seeds: int) -> tuple[Call, int]:
    """Add pairs of runs until there is a verdict; the noise is estimated from `seeds` further runs and from these runs."""
    calibration = [Value(rng.gauss(0, 1), 1, f"c{seed}") for seed in range(seeds)]
    ours: list[Value] = []
    theirs: list[Value] = []
    while True:
        seed = str(len(ours))
        ours.append(Value(rng.gauss(effect, 1), 1, seed))
        theirs.append(Value(rng.gauss(0, 1), 1, seed))
        found = decide(ours, theirs, pooled([calibration, ours, theirs]), good="high")
        if found.call is not Call.NOT_ENOUGH:
            return found.call, len(ours) + len(theirs)


@pytest.mark.parametrize("seeds", [0, 5])
def test_looking_after_every_run_does_not_fool_anybody(seeds: int) -> None:
    """Equal configs are rarely called better; a true effect of one spread is found. bench/judgement has the exact rates."""
    rng = random.Random(11)
    equal = [looked_at_after_every_run(0.0, rng, seeds)[0] for _ in range(100)]
    assert equal.count(Call.BETTER) <= 3 * ALPHA * len(equal)
    apart = [looked_at_after_every_run(1.0, rng, seeds) for _ in range(50)]
    assert [call for call, _ in apart].count(Call.BETTER) >= 40
    assert sum(runs for _, runs in apart) / len(apart) < 30
