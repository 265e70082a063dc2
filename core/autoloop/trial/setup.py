"""Plans the two short runs of a trial: the base with few steps, and the same with a change."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from autoloop.configs import Config, rewrite
from autoloop.configs.paths import get, split, written
from autoloop.engine.planning.config_files import SourceConfig, read_source, sources_of
from autoloop.engine.planning.own_settings import steps_place
from autoloop.engine.planning.plan import PlannedRun, plan_loop
from autoloop.gpus import GpuReport
from autoloop.model import Change, LoopSpec, UserError
from autoloop.settings import Settings
from autoloop.trainers import Preset, load_preset, passes_steps
from autoloop.variants.check import check
from autoloop.variants.grids import seed_path
from autoloop.variants.policy import VariantPolicy, launch_policy
from autoloop.variants.request import VariantRequest


class TrialRun(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a trial. `changes`: the differences of its config from the given one."""

    name: str
    spec: LoopSpec
    preset: Preset
    planned: PlannedRun
    changes: list[Change]


def planned_runs(spec: LoopSpec, settings: Settings, gpus: GpuReport, scratch: Path, edits: Sequence[str]) -> list[TrialRun]:
    """Plan the base and, if possible, a second run: with `edits` or, without any, with another seed, if the seed is known.

    Both make at most `spec.steps` steps, if the number of steps can be set. Writes configs below `scratch`. UserError for
    everything that `run` would refuse.
    """
    preset = load_preset(spec.preset)
    given = read_source(_only(sources_of(spec, preset)), spec, preset, None)
    policy = launch_policy(preset, spec.train_script, spec.steps, spec.extra, fields=settings.field_types())
    few = _few_steps(preset, given.config, spec.steps)
    second = list(edits) or _other_seed(given.config, policy)
    wanted = [("base", few)] + ([("changed", [*few, *second])] if second else [])
    runs = []
    for name, changed in wanted:
        config, changes = _changed(given, changed, policy)
        runs.append(_planned(name, spec, settings, gpus, preset, _write(scratch, name, given, config), changes))
    return runs


def _only(sources: list[str]) -> str:
    if len(sources) > 1:
        raise UserError("try takes one config.")
    return sources[0]


def _few_steps(preset: Preset, config: Config, steps: int) -> list[str]:
    """The edit that shortens the run; empty if the command sets the steps, or the config has no number of steps."""
    place = None if passes_steps(preset) else steps_place(config, preset.steps)
    own = get(config, place) if place else 0
    return [f"{written(place)}={steps}"] if place and isinstance(own, int) and own > steps else []


def _other_seed(config: Config, policy: VariantPolicy) -> list[str]:
    path = seed_path(config, policy.seed)
    value = get(config, split(path)) if path else None
    if path is None or path in policy.overridden or not isinstance(value, int) or isinstance(value, bool):
        return []
    return [f"{path}={value + 1}"]


def _changed(given: SourceConfig, edits: list[str], policy: VariantPolicy) -> tuple[Config, list[Change]]:
    if not edits:
        return given.config, []
    variant = check(given.config, VariantRequest(reason="try", edits=edits), policy, given.suffix)
    if variant.blocked:
        raise UserError(variant.blocked)
    return variant.config, variant.changes


def _write(scratch: Path, name: str, given: SourceConfig, config: Config) -> Path:
    path = scratch / f"{name}{given.suffix}"
    path.write_text(rewrite(given.text, config, given.suffix), encoding="utf-8")
    return path


def _planned(
    name: str,
    spec: LoopSpec,
    settings: Settings,
    gpus: GpuReport,
    preset: Preset,
    config: Path,
    changes: list[Change],
) -> TrialRun:
    spec = msgspec.structs.replace(spec, configs=[str(config)])
    plan = plan_loop(spec, settings, gpus, os.environ, lambda _: None, time.time(), [])
    return TrialRun(name=name, spec=plan.spec, preset=preset, planned=plan.runs[0], changes=changes)
