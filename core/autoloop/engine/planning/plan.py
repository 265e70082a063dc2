"""Plans a loop: turns a spec into the runs of round 1, with every check that can be made before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import msgspec

from autoloop.configs import Config, reading_differs, rewrite
from autoloop.engine.planning.checks import check
from autoloop.engine.planning.config_files import dataset_of, expanded, read_source, sources_of, with_base
from autoloop.engine.planning.confirming import confirming_text
from autoloop.engine.planning.halve import check_halve
from autoloop.engine.planning.names import fresh_name, new_run_id, output_name
from autoloop.engine.planning.own_settings import own_steps, steps_assumed, steps_of, with_own_methods, with_own_wandb
from autoloop.engine.planning.rule_checks import named_metrics
from autoloop.engine.planning.search_space import with_space
from autoloop.engine.planning.then import check_then
from autoloop.gpus import GpuReport
from autoloop.model import LoopSpec, Run, Slot
from autoloop.rules import RuleSource, describe, live_rules, no_point_ahead
from autoloop.secrets import secret_keys
from autoloop.settings import Settings
from autoloop.text.names import safe_name, unused_name
from autoloop.trainers import LaunchPlan, LaunchRequest, Preset, load_preset, passes, passes_seed, passes_steps, plan_launch
from autoloop.variants.grids import group_of, seed_of
from autoloop.variants.policy import launch_policy


class PlannedRun(msgspec.Struct, frozen=True, kw_only=True):
    """One run of round 1. `slot` is None if it has to wait for one."""

    run: Run
    config: Config
    text: str
    """The text of the frozen config: that of the file, except for values that the loop replaces."""
    suffix: str
    """The suffix of the frozen copy, which determines its format."""
    slot: Slot | None
    output_dir: str
    launch: LaunchPlan


class LoopPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A checked loop: `autoloop-tui run` prints it, and `--exec` creates it."""

    name: str
    spec: LoopSpec
    base: Config | None = None
    """The values of the preset's base, if only values that differ from it are passed as overrides."""
    output_dir: str
    runs: list[PlannedRun]
    live: list[str]
    """One sentence for each live rule that will watch the runs."""
    warnings: list[str]
    steps_by: str | None = None
    """What determines the number of steps of a run, if not --steps."""
    confirming: str | None = None
    """How much of its rounds may go to confirming runs."""


