"""A loop's outcome, computed from its runs and proposals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from autoloop.model import (
    ActorKind,
    Call,
    Comparison,
    Confirmation,
    LoopSpec,
    Outcome,
    Proposal,
    ProposalStatus,
    RoundStanding,
    RuleRecord,
    Run,
    Standing,
)
from autoloop.verdicts.confirmation import comparison, confirmations, given_up
from autoloop.verdicts.judge import Judge
from autoloop.verdicts.verdict import Verdict


def outcome(runs: Sequence[Run], proposals: Sequence[Proposal], spec: LoopSpec, judge: Judge, metric: str) -> Outcome | None:
    """Return the outcome of a loop whose runs `judge` knows. The caller adds the changes between the two configs.

    None if no run of the first config has finished with the metric, or if the metric's better direction is unknown.
    """
    good = judge.book.direction(metric)
    standings = judge.standings(metric)
    base = judge.first(runs[0]) if runs else None
    if good is None or base is None or base.id not in standings:
        return None
    by_id = {run.id: run for run in runs}
    ranked = sorted(standings.values(), key=lambda each: each.value, reverse=good == "high")
    verdicts = {each.run: judge.between(by_id[each.run], base, metric) for each in ranked}
    confirms = spec.confirms and bool(base.group)
    tried = confirmations(runs, judge, metric, given_up(proposals)) if confirms else []
    first, compared = _first(ranked, verdicts, tried, confirms, 1 if good == "high" else -1)
    return Outcome(
        metric=metric,
        statistic=judge.statistic.value,
        highest=good == "high",
        baseline=standings[base.id],
        first=first,
        comparison=compared,
        confirms=confirms,
        confirmations=tried,
        rounds=_rounds(ranked, by_id),
        rules=rule_records(proposals, by_id, judge, metric),
        runs=len(runs),
        seconds=sum(_seconds(run, spec) for run in runs),
        gpus=spec.on_gpus,
    )


def rule_records(
    proposals: Iterable[Proposal], runs: Mapping[str, Run], judge: Judge | None = None, metric: str | None = None
) -> list[RuleRecord]:
    """Return the outcomes of the proposals of each rule and of the search, in the order of their first proposals. Without
    `judge` and `metric`, runs are counted but not judged."""
    by_rule: dict[str, list[Proposal]] = {}
    for proposal in proposals:
        if proposal.author.by_itself:
            by_rule.setdefault(proposal.origin, []).append(proposal)
    return [_record(rule, made, runs, judge, metric) for rule, made in by_rule.items()]


def _record(
    rule: str, made: Sequence[Proposal], runs: Mapping[str, Run], judge: Judge | None, metric: str | None
) -> RuleRecord:
    status = Counter(proposal.status for proposal in made)
    ran = [proposal for proposal in made if proposal.run is not None]
    calls: Counter[Call] = Counter()
    for proposal in ran if judge and metric else ():
        run, base = runs.get(proposal.run or ""), runs.get(proposal.base_run)
        verdict = judge.between(run, base, metric) if judge and run and base and metric else None
        if verdict is not None:
            calls[verdict.call] += 1
    return RuleRecord(
        rule=rule,
        searched=made[0].author.kind is ActorKind.SEARCH,
        proposed=len(made),
        approved=sum(status[each] for each in APPROVED),
        rejected=status[ProposalStatus.REJECTED],
        ran=len(ran),
        better=calls[Call.BETTER],
        worse=calls[Call.WORSE],
        no_difference=calls[Call.NO_DIFFERENCE],
    )


APPROVED = (ProposalStatus.APPROVED, ProposalStatus.LAUNCHED, ProposalStatus.DONE)


def summed(records: Iterable[RuleRecord]) -> dict[str, RuleRecord]:
    """Return the summed records of several loops, by rule."""
    found: dict[str, RuleRecord] = {}
    for each in records:
        before = found.get(each.rule)
        counts = {name: getattr(before, name) + getattr(each, name) for name in COUNTS} if before else {}
        found[each.rule] = msgspec.structs.replace(each, **counts)
    return found


COUNTS = [name for name in RuleRecord.__struct_fields__ if name not in ("rule", "searched")]


def _first(
    ranked: Sequence[Standing],
    verdicts: Mapping[str, Verdict | None],
    tried: Sequence[Confirmation],
    confirms: bool,
    sign: int,
) -> tuple[Standing, Comparison | None]:
    """The config that the outcome reports, and its comparison with the baseline: the confirmed config with the largest
    effect; without one, the first in `ranked`, or, in a loop without confirmations, the first shown to be better."""
    if confirmed := [(each.comparison, each.contender) for each in tried if each.confirmed and each.comparison]:
        compared, run = max(confirmed, key=lambda each: sign * each[0].effect)
        return next(each for each in ranked if each.run == run), compared
    better = [each for each in ranked if (verdict := verdicts[each.run]) and verdict.call is Call.BETTER]
    first = (ranked if confirms else better or ranked)[0]
    verdict = verdicts[first.run]
    return first, None if verdict is None else comparison(verdict)


def _rounds(ranked: Sequence[Standing], runs: Mapping[str, Run]) -> list[RoundStanding]:
    firsts: dict[int, Standing] = {}
    for each in ranked:
        firsts.setdefault(runs[each.run].round, each)
    return [RoundStanding(round=number, first=firsts[number]) for number in sorted(firsts)]


def _seconds(run: Run, spec: LoopSpec) -> float:
    took = (run.ended_at or 0.0) - (run.started_at or 0.0) if run.started_at and run.ended_at else 0.0
    return max(0.0, took) * max(1, spec.gpus_per_run if spec.on_gpus else 1)
