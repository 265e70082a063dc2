"""Configs that look better than the baseline run again with fresh seeds, beside the baseline, before they are called better
(`--replicates auto`). autoloop.verdicts.confirmation decides which configs, with how many seeds and until when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from autoloop.engine.base.context import Context
from autoloop.engine.rounds.best import best_run
from autoloop.engine.rounds.outcome import judged_runs
from autoloop.engine.rounds.proposals import Proposals
from autoloop.engine.rounds.until import LEAST
from autoloop.model import Confirmation, EventKind, Proposal, Round, Run, UserError
from autoloop.text.plural import noun_for, plural
from autoloop.text.values import number, signed
from autoloop.verdicts.confirmation import (
    Share,
    confirmations,
    given_up,
    next_contender,
    next_number,
    pairs_wanted,
    share,
)

PRIORITY = 1000
"""The priority of replicates: they come first among a round's proposals."""


@dataclass(frozen=True)
class _ReplicatePlan:
    """`runs`: the contender and the baseline. `pairs`: the number of fresh seeds for each. `why`: why this config is the
    contender."""

    runs: list[Run]
    pairs: int
    why: str


class Replicates:
    """Owned by the engine."""

    def __init__(self, context: Context, proposals: Proposals) -> None:
        self.context = context
        self.proposals = proposals
        self._said = ""
        """The last reported reason why nothing was prepared."""

    def prepare(self, round_: Round, variants: int, met: Sequence[Run]) -> Proposal | None:
        """The proposal of replicates for the round after `round_`, without a number and not stored; None if there is nothing
        to confirm, or no way to do it.

        `variants`: the number of runs of new variants that the rules ask for. `met`: runs that meet --until but have not
        been judged on fresh seeds, best first; they take precedence over configs that look better than the baseline.
        """
        context = self.context
        if not context.spec.confirms:
            return None
        left = self._left()
        division = self._division(round_, variants, left)
        wanted = self._wanted(division, met)
        if wanted is None:
            return None
        first, each = wanted.runs[0], len(wanted.runs)
        pairs = wanted.pairs if left is None else min(wanted.pairs, left // each)
        if not pairs:
            self._cannot(first, "--max-runs does not allow it")
            return None
        both = f"{first.name} and the baseline" if each > 1 else first.name
        try:
            seeds = self.proposals.fresh_seeds(wanted.runs, pairs)
            named = f"{noun_for(pairs, 'fresh seed')} {', '.join(map(str, seeds))}" + (" of each" if each > 1 else "")
            reason = f"replicates of {both}: {wanted.why}; {named} to test whether that is more than noise"
            proposal = self.proposals.repeat(wanted.runs, seeds, reason, round_.number, PRIORITY)
        except UserError as error:
            self._cannot(first, str(error))
            return None
        if proposal.blocked or proposal.repeats is None:
            self._cannot(first, proposal.blocked or "")
            return None
        repeats = msgspec.structs.replace(proposal.repeats, variants=division.variants(each * pairs))
        return msgspec.structs.replace(proposal, repeats=repeats)

    def _cannot(self, run: Run, why: str) -> None:
        text = f"{run.name} ({run.id}) was not run again on fresh seeds: {why}"
        if text != self._said:
            self._said = text
            self.context.log_event(EventKind.NOTE, text, run.id)

    def _left(self) -> int | None:
        """How many more runs --max-runs allows; None without a limit."""
        loop = self.context.loop
        return None if loop.max_runs is None else max(0, loop.max_runs - self.context.store.started_runs(loop.id))

    def _division(self, round_: Round, variants: int, left: int | None) -> Share:
        spec = self.context.spec
        before = len(self.context.store.runs(self.context.loop_id, round_.number))
        return share(variants, before, len(spec.slots), left, round_.number + 1 >= spec.rounds)

    def _wanted(self, division: Share, met: Sequence[Run]) -> _ReplicatePlan | None:
        context = self.context
        best = best_run(context.store, context.loop_id, context.metrics)
        found = judged_runs(context, best.metric) if best else None
        refused = given_up(context.store.proposals(context.loop_id))
        if asked := [run for run in met if run.id not in refused]:
            base = found.judge.first(found.runs[0]) if found else None
            beside = [base] if found and base and not found.judge.same(base, asked[0]) else []
            why = f"it meets --until {context.spec.until} in one run"
            return _ReplicatePlan([asked[0], *beside], max(LEAST, division.pairs), why)
        if found is None:
            return None
        metric, runs, judge = found.metric, found.runs, found.judge
        tried = confirmations(runs, judge, metric, refused)
        contender, base = next_contender(runs, judge, metric, tried), judge.first(runs[0])
        if contender is None or base is None:
            return None
        known = next((each for each in tried if each.contender == contender.id), None)
        place = tried.index(known) + 1 if known else next_number(runs)
        explored = judge.explored(contender, base, metric)
        pairs = division.pairs
        if not division.last or known is not None:
            pairs = pairs_wanted(judge, metric, explored.effect, known, place, division.pairs)
        word = "higher" if explored.effect > 0 else "lower"
        why = (
            f"{context.metrics.short(metric)} {word} by {number(abs(explored.effect))} in {plural(explored.runs[0], 'run')}"
        )
        return _ReplicatePlan([contender, base], pairs, f"{why}{_so_far(known)}")


def _so_far(known: Confirmation | None) -> str:
    between = known.comparison if known else None
    if between is None:
        return ""
    return f", {signed(between.effect)} on {plural(min(between.runs), 'fresh seed')} so far"