def plan_loop(
    spec: LoopSpec,
    settings: Settings,
    gpus: GpuReport,
    environment: Mapping[str, str],
    where_run: Callable[[str], str | None],
    now: float,
    names: Collection[str] = (),
    *,
    found: Collection[str] = (),
    starting: bool = True,
) -> LoopPlan:
    """Check everything and plan round 1. Writes nothing.

    Unless `starting`, what this machine lacks (GPUs, a W&B key) is only a warning. `where_run` returns where the config with
    a hash has run; `names` are the names of the project's loops; `found` are the metrics that earlier runs logged. Raises
    UserError for anything that the user must fix first.
    """
    preset, dataset = load_preset(spec.preset), dataset_of(spec)
    policy = launch_policy(preset, spec.train_script, spec.steps, spec.extra, fields=settings.field_types())
    read = [read_source(source, spec, preset, dataset) for source in sources_of(spec, preset)]
    preset = with_base(spec, preset, read)
    spec = with_space(spec, settings, preset, read, policy)
    read = expanded(read, spec, policy)
    configs = [(each.source, each.config) for each in read]
    spec = with_own_wandb(spec, [each.config for each in read])
    spec = with_own_methods(spec, [each.config for each in read])
    rules, until, warnings = check(spec, preset, settings, gpus, environment, configs, found=set(found), starting=starting)
    spec = msgspec.structs.replace(spec, named_metrics=named_metrics(rules, until))
    root = Path(spec.output_root)
    name = fresh_name(root, f"loop_{int(now)}", names)
    output_dir = root / name

    used, most = spec.concurrency * spec.gpus_per_run, len(spec.gpus) // spec.gpus_per_run
    if spec.device != "cpu" and not gpus.error and used < len(spec.gpus):
        warnings.append(f"{used} of {len(spec.gpus)} GPUs will be used; --concurrency {most} uses them all.")
    planned: list[PlannedRun] = []
    seen: dict[str, str] = {}
    taken: set[str] = set()
    for position, given in enumerate(read):
        source, config = given.source, given.config
        called = given.name if spec.grid or spec.seeds else source
        if held := secret_keys(config):
            warnings.append(
                f"{Path(source).name} contains a secret ({', '.join(sorted(held))}), and so will the trainer's copy in "
                ".autoloop/configs, which only you can read; use an environment variable to keep it out of files."
            )
        if unsure := reading_differs(given.text, given.suffix):
            named = f"{', '.join(unsure[:3])}{' …' if len(unsure) > 3 else ''}"
            warnings.append(
                f"{Path(source).name}: PyYAML reads some values differently from other parsers ({named}); write numbers "
                "as 1.0e-5 and put text in quotes."
            )
        hash_ = policy.hash(config)
        if hash_ in seen:
            warnings.append(f"{called} is the same training as {seen[hash_]}; if that is intended, give it another seed.")
        elif ran := where_run(hash_):
            warnings.append(f"{called} has run before: {ran}.")
        seen.setdefault(hash_, called)
        run = Run(
            id=new_run_id(),
            loop=0,
            round=1,
            position=position,
            name=unused_name(safe_name(given.name), taken),
            config_path="",
            source_path=source,
            config_hash=hash_,
            group=group_of(config, policy),
            seed=seed_of(config, policy),
            total_steps=steps_of(preset, config, spec.steps),
            total_assumed=steps_assumed(preset, config),
            created_at=now,
        )
        taken.add(run.name)
        slot = spec.slots[position] if position < len(spec.slots) else None
        out = str(output_dir / output_name(run, 1, len(read)))
        planned.append(
            PlannedRun(
                run=run,
                config=config,
                text=rewrite(given.text, config, given.suffix),
                slot=slot,
                suffix=given.suffix,
                output_dir=out,
                launch=plan_attempt(preset, spec, name, run, slot or spec.slots[0], out, source, config),
            )
        )
    warnings += check_halve(spec, [each.run for each in planned])
    warnings += check_then(spec, preset, [each.run for each in planned], [each.config for each in planned])
    return LoopPlan(
        name=name,
        spec=spec,
        base=preset.base if preset.passes_changes_only and isinstance(preset.base, dict) else None,
        output_dir=str(output_dir),
        runs=planned,
        live=live_sentences(spec, rules),
        warnings=[
            *dict.fromkeys(warnings),
            *silent_rules(spec, preset, rules, max(each.run.total_steps for each in planned)),
        ],
        steps_by=None if passes_steps(preset) else _steps_by(preset, spec, planned),
        confirming=confirming_text(spec, [each.run for each in planned]),
    )


def under_name(plan: LoopPlan, name: str) -> LoopPlan:
    """The plan under another name, for a loop whose planned name was taken meanwhile."""
    if name == plan.name:
        return plan
    preset, spec = load_preset(plan.spec.preset), plan.spec
    if plan.base is not None:
        preset = msgspec.structs.replace(preset, base=plan.base)
    folder = Path(plan.output_dir).with_name(name)
    runs = []
    for each in plan.runs:
        out = str(folder / Path(each.output_dir).name)
        slot, source = each.slot or spec.slots[0], each.run.source_path
        launch = plan_attempt(preset, spec, name, each.run, slot, out, source, each.config)
        runs.append(msgspec.structs.replace(each, output_dir=out, launch=launch))
    return msgspec.structs.replace(plan, name=name, output_dir=str(folder), runs=runs)


def live_sentences(spec: LoopSpec, rules: RuleSource) -> list[str]:
    """What the live rules do to this loop's runs, one sentence each; empty if they are off."""
    return [
        describe(rule) + (f" (not reached in {spec.steps} steps)" if rule.watch and rule.watch.first >= spec.steps else "")
        for rule in (live_rules(rules) if spec.live else [])
    ]


