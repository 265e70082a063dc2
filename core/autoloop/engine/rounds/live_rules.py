"""Live rules, and the kill criteria of proposals, judge what runs in training have written; `live_proposals.py` carries out
what one that fires asks for."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path

from autoloop.engine.base.among_runs import AmongRuns
from autoloop.engine.base.context import Context
from autoloop.engine.base.frozen_config import frozen_config
from autoloop.engine.rounds.kill_criteria import criterion_of
from autoloop.engine.rounds.live_proposals import LiveProposals
from autoloop.engine.runs.execution import Active, Execution
from autoloop.logs import log_lines
from autoloop.metric_readers import Lines
from autoloop.model import EventKind, ProposalStatus, Run, RunState, UserError
from autoloop.rules import LiveWatch, live_rules
from autoloop.secrets import mask_lines
from autoloop.verdicts import AgainstBase

LOG = logging.getLogger(__name__)

LOG_BUDGET = 1 << 20
"""Bytes of a log that are searched at one look; what a trainer prints beyond LOG_BACKLOG unread bytes is passed over."""
LOG_BACKLOG = 64 << 20
LOOKING = 0.02
"""Seconds after which no further look begins in a turn of the engine."""
REST = 5.0
"""After its looks the engine does other things for this many times as long: live rules take a sixth of its time at most."""


@dataclass
class _Watched:
    watch: LiveWatch
    log: Lines | None
    news: bool = True


class LiveRules:
    """Watches the executing attempts, as many a turn as a moment allows. Belongs to the engine's thread."""

    def __init__(self, context: Context, execution: Execution, proposals: LiveProposals) -> None:
        self.context = context
        self.execution = execution
        self.proposals = proposals
        self.rules = live_rules(context.rules) if context.spec.live else []
        self._watched: dict[str, _Watched] = {}
        self._rest_until = 0.0
        self._among_runs: tuple[int, AmongRuns] | None = None
        """How many runs had finished when they were read, and those."""

    def look(self, fresh: set[str]) -> None:
        """Judge attempts that have something new. `fresh`: those whose history has grown since the last turn."""
        active = {each.attempt.id: each for each in self.execution.executing}
        self._watched = {id_: watched for id_, watched in self._watched.items() if id_ in active}
        for id_ in fresh & self._watched.keys():
            self._watched[id_].news = True
        if time.monotonic() < self._rest_until:
            return
        began, looks = time.monotonic(), 0
        # Those that wait longest come first, whatever their slots: one that always has something new delays no other.
        for id_ in [*(id_ for id_ in active if id_ not in self._watched), *self._watched]:
            each = active[id_]
            if each.run.state is RunState.STOPPING:
                continue
            try:
                looked = self._look_at(each)
            except Exception as error:
                # Somebody's rule, or ours: no fault in judging one run may end a loop of many.
                looked = True
                self._give_up(each, f"{type(error).__name__}: {error}" if not isinstance(error, UserError) else str(error))
            if looked:
                self._watched[id_] = self._watched.pop(id_)
                looks += 1
                if time.monotonic() - began >= LOOKING:
                    break
        if looks:
            self._rest_until = time.monotonic() + REST * (time.monotonic() - began)

    def _look_at(self, active: Active) -> bool:
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
            return False  # a run that has made its last step has nothing left to be saved
        watched.news = False
        for firing in watched.watch.fired(active.follower.columns, step):
            watched.watch.silence(firing.rule.id)
            if self.proposals.act(active, firing, step):
                break
        return True

    def _begin(self, active: Active) -> _Watched:
        """What a rule has done to a run once, it does not do again: whoever retries or extends the run has seen it."""
        context, run = self.context, active.run
        done = {p.evidence.rule for p in self.proposals.of(run) if p.evidence and p.status is not ProposalStatus.LAPSED}
        criterion = criterion_of(context, run)
        if criterion is None and not self.rules:
            self._watched[active.attempt.id] = watched = _Watched(LiveWatch([], "", context.metrics, {}), None, news=False)
            return watched
        # An extended run goes on towards many steps: its edits would begin all of them anew.
        config = frozen_config(run)
        # Whether a config is better is told by all of its fresh seeds, not by those that a rule lets end.
        mine = self.rules if context.rules.applies_to(config) and run.confirms is None else []
        long = run.resume or self._trained_anew(run)
        rules = [r for r in mine if not (long and r.watch and r.watch.turns)]
        rules = [r for r in ([criterion] if criterion else []) + rules if r.id not in done]
        version = f"{context.rules.name} {context.rules.version}"
        since = run.step if run.resume else 0
        watch = LiveWatch(rules, version, context.metrics, config, since, lambda: self._among(run))
        log = Path(active.attempt.directory) / "log.txt"
        watched = _Watched(watch, Lines(log, returns=True) if watch.patterns else None)
        self._watched[active.attempt.id] = watched
        return watched

    def _trained_anew(self, run: Run) -> bool:
        """Whether it is the long training of `--then` from the beginning."""
        return run.proposal is not None and self.context.store.proposal(run.proposal).extend is not None

    def _among(self, run: Run) -> AgainstBase:
        """The run among those that have finished by now."""
        finished = self.context.store.counts(self.context.loop_id).get(RunState.FINISHED, 0)
        if self._among_runs is None or self._among_runs[0] != finished:
            context, wanted = self.context, frozenset[str]().union(*(rule.when.compared for rule in self.rules))
            among = AmongRuns(context.store, context.loop_id, context.metrics, wanted, past=context.past)
            self._among_runs = finished, among
        return self._among_runs[1].of(run)

    def _give_up(self, active: Active, why: str) -> None:
        LOG.error("fault in the live rules of %s", active.run.id, exc_info=True)
        watch = LiveWatch([], "", self.context.metrics, {})
        self._watched[active.attempt.id] = _Watched(watch, None, news=False)
        run = active.run
        self.context.log_event(EventKind.NOTE, f"live rules stopped watching {run.name} ({run.id}): {why}", run.id)
