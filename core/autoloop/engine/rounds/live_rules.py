"""Judges running trainings by live rules and by the kill criteria of proposals. `live_proposals.py` carries out the requests
of a rule that fires."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path

from autoloop.engine.base.among_runs import LoopComparisons
from autoloop.engine.base.context import Context
from autoloop.engine.base.frozen_config import frozen_config
from autoloop.engine.rounds.kill_criteria import criterion_of
from autoloop.engine.rounds.live_proposals import LiveProposals
from autoloop.engine.runs.execution import ActiveAttempt, Execution
from autoloop.logs import log_lines
from autoloop.metric_readers import Lines
from autoloop.model import EventKind, ProposalStatus, Run, RunState, UserError
from autoloop.rules import LiveWatch, live_rules
from autoloop.secrets import mask_lines
from autoloop.verdicts import BaseComparison

LOG = logging.getLogger(__name__)

LOG_BUDGET = 1 << 20
"""Bytes of a log that are searched at a time."""
LOG_BACKLOG = 64 << 20
"""If a log has more unread bytes than this, the excess is skipped."""
LOOKING = 0.02
"""Seconds after which no further attempt is judged in the same turn of the engine."""
REST = 5.0
"""After judging, live rules pause for this many times the CPU time it took, so they use at most a sixth of the engine's
time. Waiting for the disk does not count: stopping one run must not delay the next verdict."""


@dataclass
class _WatchedRun:
    watch: LiveWatch
    log: Lines | None
    news: bool = True


class LiveRules:
    """Watches the executing attempts, for a limited time per turn. Used only by the engine's thread."""

    def __init__(self, context: Context, execution: Execution, proposals: LiveProposals) -> None:
        self.context = context
        self.execution = execution
        self.proposals = proposals
        self.rules = live_rules(context.rules) if context.spec.live else []
        self._watched: dict[str, _WatchedRun] = {}
        self._rest_until = 0.0
        self._among_runs: tuple[int, LoopComparisons] | None = None
        """The number of finished runs at the last read, and the runs read then."""

    def look(self, fresh: set[str]) -> None:
        """Judge attempts with new output. `fresh`: those whose history has grown since the last turn."""
        active = {each.attempt.id: each for each in self.execution.executing}
        self._watched = {id_: watched for id_, watched in self._watched.items() if id_ in active}
        for id_ in fresh & self._watched.keys():
            self._watched[id_].news = True
        if time.monotonic() < self._rest_until:
            return
        began, used, looks = time.monotonic(), time.thread_time(), 0
        # The attempts that have waited longest come first, so one that always has new output does not delay the others.
        for id_ in [*(id_ for id_ in active if id_ not in self._watched), *self._watched]:
            each, known = active[id_], self._watched.get(id_)
            if each.run.state is RunState.STOPPING or (known is not None and known.log is None and not known.news):
                continue
            try:
                looked = self._look_at(each)
            except Exception as error:
                # A bug in a user's rule or in ours: an error in judging one run must not end the whole loop.
                looked = True
                self._give_up(each, f"{type(error).__name__}: {error}" if not isinstance(error, UserError) else str(error))
            if looked:
                self._watched[id_] = self._watched.pop(id_)
                looks += 1
                if time.monotonic() - began >= LOOKING:
                    break
        if looks:
            self._rest_until = time.monotonic() + REST * (time.thread_time() - used)

    def _look_at(self, active: ActiveAttempt) -> bool:
        watched = self._watched.get(active.attempt.id) or self._begin(active)
        if watched.log is not None:
            watched.log.skip(LOG_BACKLOG)
            lines = watched.log.read(LOG_BUDGET)
            if lines:
                texts = [text for line in lines for text in log_lines(line)]
                watched.watch.read_log(mask_lines(texts, self.context.secrets(active.run)))
                watched.news = True
        if not watched.news or not watched.watch.rules:
            return False
        step = active.follower.step
        if step >= active.run.total_steps > 0:
            return False  # after the last step, stopping the run would save nothing
        watched.news = False
        for firing in watched.watch.fired(active.follower.columns, step):
            watched.watch.silence(firing.rule.id)
            if self.proposals.act(active, firing, step):
                break
        return True

    def _begin(self, active: ActiveAttempt) -> _WatchedRun:
        """Start watching an attempt. A rule that has fired on its run before does not fire again: the user who retried or
        extended the run knows about it."""
        context, run = self.context, active.run
        done = {p.evidence.rule for p in self.proposals.of(run) if p.evidence and p.status is not ProposalStatus.LAPSED}
        criterion = criterion_of(context, run)
        if criterion is None and not self.rules:
            self._watched[active.attempt.id] = watched = _WatchedRun(
                LiveWatch([], "", context.metrics, {}), None, news=False
            )
            return watched
        config = frozen_config(run)
        # A verdict needs all fresh seeds of a config, not only those that a rule would let finish.
        mine = self.rules if context.rules.applies_to(config) and run.confirms is None else []
        # Rules do not relaunch long runs, because a relaunch with edits would start all of their steps again.
        long = run.resume or self._extends_winner(run)
        rules = [r for r in mine if not (long and r.watch and r.watch.turns)]
        rules = [r for r in ([criterion] if criterion else []) + rules if r.id not in done]
        version = f"{context.rules.name} {context.rules.version}"
        since = run.step if run.resume else 0
        watch = LiveWatch(rules, version, context.metrics, config, since, lambda: self._among(run))
        log = Path(active.attempt.directory) / "log.txt"
        watched = _WatchedRun(watch, Lines(log, returns=True) if watch.patterns else None)
        self._watched[active.attempt.id] = watched
        return watched

    def _extends_winner(self, run: Run) -> bool:
        """Whether the run is the long training of `--then`, started from step 0."""
        return run.proposal is not None and self.context.store.proposal(run.proposal).extend is not None

    def _among(self, run: Run) -> BaseComparison:
        """The run compared with those that have finished by now."""
        finished = self.context.store.counts(self.context.loop_id).get(RunState.FINISHED, 0)
        if self._among_runs is None or self._among_runs[0] != finished:
            context, wanted = self.context, frozenset[str]().union(*(rule.when.compared for rule in self.rules))
            among = LoopComparisons(context.store, context.loop_id, context.metrics, wanted, past=context.past)
            self._among_runs = finished, among
        return self._among_runs[1].of(run)

    def _give_up(self, active: ActiveAttempt, why: str) -> None:
        LOG.error("fault in the live rules of %s", active.run.id, exc_info=True)
        watch = LiveWatch([], "", self.context.metrics, {})
        self._watched[active.attempt.id] = _WatchedRun(watch, None, news=False)
        run = active.run
        self.context.log_event(EventKind.NOTE, f"live rules stopped watching {run.name} ({run.id}): {why}", run.id)
