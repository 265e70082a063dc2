"""`--halve STEP`: stops the worse configs of a round at that step, and gives their slots to replicates of the better ones.

Once every executing run of the round has reached the step, the configs that have reached it and have no queued run are
ranked, including those of earlier comparisons and those that have ended. They are ranked by the newest value of each run at
the step, averaged over the seeds. A config that is compared for the first time and is in the worse half (rounded down) is
stopped. Runs that get a slot later are compared in the same way when they reach the step, with all configs that have passed
it.

The comparison is recorded with each run, in one transaction with the stops and the replicates: after a kill of the engine,
no run is compared twice, and the next engine sends the signals.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from autoloop.configs import apply
from autoloop.engine.base.context import Context
from autoloop.engine.base.frozen_config import frozen_config
from autoloop.engine.rounds.making import make_run
from autoloop.engine.rounds.proposals import Proposals
from autoloop.engine.runs.execution import ActiveAttempt, Execution
from autoloop.engine.runs.following import read_attempt
from autoloop.files import write_all
from autoloop.metrics import canonical_columns, config_name, main_names
from autoloop.metrics.summary import mean
from autoloop.model import (
    Change,
    EventKind,
    Halved,
    HalveSpec,
    RoundState,
    Run,
    RunState,
    Series,
    StopCause,
    StopKind,
    UserError,
)
from autoloop.text.plural import plural
from autoloop.text.values import ordinal
from autoloop.variants.grids import seed_path

Columns = Mapping[str, Series]


@dataclass(frozen=True)
class _Config:
    """The runs of one config in the round, and their value."""

    runs: list[Run]
    value: float
    """The mean over its runs; lower is better."""

    @property
    def compared(self) -> bool:
        return any(run.halved for run in self.runs)


class Halving:
    """Owned by the engine, which calls `look` at each turn."""

    def __init__(
        self, context: Context, execution: Execution, proposals: Proposals, reserve: Callable[[Sequence[Run]], None]
    ) -> None:
        """`reserve`: is called with newly queued runs that have a reserved slot."""
        self.context = context
        self.execution = execution
        self._proposals = proposals
        self._reserve = reserve
        self._seen: object = None
        """The attempts that were executing at the last comparison."""

    def look(self) -> None:
        spec = self.context.spec.halve
        if spec is None:
            return
        # Runs that have been compared, and replicates queued by a comparison, do not take part.
        mine = [each for each in self.execution.executing if _explores(each.run) and not each.run.halved]
        if not mine or any((each.follower.step or 0) < spec.step for each in mine if not _stopping(each)):
            return
        seen = {each.attempt.id for each in mine}
        if seen == self._seen:
            return
        round_ = self.context.store.last_round(self.context.loop_id)
        if round_.state is RoundState.RUNNING and self._compare(spec, round_.number):
            self._seen = seen

    def _compare(self, spec: HalveSpec, round_: int) -> bool:
        """Compare the configs and carry out the result. Returns False if a run has not logged the metric at the step yet."""
        context = self.context
        active = {each.run.id: each for each in self.execution.executing}
        known = [run for run in context.store.runs(context.loop_id, round_) if _explores(run)]
        runs = [active[run.id].run if run.id in active else run for run in known]
        columns = {run.id: self._columns(run, active.get(run.id)) for run in runs if not run.halved}
        metric = spec.metric or self._metric(columns, spec.step)
        if metric is None:
            return True
        for run in runs:
            series = columns[run.id].get(metric) if run.id in active and not run.halved else None
            if run.state is RunState.RUNNING and series is not None and series.steps[-1] < spec.step:
                return False
        values = {run.id: self._value(run, columns.get(run.id, {}), metric, spec.step) for run in runs}
        self._carry_out(spec, metric, self._ranked(runs, values), values, active)
        return True

    def _columns(self, run: Run, active: ActiveAttempt | None) -> Columns:
        """The logged metrics of a run that has not been compared yet."""
        context = self.context
        if active is not None:
            return canonical_columns(active.follower.columns, context.metrics)
        attempts = context.store.attempts(run.id) if run.state.ended else []
        return read_attempt(attempts[-1], run, context.spec, context.preset, context.metrics) if attempts else {}

    def _metric(self, columns: dict[str, Columns], step: int) -> str | None:
        """The first key metric with a known better direction that any run has logged by the step."""
        book = self.context.metrics
        names = [{name for name, series in each.items() if series.steps[0] <= step} for each in columns.values()]
        keys, _ = main_names(names, book)
        return next((key for key in keys if book.direction(key) and any(key in each for each in names)), None)

    def _value(self, run: Run, columns: Columns, metric: str, step: int) -> float | None:
        """The run's value at the step, negated if higher is better, so that lower is better. None without a point so far."""
        value = run.halved.value if run.halved and run.halved.metric == metric else None
        series = columns.get(metric)
        if not run.halved and series is not None and (at := bisect_right(series.steps, step)):
            value = series.values[at - 1]
        if value is None:
            return None
        return math.inf if math.isnan(value) else -value if self.context.metrics.direction(metric) == "high" else value

    def _ranked(self, runs: Sequence[Run], values: dict[str, float | None]) -> list[_Config]:
        """The configs that have reached the step and have no run left to start, best first."""
        groups: dict[str, list[Run]] = {}
        for run in runs:
            groups.setdefault(run.group or run.config_hash, []).append(run)
        found: list[_Config] = []
        for members in groups.values():
            known = [value for run in members if (value := values[run.id]) is not None]
            if known and not any(run.state is RunState.QUEUED and not run.halved for run in members):
                found.append(_Config(members, mean(known)))
        return sorted(found, key=lambda each: each.value)

    def _carry_out(
        self,
        spec: HalveSpec,
        metric: str,
        ranked: list[_Config],
        values: dict[str, float | None],
        active: dict[str, ActiveAttempt],
    ) -> None:
        count = len(ranked)
        if count < 2:
            return
        sign = -1 if self.context.metrics.direction(metric) == "high" else 1
        kept = count - count // 2
        fresh = [(place, each) for place, each in enumerate(ranked, 1) if not each.compared]
        if not fresh:
            return
        stops = [run for place, each in fresh if place > kept for run in each.runs if run.id in active]
        stops = [run for run in stops if run.state is not RunState.STOPPING]
        copies = self._replicates([each.runs[0] for each in ranked[:kept]], stops, metric)
        with self.context.store.transaction():
            for place, each in fresh:
                for run in each.runs:
                    if run.halved:
                        continue
                    value = values[run.id]
                    known = sign * value if value is not None and math.isfinite(value) else None
                    halved = Halved(metric=metric, value=known, place=place, of=count)
                    compared = msgspec.structs.replace(run, halved=halved)
                    if run.id in active:
                        self.execution.put(active[run.id], compared)
                    else:
                        self.context.store.put_run(compared)
                    if run in stops:
                        by = f"{ordinal(place)} of {count} configs by {self.context.metrics.short(metric)}"
                        text = f"at step {spec.step} by --halve: {by}"
                        self.execution.stop(run.id, StopCause(kind=StopKind.HALVED, text=text))
            for copy in copies:
                self.context.store.put_run(copy)
                text = f"Wrote variant: {copy.source_path} (a replicate in the slot that --halve frees)"
                self.context.log_event(EventKind.VARIANT_WRITTEN, text, copy.id)
            told = f"--halve at step {spec.step}: of {plural(count, 'config')} compared, {plural(len(stops), 'run')} stopped"
            told += f", {plural(len(copies), 'replicate')} of the better ones queued" if copies else ""
            self.context.log_event(EventKind.LIVE, told)
        self._reserve(copies)

    def _replicates(self, better: Sequence[Run], stops: Sequence[Run], metric: str) -> list[Run]:
        """A replicate for each freed slot, cycling through the configs of `better`, with fresh seeds; writes their configs.
        There are fewer if a config has no numeric seed, or if --max-runs leaves no room."""
        copies: list[Run] = []
        for number, stop in enumerate(stops[: self._room()]):
            base = better[number % len(better)]
            try:
                if copy := self._replicate(base, len(copies), stop):
                    halved = Halved(metric=metric, value=None, place=number % len(better) + 1, of=len(better) + len(stops))
                    copies.append(msgspec.structs.replace(copy, halved=halved))
            except UserError as error:
                self.context.log_event(EventKind.NOTE, f"{base.name} ({base.id}) gets no replicate: {error}", base.id)
        return copies

    def _room(self) -> int | None:
        """The number of runs that may be added, or None without a limit."""
        store, loop = self.context.store, self.context.loop
        if loop.max_runs is None:
            return None
        waiting = sum(run.attempts == 0 for run in store.queued(loop.id))
        return max(0, loop.max_runs - store.started_runs(loop.id) - waiting)

    def _replicate(self, base: Run, before: int, stop: Run) -> Run | None:
        context = self.context
        config = frozen_config(base)
        path = seed_path(config, context.preset.seed)
        if path is None or not base.seed.lstrip("-").isdecimal():
            return None
        seed = self._proposals.fresh_seeds([base], before + 1)[before]  # skips those of earlier copies, not stored yet
        change = Change(path=path, before=int(base.seed), after=seed)
        name = f"{config_name(base)},seed={seed}"
        position = context.store.number_of_runs(context.loop_id) + before
        copy, files = make_run(context, base, apply(config, [change]), name=name, round_=base.round, position=position)
        write_all(files)
        return msgspec.structs.replace(
            copy, base_run=base.base_run, proposal=base.proposal, changes=base.changes, slot=stop.slot
        )


def _explores(run: Run) -> bool:
    """Whether halving applies to the run: not to extended runs, nor to runs on fresh seeds, all of which a verdict needs."""
    return not run.resume and run.confirms is None


def _stopping(active: ActiveAttempt) -> bool:
    return active.run.state is RunState.STOPPING
