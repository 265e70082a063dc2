"""The project's runs as a search sees them: which configs of its space have been run, and their results."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import msgspec

from autoloop.configs import Config, apply
from autoloop.engine.base.context import Context
from autoloop.engine.base.frozen_config import frozen_config
from autoloop.engine.planning.frozen import preset_of
from autoloop.metrics.seeds import config_name
from autoloop.model import (
    Axis,
    Loop,
    Proposal,
    ProposalStatus,
    Run,
    RunState,
    StopKind,
    UserError,
)
from autoloop.search import EvaluatedConfig, Point, key_of
from autoloop.variants.grids import group_of
from autoloop.variants.policy import VariantPolicy, launch_policy
from autoloop.variants.spaces import at_point, point_of

LOOPS = 200
"""Only runs of this many newest loops count."""
OPEN = (ProposalStatus.PENDING, ProposalStatus.APPROVED, ProposalStatus.REJECTED, ProposalStatus.BLOCKED)
"""Proposals in these states are not proposed again. Those that became runs are found as runs."""


@dataclass(frozen=True)
class PastResult:
    """The relevant data of a run. `value`: its result, if it finished with one. `failed`: whether its config is to blame for
    the lack of a result."""

    run: Run
    name: str
    """The name of its config, with its loop if that is another one."""
    value: float | None
    failed: bool


@dataclass(frozen=True)
class Material:
    """The data from the store for the history. The configs are read from their files later, in another thread."""

    base: Run
    axes: list[Axis]
    policy: VariantPolicy
    runs: list[PastResult]
    proposals: list[tuple[Proposal, Run]]
    """Proposals that are open or were refused, with their base runs."""


def material(context: Context, base: Run, axes: list[Axis], metric: str) -> Material:
    """The material from all runs of the project that were launched in the same way as this loop's, earliest first."""
    store, spec = context.store, context.spec
    policy = launch_policy(context.preset, spec.train_script, spec.steps, spec.extra)
    seen: list[PastResult] = []
    for loop in store.loops(LOOPS):
        own = loop.id == context.loop_id
        if own or _launched_alike(context, loop, policy):
            runs = (run for run in store.runs(loop.id) if run.total_steps == base.total_steps)
            seen += [_seen(context, run, "" if own else f" of {loop.name}", metric) for run in runs]
    seen.sort(key=lambda each: (each.run.created_at, each.run.id))
    waiting = [proposal for proposal in store.proposals(context.loop_id) if proposal.status in OPEN and proposal.changes]
    return Material(base, axes, policy, seen, [(each, store.run(each.base_run)) for each in waiting])


def history(material: Material) -> tuple[Point, list[EvaluatedConfig], list[Point]]:
    """The base's point; the configs that differ from it only in the searched values and the seed, with their results; and
    further points not to try. Raises UserError if the base's config cannot be read or is outside the space."""
    axes, policy = material.axes, material.policy
    base = frozen_config(material.base)
    origin = point_of(base, axes)
    if origin is None:
        raise UserError(f"{material.base.name} ({material.base.id}) is outside the search space.")

    def training(config: Config) -> str:
        return group_of(config, policy) or policy.hash(config)

    family = training(base)

    def point(config: Config) -> Point | None:
        found = point_of(config, axes)
        return found if found is not None and training(at_point(config, axes, origin)) == family else None

    points: dict[object, Point] = {}
    runs: dict[object, list[PastResult]] = {}
    for seen in material.runs:
        with contextlib.suppress(UserError):  # damaged or deleted
            if (found := point(frozen_config(seen.run))) is not None:
                points.setdefault(key_of(found), found)
                runs.setdefault(key_of(found), []).append(seen)
    tried: list[EvaluatedConfig] = []
    taken: list[Point] = []
    for key, members in runs.items():
        values = [each.value for each in members if each.value is not None]
        if values or any(each.failed for each in members):
            tried.append(EvaluatedConfig(point=points[key], name=members[0].name, values=values, failed=not values))
        else:
            taken.append(points[key])
    return origin, tried, [*taken, *_proposed(material.proposals, point)]


def _proposed(proposals: Iterable[tuple[Proposal, Run]], point: Callable[[Config], Point | None]) -> Iterator[Point]:
    for proposal, run in proposals:
        with contextlib.suppress(UserError):
            if (found := point(apply(frozen_config(run), proposal.changes))) is not None:
                yield found


def _launched_alike(context: Context, loop: Loop, policy: VariantPolicy) -> bool:
    try:
        preset = preset_of(context.places, loop)
    except UserError:
        return False
    theirs = launch_policy(preset, loop.spec.train_script, loop.spec.steps, loop.spec.extra)
    return list(theirs.launch_words) == list(policy.launch_words) and theirs.steps == policy.steps


def _seen(context: Context, run: Run, where: str, metric: str) -> PastResult:
    found = run.summary.metrics.get(metric) if run.summary and run.state is RunState.FINISHED else None
    value = found.tail_mean if found is not None and math.isfinite(found.tail_mean) else None
    small = msgspec.structs.replace(run, summary=None, changes=[], notes=[])
    return PastResult(small, f"{config_name(run)}{where}", value, value is None and _to_blame(context, run, metric))


def _to_blame(context: Context, run: Run, metric: str) -> bool:
    """Whether the config is the reason for a run without a result: it would fail again but others would not, a live rule
    stopped it, or its metric is not finite."""
    if run.state is RunState.FINISHED:
        return bool(run.summary and metric in run.summary.not_finite)
    if run.state not in (RunState.FAILED, RunState.STOPPED):
        return False
    attempts = context.store.attempts(run.id)
    last = attempts[-1] if attempts else None
    if last is None:
        return False
    if run.state is RunState.STOPPED:
        return last.stop is not None and last.stop.kind is StopKind.LIVE_RULE
    return last.diagnosis is not None and not (last.diagnosis.retry or last.diagnosis.fatal_for_round)
