"""The spread between seeds: pooled over configs, with its interval, its pairing and the step after which it is stable."""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterable

import pytest
from autoloop.verdicts import Value, pooled, stable_from


def group(*values: float, step: int = 100, first_seed: int = 1) -> list[Value]:
    return [Value(value, step, str(seed)) for seed, value in enumerate(values, first_seed)]


def test_of_one_group_it_is_the_sample_standard_deviation() -> None:
    values = [0.31, 0.35, 0.30, 0.36, 0.33]
    noise = pooled([group(*values)])
    assert noise is not None
    assert noise.sd == pytest.approx(statistics.stdev(values))
    assert (noise.dof, noise.runs, noise.groups) == (4, 5, 1)
    assert noise.correlation is None


def test_what_configs_come_to_is_no_noise() -> None:
    noise = pooled([group(1.0, 1.2, first_seed=1), group(100.0, 100.2, first_seed=11), group(7.0, first_seed=21)])
    assert noise is not None
    assert noise.sd == pytest.approx(0.1 * 2**0.5)
    assert (noise.dof, noise.runs, noise.groups) == (2, 4, 2)


def test_its_interval_is_that_of_chi_square() -> None:
    noise = pooled([group(*range(10))])
    assert noise is not None
    low, high = noise.interval()
    assert low == pytest.approx(noise.sd * (9 / 19.02276780) ** 0.5)
    assert high == pytest.approx(noise.sd * (9 / 2.700389500) ** 0.5)


@pytest.mark.parametrize("groups", [[], [group(1.0)], [group(1.0), group(2.0)], [group(1.0, 1.0)]])
def test_without_replicates_that_differ_nothing_is_known(groups: list[list[Value]]) -> None:
    assert pooled(groups) is None


def test_runs_at_another_step_than_most_do_not_count() -> None:
    noise = pooled([[*group(0.1, 0.3), Value(9.0, 40, "3")]])
    assert noise is not None
    assert (noise.runs, noise.dof) == (2, 1)
    assert noise.sd == pytest.approx(0.1 * 2**0.5)


def test_seeds_that_move_configs_together_are_seen() -> None:
    rng = random.Random(1)
    shared = [rng.gauss(0, 1) for _ in range(12)]
    alike = [group(*(seed + rng.gauss(mean, 0.3) for seed in shared)) for mean in (0, 5)]
    together = pooled(alike)
    assert together is not None
    assert together.correlation is not None
    assert together.correlation > 0.7
    assert together.pairs_well
    assert together.pair_dof == 11


def test_seeds_that_mean_nothing_do_not_pair() -> None:
    rng = random.Random(2)
    noise = pooled([group(*(rng.gauss(mean, 1) for _ in range(12))) for mean in (0, 5)])
    assert noise is not None
    assert not noise.pairs_well


def test_few_pairs_are_not_trusted() -> None:
    noise = pooled([group(1.0, 2.0, 4.0), group(1.5, 2.5, 4.51)])
    assert noise is not None
    assert (noise.pair_dof, noise.pairs_well) == (2, False)


def test_the_step_from_which_the_spread_is_what_it_is_at_the_end() -> None:
    rng = random.Random(3)
    ends = [rng.gauss(0, 1) for _ in range(8)]
    curves = [{step: end * (20 if step < 300 else 1) for step in range(100, 1000, 100)} for end in ends]
    assert stable_from(curves) == 300


@pytest.mark.parametrize("curves", [[], [{1: 0.0, 2: 0.0, 3: 0.0}], [{1: 0.0}, {2: 0.0}]])
def test_of_too_little_no_step_is_told(curves: list[dict[int, float]]) -> None:
    assert stable_from(curves) is None


def test_each_config_is_paired_with_the_earliest_that_has_two_seeds_in_common() -> None:
    numbers = random.Random(3)
    groups = [
        [Value(numbers.gauss(0, 1), 100, seed) for seed in numbers.sample("abcdefgh", numbers.randint(1, 4))]
        for _ in range(60)
    ]
    squares, dof = 0.0, 0
    for place, mine in enumerate(groups):
        values = {each.seed: each.value for each in mine}
        for other in groups[:place]:
            differences = [values[each.seed] - each.value for each in other if each.seed in values]
            if len(differences) > 1:
                squares += statistics.variance(differences) * (len(differences) - 1)
                dof += len(differences) - 1
                break
    noise = pooled(groups)
    assert noise
    assert noise.pair_dof == dof
    assert noise.pair_sd == pytest.approx((squares / dof) ** 0.5)


class CountedSeed(str):
    """Counts all look-ups of seeds."""

    __slots__ = ()
    lookups = 0

    def __hash__(self) -> int:
        CountedSeed.lookups += 1
        return super().__hash__()


@pytest.mark.parametrize(
    "seeds",
    [
        [range(500)] * 2,
        [range(10)] * 100,
        [(0, number) for number in range(1, 500)],
        [(0, number // 2, -number) for number in range(2, 334)],
    ],
    ids=["many seeds of two configs", "many configs", "one seed in common", "one seed in common and one of two"],
)
def test_pairing_costs_about_as_much_as_there_are_runs(seeds: list[Iterable[int]]) -> None:
    groups = [[Value(hash((each, place)) % 7, 100, CountedSeed(each)) for each in one] for place, one in enumerate(seeds)]
    CountedSeed.lookups = 0
    assert pooled(groups)
    assert CountedSeed.lookups < 20 * sum(map(len, groups))
