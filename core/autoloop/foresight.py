"""Previews a variant before anything runs: its changes, known problems, and the past runs most like it, replayed under the
current rules. Writes nothing and takes a bounded time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from autoloop import gpus, preflight
from autoloop.backtest import Outcome, judge, outcome, replay
from autoloop.configs import Config, diff, suffix_of
from autoloop.engine.base.frozen_config import frozen_config
from autoloop.engine.planning.frozen import load_sources, preset_of
from autoloop.engine.planning.plan import plan_example
from autoloop.engine.planning.variant_policies import loop_policy
from autoloop.model import Actor, Change, Loop, Run, UserError
from autoloop.past_runs import LoopRun, runs_of_loops
from autoloop.preflight import Finding
from autoloop.rules import live_rules
from autoloop.settings import Settings, load_settings
from autoloop.store import Store
from autoloop.trainers import environment
from autoloop.variants.check import CheckedVariant, check
from autoloop.variants.grids import group_of
from autoloop.variants.policy import launch_policy
from autoloop.variants.request import VariantRequest

T = TypeVar("T")

SECONDS = 5.0
"""Time limit for the whole preview; a W&B server that does not answer adds up to 3 s."""
BACKTEST = 2.5
"""The part of SECONDS that past runs may take."""
MOST_RUNS = 8
"""The number of past runs to replay."""
MOST_CONFIGS = 300
"""The number of past runs, newest first, with which the config is compared."""


@dataclass(frozen=True)
class SimilarRun:
    """A past run similar to the variant, and the outcome of replaying it under the loop's rules."""

    run: Run
    loop: str
    differs: list[Change]
    """The changes from its config to the variant's."""
    outcome: Outcome

    @property
    def proposed(self) -> list[str]:
        """The rules that would propose something after it."""
        return [each.request.rule or "decide" for each in self.outcome.suggested]

    @property
    def said(self) -> str:
        """`stopped at 300 by high; proposes more-lr`, or an empty text."""
        by = self.outcome.by
        ended = f"{self.outcome.ending.value} at {by.step} by {by.rule}" if by else ""
        proposes = f"proposes {', '.join(self.proposed)}" if self.proposed else ""
        return "; ".join(part for part in (ended, proposes) if part)


@dataclass(frozen=True)
class Foresight:
    """The preview of a variant. `left_out`: what was not checked, and why."""

    variant: CheckedVariant
    findings: list[Finding] = field(default_factory=list)
    past: list[SimilarRun] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> bool:
        """Whether the variant is blocked or a check reports an error."""
        return self.variant.blocked is not None or any(each.level == "error" for each in self.findings)


def foresee(store: Store, loop: Loop, base: Run, edits: list[str], author: Actor) -> Foresight:
    """Return the preview of `base` with `edits`. UserError if the loop's settings or the base's config cannot be read;
    invalid edits are reported in `variant.blocked`."""
    deadline = time.monotonic() + SECONDS
    settings = load_settings(Path(loop.spec.cwd))
    policy = loop_policy(
        store,
        loop.id,
        loop.spec,
        preset_of(store.places, loop),
        settings.field_types(),
        store.last_round(loop.id).number,
    )
    request = VariantRequest(author=author, reason="", edits=edits)
    variant = check(frozen_config(base), request, policy, suffix_of(base.config_path))
    if variant.blocked:
        return Foresight(variant, left_out=["preflight and past runs: it must not be run as it is"])
    left_out: list[str] = []
    past = _past(store, loop, variant.config, settings, time.monotonic() + BACKTEST, left_out)
    findings = _findings(store, loop, base, variant.config, settings, deadline, left_out)
    return Foresight(variant, findings, past, left_out)


def _findings(
    store: Store, loop: Loop, base: Run, config: Config, settings: Settings, deadline: float, left_out: list[str]
) -> list[Finding]:
    """The findings of `doctor` on the machine, the training environment and this config."""
    spec, preset = loop.spec, preset_of(store.places, loop)
    try:
        launch = plan_example(preset, spec, config)
    except UserError as problem:
        left_out.append(f"preflight: {problem}")
        return []
    name = f"{base.name}, edited"
    return preflight.examine(
        spec,
        preset,
        [preflight.candidate(spec, preset, name, config, launch)],
        gpus=gpus.read_within(1.0),
        min_free=settings.min_free,
        environment=os.environ,
        trainer_environment=environment(launch, os.environ),
        patience=max(0.5, deadline - time.monotonic()),
    )


def _past(
    store: Store, loop: Loop, config: Config, settings: Settings, deadline: float, left_out: list[str]
) -> list[SimilarRun]:
    """The past runs of this trainer with the most similar configs, each replayed under the loop's rules. Runs that differ
    only in the seed come first, then those with the fewest changes; newer runs come before older ones."""
    spec = loop.spec
    same = [each for each in store.loops() if (each.spec.preset, each.spec.train_script) == (spec.preset, spec.train_script)]
    found = runs_of_loops(store, same)
    newest = sorted(found, key=lambda each: each.run.ended_at or 0.0, reverse=True)[:MOST_CONFIGS]
    policy = launch_policy(
        preset_of(store.places, loop), spec.train_script, spec.steps, spec.extra, fields=settings.field_types()
    )
    group = group_of(config, policy)
    compared: list[tuple[bool, int, LoopRun, list[Change]]] = []
    for source in _in_time(newest, deadline, len(found), "past runs: only the newest were compared", left_out):
        with suppress(UserError):
            theirs = frozen_config(source.run)
            differs = diff(theirs, config)
            compared.append((not group or group_of(theirs, policy) != group, len(differs), source, differs))
    near = sorted(compared, key=lambda each: each[:2])[:MOST_RUNS]
    try:
        rules = load_sources(store.places, loop).rules
    except UserError as problem:
        left_out.append(f"past runs: {problem}")
        return []
    alike: list[SimilarRun] = []
    try:
        if rules.slow:
            left_out.append(f"what {rules.name} would propose: rules in Python are not asked here")
        patterns = {pattern.pattern: pattern for rule in live_rules(rules) for pattern in rule.when.patterns}
        watching = {rule.id: rule for rule in rules.rules if rule.watch}
        for _, _, source, differs in _in_time(near, deadline, len(near), "runs that are most like it: no time", left_out):
            with suppress(UserError):
                run = replay(source.read(list(patterns.values())), rules)
                judged = {} if rules.slow else judge([run], rules)
                result = outcome(run, watching, policy, judged.get(source.run.id))
                alike.append(SimilarRun(source.run, source.loop.name, differs, result))
    finally:
        rules.close()
    return alike


def _in_time(given: Sequence[T], deadline: float, of: int, what: str, left_out: list[str]) -> Iterator[T]:
    """Yield from `given` until the deadline. If fewer than `of` were yielded, add a sentence on the rest to `left_out`."""
    done = 0
    for each in given:
        if time.monotonic() > deadline:
            break
        yield each
        done += 1
    if done < of:
        left_out.append(f"{of - done} of {of} {what}")