def silent_rules(spec: LoopSpec, preset: Preset, rules: RuleSource, steps: int) -> list[str]:
    """The live rules that will have no point to judge in runs of `steps` steps, as far as known, one sentence each.

    A rule of the built-in book that starts only after `steps` is left to `live_sentences`, because the user did not ask for
    it.
    """
    log = spec.log_freq if passes(preset, "log_freq") else None
    evaluated = spec.eval_freq if passes(preset, "eval_freq") else None
    watching = [
        rule
        for rule in (live_rules(rules) if spec.live else [])
        if spec.rules is not None or (rule.watch and rule.watch.first < steps)
    ]
    return [f"{why}." for rule in watching if (why := no_point_ahead(rule, steps, log, evaluated))]


def plan_attempt(
    preset: Preset,
    spec: LoopSpec,
    loop: str,
    run: Run,
    slot: Slot,
    output_dir: str,
    config_path: str,
    config: Config | None,
) -> LaunchPlan:
    """The command and environment of one attempt of `run` in `slot`. `config`: the values in `config_path`; None for a
    preset that passes none of them."""
    request = msgspec.structs.replace(
        _request(spec),
        config=config_path,
        values=config,
        seed=_seed(preset, config),
        output_dir=output_dir,
        steps=run.total_steps,
        gpus=_gpus(spec, slot),
        processes=0 if not slot.of or spec.device == "cpu" else spec.gpus_per_run,
        run_id=run.id,
        name=run.name,
        group=f"{loop}-r{run.round}",
        resume=run.resume,
    )
    return plan_launch(preset, request)


def plan_example(preset: Preset, spec: LoopSpec, config: Config) -> LaunchPlan:
    """The command and environment of an example run of `spec`, for checks before there is a loop."""
    return plan_launch(preset, msgspec.structs.replace(_request(spec), values=config, seed=_seed(preset, config)))


def _seed(preset: Preset, config: Config | None) -> str:
    """The config's seed, for a preset that passes it; empty if it has none."""
    return seed_of(config, launch_policy(preset)) if config is not None and passes_seed(preset) else ""


def _request(spec: LoopSpec) -> LaunchRequest:
    """A launch request with the values that all runs of a loop share, and examples for the rest."""
    return LaunchRequest(
        python=spec.python,
        script=spec.train_script,
        config="config.json",
        output_dir=str(Path(spec.output_root) / "example"),
        cwd=spec.cwd,
        steps=spec.steps,
        log_freq=spec.log_freq,
        eval_freq=spec.eval_freq,
        device=spec.device,
        gpus=_gpus(spec, spec.slots[0]),
        run_id="example0",
        name="example",
        group="example-r1",
        wandb=spec.wandb,
        extra=tuple(spec.extra),
    )


def _gpus(spec: LoopSpec, slot: Slot) -> tuple[int, ...] | None:
    """The CUDA indices that a run gets; None if its place chooses them."""
    return slot.gpus if not slot.of or spec.device == "cpu" else None


def _steps_by(preset: Preset, spec: LoopSpec, planned: list[PlannedRun]) -> str | None:
    """What determines the number of steps of a run, in words; None if the preset names the config key and every config has
    it."""
    said = (
        f"the preset {preset.name} does not pass --steps to the trainer, so each run takes its number of steps "
        "from its config"
    )
    asked = {each.run.name: own_steps(each.config, preset.steps) for each in planned}
    if preset.steps and None not in asked.values():
        return None
    if others := [f"{name} {steps}" for name, steps in asked.items() if steps not in (None, spec.steps)]:
        said += f" ({_some(others)}, not {spec.steps})"
    if silent := [name for name, steps in asked.items() if steps is None]:
        said += (
            f"; {_some(silent)} has none, so its progress is counted up to --steps {spec.steps} until the "
            "trainer reports a total"
        )
    return said


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
