"""`doctor`: everything that can be known to go wrong before GPU time is spent. `run --exec` asks the same first."""

from __future__ import annotations

import os
import sys
import textwrap
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
from autoloop import gpus as gpu_report
from autoloop import preflight
from autoloop.configs import Config, unusable
from autoloop.engine.planning.checks import check_formal, check_numbers, check_places, load_rules, load_until
from autoloop.engine.planning.config_files import dataset_of, read_config
from autoloop.engine.planning.limits import check_budget
from autoloop.engine.planning.own_settings import check_own_folders, with_own_wandb
from autoloop.engine.planning.plan import LoopPlan, plan_attempt, silent_rules
from autoloop.model import LoopSpec, Run, UserError
from autoloop.preflight import Finding
from autoloop.preflight.finding import ok
from autoloop.rules import RuleBook, applicable
from autoloop.secrets import mask
from autoloop.settings import Settings, load_settings
from autoloop.text.plural import plural
from autoloop.trainers import environment, load_preset
from autoloop.wandb_cloud.key import known_secrets

from autoloop_tui.cli.options import NONE_GIVEN, Flags, loop_spec
from autoloop_tui.cli.output import printing


def doctor(*, options: Flags = NONE_GIVEN) -> int:
    """Check everything that a run needs, without starting one; exit code 1 where something is wrong.

    The training environment, every config as the trainer's own classes read it, the rules, the GPUs, the disk, W&B.
    Takes every flag of `run`, so that its command can be checked as it stands; --exec starts nothing here.
    """
    cwd = Path.cwd()
    found = [_without_secrets(each) for each in examine(loop_spec(options, cwd, load_settings(cwd)))]
    print(_as_json(found) if options.json else as_text(found, printing.across()))
    return 1 if any(each.level == "error" for each in found) else 0


def check_plan(plan: LoopPlan) -> list[Finding]:
    """The findings for a loop that is about to be made."""
    spec = plan.spec
    preset = load_preset(spec.preset)
    runs = [
        preflight.candidate(spec, preset, Path(each.run.source_path).name, each.config, each.launch) for each in plan.runs
    ]
    return preflight.examine(
        spec,
        preset,
        runs,
        gpus=gpu_report.read_within(),
        min_free=load_settings(Path(spec.cwd)).min_free,
        environment=os.environ,
        trainer_environment=environment(plan.runs[0].launch, os.environ),
    )


def examine(spec: LoopSpec) -> list[Finding]:
    """As much as can be looked at, whatever is wrong: every problem is one finding."""
    preset = load_preset(spec.preset)
    found: list[Finding] = []
    settings = load_settings(Path(spec.cwd))
    configs: list[tuple[str, Config]] = []
    broken: list[Finding] = []
    for source in spec.configs:
        name = Path(source).name
        try:
            config = read_config(source, dataset_of(spec))
        except UserError as problem:
            broken.append(Finding(subject=f"config {name}", level="error", text=str(problem)))
            continue
        configs.append((name, config))
        broken += [Finding(subject=f"config {name}", level="error", text=fault.rstrip(".")) for fault in unusable(config)]
    spec = with_own_wandb(spec, [config for _, config in configs])
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
    found += check_rules(spec, settings, configs)
    if not os.path.isfile(spec.python):
        return found
    run = Run(
        id="doctor00",
        loop=0,
        round=1,
        position=0,
        name="doctor",
        config_path="",
        source_path="",
        config_hash="",
        total_steps=spec.steps,
    )
    out = str(Path(spec.output_root) / "doctor")
    try:
        launch = plan_attempt(preset, spec, "doctor", run, spec.slots[0], out, "config.json")
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


def check_rules(spec: LoopSpec, settings: Settings, configs: Sequence[tuple[str, Config]]) -> list[Finding]:
    """The metric names, the rules and --until as they would be read, and whether the configs have what rules change."""
    try:
        metrics = settings.metric_book(Path(spec.cwd))
    except UserError as problem:
        return [Finding(subject="metrics", level="error", text=str(problem))]
    try:
        rules = load_rules(spec.rules, metrics)
    except UserError as problem:
        return [Finding(subject="rules", level="error", text=str(problem))]
    found: list[Finding] = []
    try:
        load_until(spec, rules, metrics)
    except UserError as problem:
        found.append(Finding(subject="until", level="error", text=str(problem)))
    if not isinstance(rules, RuleBook):
        return found or [ok("rules", f"{spec.rules} can be read")]
    for why in silent_rules(spec, load_preset(spec.preset), rules, spec.steps):
        found.append(Finding(subject="rules", level="warning", text=why.rstrip(".")))
    # The shipped book's live rules watch every trainer's runs, and say so themselves where a config has nothing for them.
    used = [rule for rule in rules.rules if spec.decide or (rule.watch and spec.live and spec.rules)]
    changing = [(f"rule {rule.id}", rule.changes) for rule in used if rule.changes]
    fields = settings.field_types()
    for name, config in configs:
        lacking = [who for who, edits in changing if not applicable(edits, config, fields)[0]]
        if lacking:
            who = "any rule" if len(lacking) == len(changing) else ", ".join(lacking)
            text = f"{name} has nothing that {who} of {rules.name} would change"
            advice = "correct the paths, or name the rule book of this trainer with --rules"
            found.append(Finding(subject="rules", level="warning", text=text, advice=advice))
    return found or [ok("rules", f"{rules.name} {rules.version}: {len(rules.rules)} rules")]


# ------------------------------------------------------------------------------------------------------ what is said


def as_text(found: list[Finding], across: int | None = None) -> str:
    """A finding, what to do below it, and what it comes to; in lines of `across` cells, without it one line each."""
    subjects = max(printing.width(printing.printable(each.subject)) for each in found)
    indent = " " * (subjects + 11)
    lines = []
    for each in found:
        head = f"{each.level:7}  {printing.pad(printing.printable(each.subject), subjects)}  "
        lines += _wrapped(head, indent, printing.printable(each.text), across)
        if each.advice:
            lines += _wrapped(f"{indent}→ ", f"{indent}  ", printing.printable(each.advice), across)
    return "\n".join([*lines, "", _sum(found)])


def _wrapped(first: str, others: str, text: str, across: int | None) -> list[str]:
    if across is None or across < len(others) + 20:
        return [first + text]
    wrap = textwrap.TextWrapper(across, first, others, break_long_words=False, break_on_hyphens=False)
    return wrap.wrap(text) or [first.rstrip()]


def say(found: list[Finding]) -> None:
    """On stderr: what is wrong, or should be known, and nothing where all is well."""
    for each in map(_without_secrets, found):
        if each.level != "ok":
            advice = f"; {each.advice}" if each.advice else ""
            word = "error" if each.level == "error" else "note"
            print(f"{word}: {printing.printable(f'{each.subject}: {each.text}{advice}')}", file=sys.stderr)


def _without_secrets(finding: Finding) -> Finding:
    """An address may hold a password, and a trainer's complaint what it was given."""
    known = known_secrets(os.environ)
    return msgspec.structs.replace(finding, text=mask(finding.text, known), advice=mask(finding.advice, known))


def _sum(found: list[Finding]) -> str:
    counts = Counter(each.level for each in found)
    if not counts["error"]:
        return "Ready." if not counts["warning"] else "Ready, but read the warnings."
    errors = plural(counts["error"], "error")
    return f"Not ready: {errors}. `autoloop-tui run --exec` would refuse to start."


def _as_json(found: list[Finding]) -> str:
    document = {"ready": not any(each.level == "error" for each in found), "findings": found}
    return printing.json_text(document)
