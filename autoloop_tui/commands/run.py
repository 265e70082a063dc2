"""`run` and `demo`: plan a loop, and with --exec make it real."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import msgspec
from autoloop import gpus as gpu_report
from autoloop.engine.budget import asked_for
from autoloop.engine.plan import LoopPlan, plan_loop
from autoloop.model import LoopSpec, UserError, WandbSpec
from autoloop.preflight import SERVER
from autoloop.settings import Settings, load_settings
from autoloop.store import NoLoopYet, Store, StoreUnusable
from cyclopts import Parameter

from autoloop_tui import headless, on_screen, plain
from autoloop_tui.commands import run_flags

Many = Parameter(consume_multiple=True)
Trainer = Parameter(consume_multiple=True, allow_leading_hyphen=True)


def run(
    *,
    cfgs: Annotated[list[str] | None, Many] = None,
    steps: int = 2000,
    log_freq: int = 50,
    eval_freq: int = 200,
    concurrency: int = 1,
    gpus: str | None = None,
    gpus_per_run: int = 1,
    allow_busy: bool = False,
    device: str | None = None,
    exec_: Annotated[bool, Parameter(name="--exec")] = False,
    extra: Annotated[list[str] | None, Trainer] = None,
    wandb_online: bool = False,
    wandb_entity: str | None = None,
    wandb_project: str | None = None,
    formal: bool = False,
    inherit_dataset_from: str | None = None,
    output_root: str | None = None,
    summary_out: str | None = None,
    markdown_out: str | None = None,
    rounds: int = 1,
    variants_per_run: int = 2,
    decide: bool = False,
    approve: str = "auto",
    until: str | None = None,
    rules: str | None = None,
    no_live: bool = False,
    preset: str | None = None,
    python: str | None = None,
    train_script: str | None = None,
    retries: int = 0,
    max_hours: float | None = None,
    max_runs: int | None = None,
    quiet_hours: str | None = None,
    name: str | None = None,
    no_ui: bool = False,
    detach: bool = False,
    json: bool = False,
    accepted: Annotated[Callable[[], None] | None, Parameter(parse=False)] = None,
) -> int:
    """Plan a loop of rounds; with --exec, run it.

    Parameters
    ----------
    cfgs
        The configs of the first round (JSON files).
    steps
        Optimiser steps of each run.
    log_freq
        Steps between two logged points.
    eval_freq
        Steps between two evaluations.
    concurrency
        How many runs at a time: one on each of the first so many GPUs (or groups of --gpus-per-run).
    gpus
        GPU indices, as 0,1,2,3 (the default of a formal run); auto takes those that nobody uses; "" is the CPU.
    gpus_per_run
        How many GPUs each run gets; accelerate starts as many processes.
    allow_busy
        Start on a GPU although somebody else computes there; otherwise its slot waits until they have ended.
    device
        cuda (the default) or cpu, for debugging.
    exec_
        Run it. Without this the plan is printed and nothing is written.
    extra
        More arguments for the trainer, as --a.b=c. Stands last: whatever follows it goes to the trainer.
    wandb_online
        Record with W&B online; needs a key, an entity and a project. The default is offline.
    wandb_entity
        W&B entity.
    wandb_project
        W&B project.
    formal
        Refuse what makes results worth less: the CPU, W&B offline or without entity and project.
    inherit_dataset_from
        Take the `dataset` block of every config from this one.
    output_root
        Where the folder of the loop is made (outputs/train).
    summary_out
        The summary file, autorun_summary.json.
    markdown_out
        The Markdown report.
    rounds
        How many rounds at most; more than one needs --decide.
    variants_per_run
        How many proposals of one run go into the next round.
    decide
        Make the next round from this one by rules.
    approve
        Who approves proposals: auto, manual, or after:30m (a person, or nobody within 30 minutes).
    until
        End when a run meets this: an expression such as "eval_l1.last < 0.2", or a named one (worth-200k).
    rules
        A rule book (.toml), or a Python file with decide(summary). The default is the ACT-OT book.
    no_live
        Leave the book's live rules out: no run is stopped or relaunched by a rule while it trains.
    preset
        How a run is launched: lerobot, lerobot-0.6, plain, or the path of a preset file.
    python
        The interpreter of the training environment.
    train_script
        The training script, where the preset's is not the one.
    retries
        How often a run is tried again where its failure is worth it.
    max_hours
        Start nothing more after so many hours; what runs then ends, and the loop stops until it is resumed.
    max_runs
        Start so many runs in all, then stop likewise.
    quiet_hours
        Start no new run in these hours of the day, as 22:00-07:00 (local time); running ones go on.
    name
        A name for this loop, shown beside its number.
    no_ui
        No screen: one line an event, on this terminal.
    detach
        Start it in the background and return at once.
    json
        Print the plan, or what --detach started, as JSON.
    accepted
        Not a flag: called when everything has been checked and before anything is made.
    """
    if json and exec_ and not detach:
        raise UserError("--json prints the plan, or what --detach started; leave it away, or add --detach.")
    cwd = Path.cwd()
    settings = load_settings(cwd)
    slots_on = run_flags.device_of(device, gpus)
    spec = LoopSpec(
        configs=[str(run_flags.absolute(cwd, path)) for path in cfgs or []],
        steps=steps,
        log_freq=log_freq,
        eval_freq=eval_freq,
        device=slots_on,
        gpus=[] if slots_on == "cpu" else run_flags.gpus_of(gpus, settings, gpus_per_run),
        gpus_per_run=gpus_per_run,
        allow_busy=allow_busy,
        concurrency=concurrency,
        extra=run_flags.trainer_arguments(extra or []),
        wandb=WandbSpec(
            online=wandb_online or settings.wandb.online,
            entity=wandb_entity or settings.wandb.entity,
            project=wandb_project or settings.wandb.project,
        ),
        formal=formal or settings.policy.formal,
        rounds=rounds,
        variants_per_run=variants_per_run,
        decide=decide,
        approve=run_flags.approval(approve),
        grace=settings.grace,
        until=until,
        rules=run_flags.optional(cwd, rules or settings.rules),
        live=not no_live,
        preset=run_flags.preset_of(cwd, preset or settings.preset),
        python=run_flags.interpreter(cwd, python or settings.python),
        train_script=train_script or settings.train_script,
        cwd=str(cwd),
        retries=retries,
        max_hours=max_hours,
        max_runs=max_runs,
        quiet_hours=quiet_hours or settings.quiet_hours,
        name=name,
        output_root=str(run_flags.absolute(cwd, output_root or settings.output_root)),
        summary_out=str(run_flags.report_path(cwd, summary_out or settings.summary_out, "data/autorun_summary.json")),
        markdown_out=str(run_flags.report_path(cwd, markdown_out or settings.markdown_out, "act_ot.md")),
        inherit_dataset_from=run_flags.optional(cwd, inherit_dataset_from),
    )
    return plan_or_run(spec, settings, execute=exec_, no_ui=no_ui, detach=detach, as_json=json, accepted=accepted)


def demo(folder: Path = Path("autoloop-demo"), *, rounds: int = 3, approve: str | None = None) -> int:
    """Watch three rounds of a small real training on this machine's CPU.

    Parameters
    ----------
    folder
        Where the demo project is made; an existing one is left alone and a new one made beside it.
    rounds
        How many rounds.
    approve
        Who approves proposals: auto, manual, or after:30m. On a terminal it is you, without one it is auto.
    """
    from autoloop.demo import project

    missing = [name for name in ("torch", "accelerate", "ot", "wandb") if find_spec(name) is None]
    if missing:
        raise UserError(
            f"The demo trains for real, and {', '.join(missing)} cannot be found: pip install 'autoloop-tui[train]'."
        )
    if approve:
        run_flags.approval(approve)
    if rounds < 1:
        raise UserError(f"--rounds {rounds} makes no sense: give 1 or more.")
    target = run_flags.fresh_folder(folder)
    configs = [path.resolve() for path in project.write_project(target)]
    target = target.resolve()
    print(f"The demo project is {target}; its four configs are in {target / 'configs'}.")
    print(f"Look in from another terminal: cd {shlex.quote(str(target))} && autoloop-tui status")
    os.chdir(target)
    return run(
        cfgs=[str(path) for path in configs],
        steps=project.STEPS,
        log_freq=project.LOG_FREQ,
        eval_freq=project.EVAL_FREQ,
        concurrency=min(2, os.cpu_count() or 1),
        device="cpu",
        train_script=str(Path(project.__file__).with_name("train.py")),
        rounds=rounds,
        variants_per_run=1,
        decide=True,
        approve=approve or ("manual" if on_screen.has_screen() else "auto"),
        exec_=True,
        no_ui=not on_screen.has_screen(),
    )


# ------------------------------------------------------------------------------------------------------ plan or run


def plan_or_run(
    spec: LoopSpec,
    settings: Settings,
    *,
    execute: bool,
    no_ui: bool,
    detach: bool,
    as_json: bool,
    accepted: Callable[[], None] | None = None,
) -> int:
    """Print the checked plan, or make it a loop and follow or leave it."""
    now = time.time()
    report = gpu_report.read_within()

    def planned(spec: LoopSpec) -> LoopPlan:
        try:
            with Store.open(Path(spec.cwd)) as store:
                names = [loop.name for loop in store.loops()]
                return plan_loop(spec, settings, report, os.environ, store.where_run, now, names)
        except NoLoopYet:
            return plan_loop(spec, settings, report, os.environ, lambda _: None, now)
        except StoreUnusable as error:
            plan = plan_loop(spec, settings, report, os.environ, lambda _: None, now)
            return plan if execute else msgspec.structs.replace(plan, warnings=[*plan.warnings, str(error)])

    plan = planned(spec)
    seen = on_screen.has_screen() and not (as_json or no_ui or detach)
    if not execute and not (seen and on_screen.confirm_plan(plan, _plan_text(plan))):
        print(_plan_json(plan) if as_json else _plan_text(plan))
        return 0
    if accepted:
        accepted()
    from autoloop.engine.create import create_loop
    from autoloop.engine.process import spawn

    from autoloop_tui.commands import doctor

    found = doctor.check_plan(plan)
    doctor.say(found)
    wrong = {each.subject for each in found if each.level == "error"}
    if wrong == {SERVER} and not spec.formal and _rather_offline():
        plan = planned(msgspec.structs.replace(spec, wandb=msgspec.structs.replace(spec.wandb, online=False, later=True)))
    elif wrong:
        print("Nothing was started. `autoloop-tui doctor` with the same flags checks again.", file=sys.stderr)
        return 1
    with Store.open(Path(spec.cwd), create=True) as store:
        loop = create_loop(store, plan, now)
        for warning in [*plan.warnings, *filter(None, [store.said])]:
            print(f"note: {plain.printable(warning)}", file=sys.stderr)
        if no_ui and not detach:
            return headless.drive_loop(store, loop)
        engine = spawn(store, loop)
        if detach and as_json:
            print(_plan_json(plan))
            return 0
        print(f"{loop.name} runs in the background (process {engine.pid}).")
        if detach:
            print("Watch it: autoloop-tui wait · autoloop-tui status · autoloop-tui logs -f")
            return 0
        if seen:
            return on_screen.open_console(Path(spec.cwd), loop.name)
        print("Ctrl-C leaves it running.")
        story = headless.Story(store, loop, settings.metric_book(Path(spec.cwd)))
        return headless.follow_loop(store, loop, story.tell)


def _rather_offline() -> bool:
    """Ask the person, if there is one at the terminal, whether to record offline now and upload later."""
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    print("Record offline instead? The report will say how to upload it with `wandb sync`. [y/N] ", end="", file=sys.stderr)
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _plan_text(plan: LoopPlan) -> str:
    rows = [
        [
            planned.run.position,
            planned.run.name,
            planned.slot.label if planned.slot else "next free",
            plain.printable(os.path.relpath(planned.output_dir)),
        ]
        for planned in plan.runs
    ]
    spec = plan.spec
    limits = asked_for(spec)
    then = f"then up to {spec.rounds - 1} more by rules, approve {spec.approve}" if spec.rounds > 1 else "one round"
    steps = " or ".join(str(number) for number in sorted({planned.run.total_steps for planned in plan.runs}))
    notes = [*([plan.steps_by] if plan.steps_by else []), *plan.warnings]
    parts = [
        f"Plan: {len(plan.runs)} run{'s' if len(plan.runs) > 1 else ''} × {steps} steps on {len(spec.slots)} "
        f"slot{'s' if len(spec.slots) > 1 else ''} ({spec.device}), preset {spec.preset}, {then}, "
        f"W&B {'online' if spec.wandb.online else 'offline'}" + (f", {limits}" if limits else ""),
        "",
        plain.table(["#", "config", "slot", "output directory"], rows),
        "",
        *(f"[{planned.run.position}] {plain.printable(planned.launch.command_line)}" for planned in plan.runs),
        *(["", "Live rules, while a run trains (--no-live leaves them out):"] if plan.live else []),
        *(f"  {plain.printable(sentence)}" for sentence in plan.live),
        *(["", *(f"note: {plain.printable(note)}" for note in notes)] if notes else []),
        "",
        "Nothing was started. Add --exec to run it.",
    ]
    return "\n".join(parts)


def _plan_json(plan: LoopPlan) -> str:
    document: dict[str, Any] = {
        "loop": plan.name,
        "output_dir": plan.output_dir,
        "warnings": plan.warnings,
        "live_rules": plan.live,
        "runs": [
            {
                "index": planned.run.position,
                "name": planned.run.name,
                "id": planned.run.id,
                "config": planned.run.source_path,
                "slot": planned.slot.label if planned.slot else None,
                "output_dir": planned.output_dir,
                "argv": planned.launch.argv,
                "env": planned.launch.env,
            }
            for planned in plan.runs
        ],
    }
    return plain.json_text(document)
