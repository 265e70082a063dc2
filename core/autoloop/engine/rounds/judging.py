"""Judges a round after all of its runs have ended: whether there is a winner, and which proposals its finished runs give.

Runs that differ only in the seed are judged as one, by the mean of their results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from autoloop.engine.base.among_runs import LoopComparisons
from autoloop.engine.base.context import Context
from autoloop.engine.base.judgeable import why_not_judged
from autoloop.engine.rounds.deciding import approve_by_policy
from autoloop.engine.rounds.proposals import Proposals
from autoloop.engine.rounds.rejections import Rejections, what_changed
from autoloop.engine.rounds.searching import SearchResult
from autoloop.logs import read_log_tail
from autoloop.metrics import ConfigSummary, MetricBook, for_runs, over_seeds
from autoloop.model import (
    ActorKind,
    ApprovalMode,
    Call,
    EventKind,
    Evidence,
    Proposal,
    ProposalStatus,
    Round,
    Run,
    Summary,
    UserError,
)
from autoloop.model.transitions import round_deciding, run_judged
from autoloop.rules import Expression, Judgement, RunView, evaluate
from autoloop.secrets import mask_lines
from autoloop.text.searches import origins_words
from autoloop.verdicts import BaseComparison

WAITING = (ProposalStatus.PENDING, ProposalStatus.APPROVED)
Judged = tuple[ConfigSummary, Judgement]


class Judging:
    """Owned by the engine. Judging thousands of runs takes a while, so `interrupted` is called between two runs. If it
    returns True, nothing is recorded and the result is None, so that the round can be judged later."""

    def __init__(
        self, context: Context, proposals: Proposals, until: Expression | None, interrupted: Callable[[], bool]
    ) -> None:
        """`until`: the condition that a run must meet to end the loop as its winner."""
        self.context = context
        self.proposals = proposals
        self._until = until
        self._interrupted = interrupted
        compared = [until.compared] if until else []
        self._compared = frozenset[str]().union(*compared, *(rule.when.compared for rule in context.rules.rules))
        self._notes: dict[tuple[str, str], None] = {}
        """Notes to record once the round has ended, as (text, run id); the keys of a dict, so that each is recorded once."""

    def winners(self, runs: list[Run], *, noted: bool = True) -> list[ConfigSummary] | None:
        """The configs of finished runs that meet `--until`, best first by the first key metric with a known direction.

        `noted`: whether notes on the runs are kept for `tell`.
        """
        if self._until is None:
            return []
        met: list[ConfigSummary] = []
        among = self._among_runs(self._compared)
        for each in over_seeds(runs):
            if self._interrupted():
                return None
            view = self._view(each, among)
            if view is None:
                continue
            verdict = evaluate(self._until, view)
            if verdict.holds:
                met.append(each)
            for note in verdict.notes if noted else ():
                self._notes[f"--until: {each.name}: {note}", each.run.id] = None
        book = for_runs(self.context.metrics, [each.run for each in met])
        return sorted(met, key=lambda each: _rank(book, each.summary))

    def judgeable(self, finished: list[Run]) -> list[Run] | None:
        """The finished runs that the rules can judge. Records this for each run again, because rules may have changed."""
        context = self.context
        found: list[Run] = []
        for run in finished:
            if self._interrupted():
                return None
            unjudged = why_not_judged(context, run, run.summary or Summary(), run.sources)
            found.append(run if unjudged == run.unjudged else run_judged(run, unjudged))
        with context.store.transaction():
            for run, before in zip(found, finished, strict=True):
                if run is not before:
                    context.store.put_run(run)
        return [run for run in found if run.unjudged is None]

    def judge(self, configs: list[ConfigSummary], answers: Mapping[str, Judgement] | None) -> list[Judged] | None:
        """The rules' judgement of each of `configs`. `answers`: judgements that slow rules have already given, by the run
        that represents a config."""
        judged: list[Judged] = []
        among = self._among_runs(self._compared)
        for each in configs:
            if self._interrupted():
                return None
            view = self._view(each, among)
            if view is not None:
                judged.append((each, self.context.rules.judge(view) if answers is None else answers[each.run.id]))
        return judged

    def among_runs(self, configs: list[ConfigSummary]) -> dict[str, BaseComparison]:
        """Each of `configs` compared with its base by the key metrics, for callers without the store."""
        book = for_runs(self.context.metrics, [run for each in configs for run in each.runs])
        among = self._among_runs(frozenset(book.key_metrics))
        return {each.run.id: among.of(each.run) for each in configs}

    def tell(self) -> None:
        """Record the notes on runs."""
        for text, run in self._notes:
            self.context.log_event(EventKind.NOTE, text, run)
        self._notes.clear()

    def propose(self, round_: Round, judged: list[Judged], found: SearchResult, replicates: Proposal | None) -> None:
        """Make the round's proposals and put the round into `deciding`, in one transaction. It locks the store of the whole
        project, so all slow work comes before it. `found`: the results of the search, which replace the rule book's default
        and fill the room that rules leave. `replicates`: the proposal of confirming runs."""
        context = self.context
        rejections = Rejections(context.store.proposals(context.loop_id), context.store.run)
        standings = {run: _standing(found) for run, found in self.among_runs([each for each, _ in judged]).items()}
        with context.store.transaction():
            for each, judgement in judged:
                for text in judgement.notes:
                    context.log_event(EventKind.NOTE, f"{each.name}: {text}", each.run.id)
                for request in judgement.requests:
                    if found.requests and request.author.kind is ActorKind.DEFAULT:
                        continue
                    request = msgspec.structs.replace(request, evidence=_of_runs(request.evidence, each))
                    proposal = self.proposals.propose(each.run, request, round_.number)
                    proposal = msgspec.structs.replace(proposal, standing=standings[each.run.id])
                    if offered := self._offered(proposal, each, rejections):
                        self.proposals.add(offered)
            self._fill(round_, found)
            if replicates is not None:
                self.proposals.add(replicates)
            now = context.clock()
            policy = context.spec.approve
            decide_by = None if policy.after is None else now + policy.after
            context.store.put_round(round_deciding(round_, now, decide_by))
            if policy.mode is ApprovalMode.AUTO:
                approve_by_policy(context, self.proposals.for_next_round(round_.number))

    def _offered(self, proposal: Proposal, judged: ConfigSummary, rejections: Rejections) -> Proposal | None:
        """The proposal, with what has changed since if the same one was rejected before; None, with an event, if nothing has
        changed."""
        found = rejections.earlier(proposal)
        if found is None:
            return proposal
        rejected, between = found
        changed = what_changed(rejected, proposal) or self._held_not(proposal, between)
        because = f" ({rejected.note})" if rejected.note else ""
        if changed:
            reason = f"{proposal.reason}; rejected in round {rejected.round}{because}, but {changed}"
            return msgspec.structs.replace(proposal, reason=reason)
        text = f"not offered again: rejected in round {rejected.round}{because}, nothing has changed"
        self.context.log_event(
            EventKind.NOTE, f"{judged.name}: rule {proposal.origin}: {proposal.reason}: {text}", judged.run.id
        )
        return None

    def _held_not(self, proposal: Proposal, between: list[Run]) -> str | None:
        """In words, a run `between` the two bases on which the rule's condition was false; None if there is none."""
        rule = next((rule for rule in self.context.rules.rules if rule.id == proposal.origin), None)
        among = self._among_runs(self._compared)
        for run in between if rule else ():
            view = self._view(over_seeds([run])[0], among)
            if rule and view and not evaluate(rule.when, view).holds:
                return f"it did not fire on {run.name} in between"
        return None

    def _fill(self, round_: Round, found: SearchResult) -> None:
        context = self.context
        if context.spec.search is None:
            return
        waiting = [each for each in self.proposals.for_next_round(round_.number) if each.status in WAITING]
        for request in found.requests:
            if len(waiting) >= found.room or found.base is None:
                break
            proposal = self.proposals.add(self.proposals.propose(found.base, request, round_.number))
            waiting += [proposal] * (proposal.blocked is None)
        text = f"round {round_.number + 1}: {origins_words(waiting)}"
        if found.failed:
            text += f"; {found.failed}"
        elif found.left == 0 and len(waiting) < found.room:
            text += "; every config in the search space has been run or proposed"
        context.log_event(EventKind.NOTE, text)

    def _among_runs(self, wanted: frozenset[str]) -> LoopComparisons:
        context = self.context
        return LoopComparisons(context.store, context.loop_id, context.metrics, wanted, past=context.past)

    def _view(self, judged: ConfigSummary, among: LoopComparisons) -> RunView | None:
        """A config's finished runs as rules see them. Logs are read only if a rule uses them.

        None, with a note, if the config cannot be read, so that the other runs can still be judged.
        """
        context = self.context

        def log() -> Iterator[str]:
            for run in judged.runs:
                attempts = context.store.attempts(run.id)
                lines = read_log_tail(Path(attempts[-1].directory) / "log.txt") if attempts else []
                yield from mask_lines(lines, context.secrets(run))

        try:
            config = self.proposals.base_config(judged.run)
        except UserError as error:
            self._notes[f"{judged.name} is not judged: {error}", judged.run.id] = None
            return None
        return RunView(judged.summary, config, log, context.metrics, lambda: among.of(judged.run))


def _standing(among: BaseComparison) -> Call | None:
    """The verdict on a config against its base, in the first key metric that has one; None if none has."""
    for key in for_runs(among.judge.book, among.judge.replicates(among.run)).key_metrics:
        with suppress(LookupError):
            return among.verdict(key).call
    return None


def _of_runs(evidence: Evidence | None, judged: ConfigSummary) -> Evidence | None:
    """The evidence with the ids of the runs whose mean it uses, if there are several."""
    if evidence is None or len(judged.runs) == 1:
        return evidence
    return msgspec.structs.replace(evidence, runs=[run.id for run in judged.runs])


def _rank(book: MetricBook, reached: Summary) -> float:
    """The sort key of a result: lower is better."""
    for name in book.key_metrics:
        summary = reached.metrics.get(name)
        if summary is not None and (good := book.direction(name)):
            value = summary.last if summary.best is None else summary.best
            return -value if good == "high" else value
    return float("inf")
