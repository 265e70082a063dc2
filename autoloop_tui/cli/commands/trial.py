"""`try`: run a few steps of the trainer in a scratch folder and check what reaches it and which results can be read."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Annotated

import msgspec
from autoloop import gpus as gpu_report
from autoloop.model import UserError
from autoloop.settings import load_settings
from autoloop.trial import Interrupted, Outcome, TrialRun, carry_out, missing, planned_runs, reached, refused_seed
from cyclopts import Parameter

from autoloop_tui.cli.options import RunOptions, TrainerOptions, loop_spec
from autoloop_tui.cli.output import printing, trial
from autoloop_tui.cli.parameters import Many


@dataclass(frozen=True, kw_only=True)
class TryOptions(TrainerOptions):
    """Options of a trial."""

    changes: Annotated[list[str] | None, Many] = None
    """Edits for the second run, as path@op=value, to see whether they reach the trainer; by default it changes the seed."""
    steps: int = 20
    """Steps of each run, if the trainer takes a number of steps."""
    seconds: float = 120
    """Time limit for each run."""
    gpus: str | None = None
    """The GPU to use, or auto for a free one; "" means the CPU."""
    device: str | None = None
    """cuda (the default) or cpu."""
    gpus_per_run: int = 1
    """GPUs per run."""
    keep: bool = False
    """Keep the scratch folder; always kept if a run fails."""


Flags = Annotated[TryOptions, Parameter(name="*")]
NO_FLAGS = TryOptions()


def try_(config: str | None = None, *, options: Flags = NO_FLAGS) -> int:
    """Run a few steps of the trainer in a scratch folder and check what reaches it.

    Does two short runs: the config as it is, and with another seed or --changes. Shows the command, where each changed value
    appeared, the metrics found, their steps and rate, and anything missing, each with the line to add to autoloop.toml.
    Ctrl-C stops the trainer. Exit code 1 if a run fails or no metric is found.

    Parameters
    ----------
    config
        The config (a JSON, YAML or TOML file); by default the base in [trainer].
    """
    if options.seconds <= 0:
        raise UserError(f"--seconds must be more than 0, not {options.seconds:g}.")
    cwd = Path.cwd()
    settings = load_settings(cwd)
    scratch = Path(tempfile.mkdtemp(prefix="autoloop-try-"))
    kept = options.keep
    try:
        given = RunOptions(
            cfgs=[config] if config else None,
            steps=options.steps,
            log_freq=max(1, options.steps // 5),
            eval_freq=options.steps,
            gpus=options.gpus,
            device=options.device,
            gpus_per_run=options.gpus_per_run,
            preset=options.preset,
            python=options.python,
            train_script=options.train_script,
            extra=options.extra,
            output_root=str(scratch / "outputs"),
            exec_=True,
        )
        spec = msgspec.structs.replace(loop_spec(given, cwd, settings), formal=False)
        spec = msgspec.structs.replace(spec, wandb=msgspec.structs.replace(spec.wandb, online=False))
        report = gpu_report.read_within()
        runs = planned_runs(spec, settings, report, scratch, options.changes or [])
        for card in report.gpus:
            if card.index in runs[0].spec.slots[0].gpus and card.users:
                printing.complain(f"note: GPU {card.index} is in use by {printing.printable(card.users)}")
        code, failed = _tried(runs, scratch, options.seconds)
        kept = kept or failed
    except Interrupted:
        print("Stopped; the trainer has ended.", file=sys.stderr)
        code = 130
    finally:
        if not kept:
            shutil.rmtree(scratch, ignore_errors=True)
    print(f"\nIts output is in {scratch}." if kept else "\nThe scratch folder was removed; --keep keeps it.")
    return code


def _tried(runs: list[TrialRun], scratch: Path, seconds: float) -> tuple[int, bool]:
    """Return the exit code and whether a run failed."""
    first = runs[0]
    print(printing.printable(trial.command(first)))
    outcome = _run(first, scratch, seconds)
    arrived = reached(first, outcome)
    print("\n".join(map(printing.printable, trial.outcome(first, outcome))))
    failed = outcome.cause is not None
    if not failed and outcome.columns and len(runs) > 1:
        second = runs[1]
        own = [change for change in second.changes if change not in first.changes]
        print(f"\nSecond run, with {printing.printable(trial.changes(own))}")
        again = _run(second, scratch, seconds)
        both = reached(msgspec.structs.replace(second, changes=own), again, outcome)
        arrived += both
        print("\n".join(map(printing.printable, trial.ended(again))))
        failed = again.cause is not None
    if hint := refused_seed(first, outcome):
        print(f"\n{printing.printable(hint)}")
    if not failed:  # after a failure, missing output proves nothing
        for line in trial.arrived(arrived):
            print(printing.printable(line))
        print("\n" + "\n".join(map(printing.printable, trial.lacking(missing(first, outcome, arrived)))))
    return (1 if failed or not outcome.columns else 0), failed


def _run(run: TrialRun, scratch: Path, seconds: float) -> Outcome:
    print(f"At most {seconds:g} s; Ctrl-C stops it.", file=sys.stderr)
    with _interrupts() as asked:
        return carry_out(run, scratch, seconds, lambda: bool(asked))


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Collect the signals that would end this command, so that the trainer is stopped first."""
    came: list[int] = []

    def take(number: int, _: FrameType | None) -> None:
        came.append(number)

    ends = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, take) for number in ends}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
