"""Confirmation on fresh seeds: which config that looks better than the baseline runs again, with how many seeds, and when
that is decided.

A single run that looks better may have been lucky, and the best of many was. So its config, the contender, runs again with
the baseline, both with the same fresh seeds in one round, and only these runs count. A sequential test checks them after
every round until it decides; then the next contender follows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from autoloop.model import Call, Comparison, Confirmation, Proposal, ProposalStatus, Run, RunState
from autoloop.verdicts.judge import Judge
from autoloop.verdicts.noise import Noise
from autoloop.verdicts.verdict import Basis, Verdict, pairs_to_settle, shared

FAILURES = 2
"""The number of runs on fresh seeds without a value after which a confirmation is given up, if no run of the newest round
has one."""
SHRUNK = 0.5
"""The share of a contender's explored effect that is expected on fresh seeds."""


@dataclass(frozen=True)
class Share:
    """The division of a round of `size` runs: at most `pairs` runs of the contender and as many of the baseline. `last`: no
    later round could confirm anything new."""

    size: int
    pairs: int
    last: bool

    def variants(self, confirming: int) -> int:
        """The number of runs of new variants beside `confirming` ones: at least half of the round, and none in the last."""
        return 0 if self.last else max(self.size - confirming, self.size - self.size // 2)


def share(variants: int, before: int, slots: int, left: int | None, last: bool) -> Share:
    """Return the division of the next round.

    Its size is the largest of: the number of new variants, the size of the round before, the number of slots. Half of it may
    confirm, plus the runs that new variants leave free, but at least one pair; in the last round all of it. `left`: the
    number of runs that the loop may still start.
    """
    size = max(variants, before, slots, 2)
    if left is not None and left <= size:
        size, last = left, True
    confirming = size if last else max(size // 2, size - variants)
    return Share(size, max(1, confirming // 2), last)


def confirmations(runs: Sequence[Run], judge: Judge, metric: str, given_up: Mapping[str, str]) -> list[Confirmation]:
    """Return the loop's confirmations that have begun or were given up, in order, with their current results.

    `runs`: the loop's, in order. `given_up`: why a contender's replicates will not run, by its run.
    """
    base = judge.first(runs[0]) if runs else None
    if base is None:
        return []
    by_id = {run.id: run for run in runs}
    fresh: dict[str, list[Run]] = {}
    for run in runs:
        if run.confirms in by_id:
            fresh.setdefault(_first(by_id[run.confirms], judge), []).append(run)
    why = {_first(by_id[contender], judge): text for contender, text in given_up.items() if contender in by_id}
    for contender in why:  # last, so that those that have begun keep their numbers
        fresh.setdefault(contender, [])
    return [
        _confirmation(by_id[contender], base, made, judge, metric, number, why.get(contender))
        for number, (contender, made) in enumerate(fresh.items(), 1)
        if not judge.same(by_id[contender], base)
    ]


def _first(run: Run, judge: Judge) -> str:
    """The id of the first finished run of the run's config; of the run itself if none has finished."""
    return (judge.first(run) or run).id


def given_up(proposals: Iterable[Proposal]) -> dict[str, str]:
    """Return why a contender's replicates will not run, by its run: its newest proposal was rejected or could not start."""
    found: dict[str, str] = {}
    for proposal in proposals:
        if proposal.repeats is None:
            continue
        contender = proposal.repeats.runs[0]
        found.pop(contender, None)
        if proposal.status is ProposalStatus.REJECTED:
            found[contender] = f"its replicates were rejected by {proposal.decided_by}"
        elif proposal.status is ProposalStatus.BLOCKED:
            found[contender] = proposal.blocked or "its replicates could not start"
    return found


def next_number(runs: Sequence[Run]) -> int:
    """Return the number of the next confirmation."""
    return 1 + len({run.confirms for run in runs if run.confirms})


def _confirmation(
    contender: Run, base: Run, fresh: Sequence[Run], judge: Judge, metric: str, number: int, why: str | None
) -> Confirmation:
    explored, verdict = judge.explored(contender, base, metric), judge.confirmed(contender, base, metric, number)
    ended = [run for run in fresh if run.state.ended]
    sides = [[run for run in ended if judge.same(run, side)] for side in (contender, base)]
    return Confirmation(
        contender=contender.id,
        explored=explored.effect,
        explored_runs=explored.runs[0],
        comparison=comparison(verdict),
        failed=sum(not _has(run, metric) for run in sides[0]),
        given_up=why or _hopeless(verdict, sides, metric),
    )


def _hopeless(verdict: Verdict, sides: Sequence[Sequence[Run]], metric: str) -> str | None:
    """Why more seeds would not decide the confirmation; None if they may."""
    for whose, side in zip(("its", "the baseline's"), sides, strict=True):
        newest = [run for run in side if run.round == side[-1].round]
        lacking = [run for run in side if not _has(run, metric)]
        if len(lacking) >= FAILURES and not any(_has(run, metric) for run in newest):
            return f"{len(lacking)} of {whose} runs on fresh seeds ended without a value"
    if verdict.basis is Basis.UNEQUAL_STEPS:
        return "its runs and the baseline's ended at different steps"
    if verdict.basis is Basis.WITHIN_RUN and min(verdict.runs) > 1:
        return "runs with different seeds gave equal values to the digit, so their seed seems to have no effect"
    return None


def next_contender(runs: Sequence[Run], judge: Judge, metric: str, tried: Sequence[Confirmation]) -> Run | None:
    """Return the first finished run of the config to confirm next; None if no config looks better than what is confirmed.

    An unsettled confirmation continues. Otherwise the config that looks best is chosen, if it looks better than the baseline
    and every confirmed config. Configs are skipped if they were tried before, if their runs already show that they are not
    better, or if these ended at other steps than the baseline's.
    """
    base, good = judge.first(runs[0]) if runs else None, judge.book.direction(metric)
    if base is None or good is None:
        return None
    by_id = {run.id: run for run in runs}
    for each in tried:
        if not each.settled:
            return by_id[each.contender]
    sign = 1 if good == "high" else -1
    reached = max((sign * each.comparison.effect for each in tried if each.confirmed and each.comparison), default=0.0)
    done = [base, *(by_id[each.contender] for each in tried)]
    for standing in sorted(judge.standings(metric).values(), key=lambda each: -sign * each.value):
        run = by_id[standing.run]
        if any(judge.same(run, other) for other in done):
            continue
        verdict = judge.explored(run, base, metric)
        decided = verdict.call in (Call.NO_DIFFERENCE, Call.WORSE) or verdict.basis is Basis.UNEQUAL_STEPS
        if not decided and sign * verdict.effect > reached:
            return run
    return None


def pairs_wanted(judge: Judge, metric: str, explored: float, known: Confirmation | None, number: int, most: int) -> int:
    """Return the number of fresh seeds with which the contender and the baseline run next, from 1 to `most`.

    It is the number that would settle the comparison if the effect is the one on fresh seeds so far, or, before there are
    any, a share of `explored`. If the noise is unknown, it is `most`.
    """
    noise: Noise | None = judge.noise(metric)
    if noise is None:
        return most
    if known is not None and known.comparison is not None and known.comparison.more:
        wanted = math.ceil(known.comparison.more / 2)
    else:
        wanted = pairs_to_settle(SHRUNK * explored, noise, shared(number))
    return max(1, min(wanted, most))


def comparison(verdict: Verdict) -> Comparison | None:
    """Return a verdict in the form stored with an outcome; None if it has no value."""
    if math.isnan(verdict.effect):
        return None
    return Comparison(
        call=verdict.call,
        basis=verdict.basis.value,
        effect=verdict.effect,
        runs=verdict.runs,
        interval=verdict.interval,
        more=verdict.more,
    )


def _has(run: Run, metric: str) -> bool:
    return run.state is RunState.FINISHED and run.summary is not None and metric in run.summary.metrics
