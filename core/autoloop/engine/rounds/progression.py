"""Advances a loop from round to round: when all runs of a round have ended, it is judged, its proposals are decided, and the
next round starts or the loop ends."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import msgspec

from autoloop.engine.base.context import Context
from autoloop.engine.rounds.best import best_run
from autoloop.engine.rounds.deciding import WAYS_BACK, approve_by_policy, start_due
from autoloop.engine.rounds.endings import met_until, nothing_judged, nothing_to_run, rounds_done
from autoloop.engine.rounds.judging import Judged, Judging
from autoloop.engine.rounds.outcome import loop_outcome
from autoloop.engine.rounds.proposals import Proposals
from autoloop.engine.rounds.replicates import Replicates
from autoloop.engine.rounds.reporting import Reporting
from autoloop.engine.rounds.searching import Searching, SearchResult
from autoloop.engine.rounds.slow_rules import PendingJudgement
from autoloop.engine.rounds.then import WinnerExtension
from autoloop.engine.rounds.until import confirmed, unconfirmed
from autoloop.engine.rounds.variant_runs import start_round
from autoloop.engine.rounds.winners import tell_winners
from autoloop.metrics import ConfigSummary, over_seeds
from autoloop.model import (
    ApprovalMode,
    EventKind,
    HookEvent,
    LoopEnd,
    LoopEndKind,
    LoopState,
    Proposal,
    ProposalStatus,
    Round,
    RoundState,
    Run,
    RunState,
)
from autoloop.model.transitions import loop_finished, loop_stopped, round_done
from autoloop.reports import result_lines, then_line
from autoloop.text.plural import plural

SLOW_RULES, SLOW_SEARCH = 2.0, 10.0
"""Seconds after which a wait for Python rules, or for the search, is reported. Loading Optuna alone takes a few."""


class LoopProgression:
    """Owned by the engine; `advance` is called at each turn."""

    def __init__(
        self,
        context: Context,
        proposals: Proposals,
        judging: Judging,
        reporting: Reporting,
        interrupted: Callable[[], bool],
        keep: Callable[[], object] = lambda: None,
    ) -> None:
        """`interrupted`: returns whether a long step should be interrupted. `keep`: is called after each round to free
        checkpoints."""
        self.context = context
        self.proposals = proposals
        self.judging = judging
        self.reporting = reporting
        self.then = WinnerExtension(context, proposals)
        self.replicates = Replicates(context, proposals)
        self._interrupted = interrupted
        self._keep = keep
        self._waiting_said: str | None = None
        """The kind of wait that was last reported."""
        self._decided_on: tuple[int, int] | None = None
        self._decide_at: float | None = None
        """`_decided_on`: the store's mark when the proposals were last checked. `_decide_at`: when they must be checked
        again even if the store has not changed."""
        self._asking: PendingJudgement | None = None
        self._asking_said: set[str] = set()
        self._searching = Searching(context)
        self._result = ""
        """The loop's result in one line."""

    def advance(self) -> None:
        """Advance the loop as far as possible without waiting."""
        current = self.context.store.last_round(self.context.loop_id)
        if current.state is RoundState.RUNNING and self.context.store.all_ended(self.context.loop_id, current.number):
            if self._still_asking(current):
                return
            self._end_round(current, self.context.store.runs(self.context.loop_id, current.number))
            current = self.context.store.last_round(self.context.loop_id)
        else:  # a run of the round may have been queued again, so answers no longer apply
            self._forget_asking()
        if current.state is RoundState.DECIDING and self.context.loop.state is LoopState.ACTIVE:
            self._decide(current)
        elif current.state is RoundState.DONE:
            self._finish_loop()

    def _end_round(self, round_: Round, runs: list[Run]) -> None:
        """Judge the round. If interrupted, change nothing; the next turn starts again."""
        finished = [run for run in runs if run.state is RunState.FINISHED]
        spec = self.context.spec
        can_be_judged = self.judging.judgeable(finished)
        if can_be_judged is None:
            return
        # Confirming runs are omitted: rules judged their config when it was new.
        configs = over_seeds([run for run in can_be_judged if run.confirms is None])
        if spec.decide and round_.number < spec.rounds and self._asks(round_, configs):
            return
        met = self.judging.winners([run for run in finished if run.confirms is None])
        winners = confirmed(self.context, self.judging) if spec.confirms else []
        if met is None or winners is None:
            return
        more = spec.proposes and round_.number < spec.rounds
        goes_on = more and not winners and (spec.confirms or not met)
        asked = configs if spec.decide else []
        judged = self.judging.judge(asked, self._asking.answers if self._asking else None) if goes_on else []
        once = unconfirmed(self.context, self.judging) if spec.confirms and not winners else met
        if judged is None or once is None:
            return
        found = self._searching.found(round_.number, can_be_judged) if goes_on and can_be_judged else SearchResult()
        if found is None:
            return
        replicates = self._replicates(round_, judged, found, once) if goes_on else None
        if met and not winners and not (replicates and replicates.base_run in {each.run.id for each in once}):
            goes_on, winners = False, met
        if goes_on and found.failed and not replicates and not any(judgement.requests for _, judgement in judged):
            self.stop(LoopEnd(kind=LoopEndKind.SEARCH_FAILED, text=f"{found.failed}; `autoloop-tui resume` tries again"))
            self._forget_asking()
            return
        text = f"round {round_.number} ended: {len(finished)} of {len(runs)} runs finished"
        self.context.log_event(EventKind.ROUND_ENDED, text)
        self.judging.tell()
        tell_winners(self.context, runs)
        if winners:
            self._finish(round_, met_until(self.context, winners[0]))
        elif not goes_on:
            self._finish(round_, rounds_done(self.context, round_, finished, once))
        elif not can_be_judged:
            self.stop(nothing_judged(self.context, round_, finished))
        else:
            self.judging.propose(round_, judged, found, replicates)
        self._forget_asking()
        self.reporting.later()
        self._keep()

    def _replicates(
        self, round_: Round, judged: list[Judged], found: SearchResult, met: list[ConfigSummary]
    ) -> Proposal | None:
        most = self.context.spec.variants_per_run
        variants = sum(min(len(judgement.requests), most) * len(each.runs) for each, judgement in judged)
        variants = max(variants, min(found.room, variants + len(found.requests)))
        return self.replicates.prepare(round_, variants, [each.run for each in met])

    def _asks(self, round_: Round, configs: list[ConfigSummary]) -> bool:
        """Whether slow rules must judge the configs first; if so, start asking them."""
        rules = self.context.rules
        if not rules.slow or not configs or (self._asking and self._asking.about(round_.number, configs)):
            return False
        self._forget_asking()
        with contextlib.suppress(RuntimeError):  # no thread available: retry in the next turn
            self._asking = PendingJudgement(rules, round_.number, configs, self.judging.among_runs(configs))
        return True

    def _still_asking(self, round_: Round) -> bool:
        asking, search = self._asking, self.context.spec.search
        waited, slow = self._searching.waited(round_.number), SLOW_SEARCH
        text = f"{search.sampler.words} is computing proposals" if search else ""
        if asking is not None and not asking.done and asking.round == round_.number:
            waited, slow = time.monotonic() - asking.since, SLOW_RULES
            text = f"{self.context.spec.rules} judges {plural(len(asking.runs), 'run')}"
        if waited is not None and waited > slow and text not in self._asking_said:
            self._asking_said.add(text)
            self.context.log_event(EventKind.WAITING, f"round {round_.number}: {text}")
        return waited is not None

    def _forget_asking(self) -> None:
        if self._asking is not None:
            self._asking.drop()
        self._asking = None
        self._searching.drop()
        self._asking_said.clear()

    def _decide(self, round_: Round) -> None:
        """Start the next round when the policy, the clock or a user decides it.

        Thousands of proposals may wait for a user for days, so they are checked again only if something has changed.
        """
        mark, due = self.context.store.mark(), self._decide_at
        if mark == self._decided_on and (due is None or self.context.clock() < due):
            return
        self._approve_if_due(round_)
        proposals = self.proposals.for_next_round(round_.number)
        approved = any(p.status is ProposalStatus.APPROVED for p in proposals)
        start_at = start_due(self.context, proposals)
        if approved and (round_.start_asked or (start_at is not None and self.context.clock() >= start_at)):
            runs = start_round(self.context, self.proposals, round_, self._interrupted)
            if runs is None:
                return  # retried in a later turn if the loop continues
            if not runs:
                text = "no approved proposal could be started; their bases have changed"
                self.stop(LoopEnd(kind=LoopEndKind.BASES_CHANGED, text=text))
            self._waiting_said = None
            self.reporting.later()
        elif round_.start_asked:  # the approvals have been undone since
            self.context.store.put_round(msgspec.structs.replace(round_, start_asked=False))
        elif start_at != round_.start_at:
            self._announce_start(round_, start_at)
        elif end := nothing_to_run(self.context, round_, proposals):
            self._finish(round_, end)
        elif start_at is None:
            self._tell_wait(round_, proposals)
        # Set only after everything is written, so that the round is checked again if the store fails.
        self._decided_on = mark
        self._decide_at = min((at for at in (round_.decide_by, start_at) if at is not None), default=None)

    def _approve_if_due(self, round_: Round) -> None:
        due = self.context.spec.approve.mode is ApprovalMode.AUTO or (
            round_.decide_by is not None and self.context.clock() >= round_.decide_by
        )
        if due and not self.context.loop.held:
            with self.context.store.transaction():
                # This includes users' later proposals: with automatic approval, nothing waits for a user.
                approve_by_policy(self.context, self.proposals.for_next_round(round_.number))

    def _announce_start(self, round_: Round, start_at: float | None) -> None:
        """Report when the next round starts, now that all is decided. None: a decision was undone, or the round is held."""
        with self.context.store.transaction():
            self.context.store.put_round(msgspec.structs.replace(round_, start_at=start_at))
            if start_at is not None:
                text = f"round {round_.number + 1} starts in {max(0.0, start_at - self.context.clock()):.0f} s"
                self.context.log_event(EventKind.WAITING, f"{text}; until then {WAYS_BACK}")
        self._waiting_said = None

    def _tell_wait(self, round_: Round, proposals: list[Proposal]) -> None:
        """Report what a user has to do: once for each kind of wait, not after each decision."""
        context, number = self.context, round_.number + 1
        pending = sum(p.status is ProposalStatus.PENDING for p in proposals)
        if pending:
            kind, text = "decision", f"round {number} waits for a decision on {plural(pending, 'proposal')}"
            command, how = "proposals", "lists them"
        elif any(p.status is ProposalStatus.APPROVED for p in proposals):
            kind, text = "start", f"round {number} is held"
            command, how = "start", "starts it"
        else:
            kind, text = "proposal", f"round {number} has no approved proposal"
            command, how = "", "propose one, edit a blocked one, or stop the loop"
        policy = context.spec.approve.after
        after = f"; approved automatically after {policy / 60:.0f} min" if policy and kind != "proposal" else ""
        if kind != self._waiting_said:
            newest = max((p.id for p in proposals), default=0)
            next = f"autoloop-tui {command or 'proposals'} --loop {context.loop.name}"
            with context.store.transaction():
                context.log_event(
                    EventKind.WAITING, f"{text}; {f'`autoloop-tui {command}` ' if command else ''}{how}{after}"
                )
                context.tell(HookEvent.ROUND_WAITS, f"{number} {kind} {newest}", f"{text}{after}", next=next, round=number)
            self._waiting_said = kind  # only after writing, which may fail

    def _finish(self, round_: Round, end: LoopEnd) -> None:
        now = self.context.clock()
        with self.context.store.transaction():
            self.context.store.put_round(round_done(round_, now))
            self.context.update_loop(end=end)
            self._finish_loop()

    def _finish_loop(self) -> None:
        """Finish the loop once no run is left and the long training of `--then` is over. An extended run may outlast the
        last round.

        The report is written before the commit, not after it: no engine returns to a finished loop to repair a report that
        was interrupted by a kill.
        """
        loop = self.context.loop
        if loop.state is LoopState.ACTIVE and self.context.store.all_ended(loop.id):
            if not self.then.over(self._keep_and_tell):
                return
            end = loop.end or LoopEnd(kind=LoopEndKind.ROUNDS_DONE, text="its rounds are done")
            if self.then.proposal is None:
                self._keep_and_tell()
            else:
                self.keep_result()
                self._tell_then()
            with self.context.store.transaction():
                self.context.put_ended(loop_finished(self.context.loop, end, self.context.clock()), self._result)
                self.reporting.finish()
            if self.then.proposal is not None:  # checkpoints were kept for it
                self._keep()

    def keep_result(self) -> None:
        """Record the loop's result. No other run will end after this."""
        context = self.context
        loop = context.update_loop(best=best_run(context.store, context.loop_id, context.metrics))
        # Keep the outcome that --then is based on, and the outcome from before a user extended a run: a longer training is
        # not a replicate. A loop with an extended run is the only kind of active loop that has an end.
        extended = loop.state is LoopState.ACTIVE and loop.end is not None and loop.outcome is not None
        if self.then.proposal is None and not extended:
            context.update_loop(outcome=loop_outcome(context))

    def _keep_and_tell(self) -> None:
        context = self.context
        self.keep_result()
        self.reporting.later()
        lines = result_lines(context.store, context.loop, context.metrics)
        self._result = lines[0] if lines else ""
        for text in lines:
            context.log_event(EventKind.NOTE, text)

    def _tell_then(self) -> None:
        if text := then_line(self.context.store, self.context.loop):
            self.context.log_event(EventKind.NOTE, text)

    def stop(self, end: LoopEnd) -> None:
        """Stop the loop without changing the round: once the cause is fixed, `autoloop-tui resume` continues from here."""
        self.context.put_ended(loop_stopped(self.context.loop, end, self.context.clock()))
