"""Checks made before GPU time is spent: of a plan about to start, and of a spec that may be wrong."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from autoloop import gpus as gpu_report
from autoloop import preflight
from autoloop.configs import Config, unusable
from autoloop.engine.planning.checks import check_formal, check_numbers, check_places, load_until
from autoloop.engine.planning.config_files import SourceConfig, dataset_of, expanded, read_source, sources_of, with_base
from autoloop.engine.planning.limits import check_budget
from autoloop.engine.planning.own_settings import check_own_folders, with_own_methods, with_own_wandb
from autoloop.engine.planning.plan import LoopPlan, plan_example, silent_rules
from autoloop.engine.planning.rule_checks import check_decidable, logged_before, misspelt
from autoloop.engine.planning.variant_policies import store_of
from autoloop.gpus import GpuReport
from autoloop.hooks.checking import kind, obstacle
from autoloop.hooks.service import target
from autoloop.model import LoopSpec, UserError
from autoloop.preflight import Finding
from autoloop.preflight.finding import error, ok, warning
from autoloop.profiles import planned_methods
from autoloop.rule_files import load_rules
from autoloop.settings import FILE, Settings
from autoloop.trainers import environment, load_preset
from autoloop.variants.check import applicable
from autoloop.variants.policy import launch_policy


def check_plan(plan: LoopPlan, settings: Settings, gpus: GpuReport) -> list[Finding]:
    """Return the findings for a loop that is about to be created."""
    spec = plan.spec
    preset = load_preset(spec.preset)
    runs = [
        preflight.candidate(spec, preset, Path(each.run.source_path).name, each.config, each.launch) for each in plan.runs
    ]
    return check_hooks(settings, Path(spec.cwd)) + preflight.examine(
        spec,
        preset,
        runs,
        gpus=gpus,
        min_free=settings.min_free,
        environment=os.environ,
        trainer_environment=environment(plan.runs[0].launch, os.environ),
    )


def check_undecided(spec: LoopSpec, settings: Settings) -> list[Finding]:
    """Return the findings if nothing defines the training command.

    Only the machine is checked, so that the findings do not refer to a trainer that this project does not use.
    """
    text = f"there is no {FILE} here, so the training command is unknown"
    advice = "run `autoloop-tui init -- <your training command>` to write it"
    if os.path.lexists(Path(spec.cwd) / FILE):
        text = f"{FILE} has neither preset nor [trainer], so the training command is unknown"
        advice = "add [trainer] (docs/trainer.md); `autoloop-tui init --force -- <your command>` rewrites the file"
    return [
        error("trainer", text, advice),
        *check_hooks(settings, Path(spec.cwd)),
        *preflight.examine_machine(spec, gpu_report.read_within(), settings.min_free, os.environ),
    ]


def check_spec(spec: LoopSpec, settings: Settings) -> list[Finding]:
    """Check everything that can be checked, whatever else is wrong; each problem is one finding."""
    found: list[Finding] = []
    preset = load_preset(spec.preset)
    try:
        sources = sources_of(spec, preset)
    except UserError as problem:
        sources = []
        if spec.configs or preset.base is not None or preset.dump:
            found.append(Finding(subject="trainer", level="error", text=str(problem)))
    policy = launch_policy(preset, spec.train_script, spec.steps, spec.extra, fields=settings.field_types())
    configs: list[tuple[str, Config]] = []
    read: list[SourceConfig] = []
    broken: list[Finding] = []
    for source in sources:
        name = Path(source).name
        try:
            given = read_source(source, spec, preset, dataset_of(spec))
        except UserError as problem:
            broken.append(Finding(subject=f"config {name}", level="error", text=str(problem)))
            continue
        read.append(given)
        configs.append((name, given.config))
        faults = unusable(given.config)
        broken += [Finding(subject=f"config {name}", level="error", text=fault.rstrip(".")) for fault in faults]
        try:
            expanded([given], spec, policy)
        except UserError as problem:
            broken.append(Finding(subject="command", level="error", text=str(problem)))
    try:
        preset = with_base(spec, preset, read)
    except UserError as problem:
        broken.append(Finding(subject="trainer", level="error", text=str(problem)))
    spec = with_own_wandb(spec, [config for _, config in configs])
    spec = with_own_methods(spec, [config for _, config in configs])
    for check in (check_numbers, check_formal, check_budget, lambda spec: check_places(spec, preset)):
        try:
            check(spec)
        except UserError as problem:
            found.append(Finding(subject="command", level="error", text=str(problem)))
    try:
        check_own_folders(preset, spec, configs)
    except UserError as problem:
        broken.append(Finding(subject="configs", level="error", text=str(problem)))
    found += broken
    known: set[str] = set()
    with contextlib.suppress(UserError), store_of(Path(spec.cwd)) as store:
        known = logged_before(store, spec) if store else known
    found += check_rules(spec, settings, configs, known)
    found += check_hooks(settings, Path(spec.cwd))
    if not os.path.isfile(spec.python):
        return found
    values = configs[0][1] if configs else {}
    try:
        launch = plan_example(preset, spec, values)
    except UserError as problem:
        return [*found, Finding(subject="command", level="error", text=str(problem))]
    runs = [preflight.candidate(spec, preset, name, config, launch) for name, config in configs]
    return found + preflight.examine(
        spec,
        preset,
        runs,
        gpus=gpu_report.read_within(),
        min_free=settings.min_free,
        environment=os.environ,
        trainer_environment=environment(launch, os.environ),
    )


def check_hooks(settings: Settings, project: Path) -> list[Finding]:
    """Check whether the hooks can work. A loop also runs without them, so no finding is an error."""
    found: list[Finding] = []
    for name, hook in settings.hooks.items():
        reached = target(hook, project)
        if why := obstacle(reached, os.environ):
            advice = "the loop runs without it; set it when you start the loop, or fix [hooks]"
            found.append(warning(f"hook {name}", why, advice))
        else:
            text = f"{kind(reached)}: {', '.join(hook.events)}; `autoloop-tui hooks --test {name}` tries it"
            found.append(ok(f"hook {name}", text))
    return found


def check_rules(spec: LoopSpec, settings: Settings, configs: Sequence[tuple[str, Config]], known: set[str]) -> list[Finding]:
    """Check metric names, rules and --until as a loop would read them, and that configs have what the rules change."""
    try:
        metrics = settings.loop_book(spec)
    except UserError as problem:
        return [Finding(subject="metrics", level="error", text=str(problem))]
    try:
        values = [config for _, config in configs]
        check_decidable(spec, values, metrics, known)
        rules = load_rules(spec.rules, metrics, methods=planned_methods(spec))
    except UserError as problem:
        parts = [line.partition("  #")[0] for line in problem.example.splitlines() if line.startswith(("when", "changes"))]
        advice = f"for example a rule with {' and '.join(parts)}" if parts else ""
        return [Finding(subject="rules", level="error", text=str(problem), advice=advice)]
    found: list[Finding] = []
    until = None
    try:
        until = load_until(spec, rules, metrics)
    except UserError as problem:
        found.append(Finding(subject="until", level="error", text=str(problem)))
    for why in misspelt(spec, rules, until, values, settings.field_types(), metrics, known):
        found.append(Finding(subject="rules", level="warning", text=why))
    if not rules.rules:
        read = f"{spec.rules} can be read" if spec.rules else "none: runs are not judged (--rules names a rule book)"
        return found or [ok("rules", read)]
    for why in silent_rules(spec, load_preset(spec.preset), rules, spec.steps):
        found.append(Finding(subject="rules", level="warning", text=why.rstrip(".")))
    # The live rules of the built-in book watch the runs of every trainer, and report it themselves if they do not apply to a
    # config.
    used = [rule for rule in rules.rules if spec.decide or (rule.watch and spec.live and spec.rules)]
    changing = [(f"rule {rule.id}", rule.changes) for rule in used if rule.changes]
    fields = settings.field_types()
    for name, config in configs:
        lacking = [who for who, edits in changing if not applicable(edits, config, fields)[0]]
        if lacking:
            who = "any rule" if len(lacking) == len(changing) else ", ".join(lacking)
            text = f"{name} has no setting that {who} of {rules.name} would change"
            advice = "fix the paths, or choose this trainer's rule book with --rules"
            found.append(Finding(subject="rules", level="warning", text=text, advice=advice))
    return found or [ok("rules", f"{rules.name} {rules.version}: {len(rules.rules)} rules")]
