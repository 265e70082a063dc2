"""`calibrate`: train one config with several seeds, and tell how much they differ; `noise`: tell it of any loop."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from autoloop.model import UserError
from autoloop.settings import load_settings
from autoloop.variants.axes import parse_grid

from autoloop_tui import client
from autoloop_tui.cli.options import NO_LAUNCH_FLAGS, LaunchFlags, RunOptions, loop_spec
from autoloop_tui.cli.output import printing
from autoloop_tui.cli.parameters import AsJson, LoopName
from autoloop_tui.cli.start_loop import start_loop


def calibrate(base: str | None = None, /, *, seeds: str = "5", options: LaunchFlags = NO_LAUNCH_FLAGS) -> int:
    """Measure how much runs differ that differ in nothing but the seed.

    Plans a loop of one round that trains a config once for each seed; with --exec
    it runs, and ends with the spread of each key metric between seeds. Every later
    loop on the same config and number of steps uses it. Other flags are those of
    run.

    Parameters
    ----------
    base
        The config (a JSON, YAML or TOML file); without one the base of [trainer].
    seeds
        How many seeds (5), or which (42,43,44).
    """
    if len(parse_grid((), seeds).seeds) < 2:
        raise UserError(f"--seeds {seeds}: one seed tells nothing of the spread between seeds; give 2 or more, better 5.")
    cwd = Path.cwd()
    settings = load_settings(cwd)
    launch = dataclasses.asdict(options)
    spec = loop_spec(RunOptions(cfgs=[base] if base else None, seeds=seeds, name="calibration", **launch), cwd, settings)
    code = start_loop(spec, settings, options)
    if options.exec_ and not options.detach and not code:
        noise()
    return code


def noise(*, loop: LoopName = None, json: AsJson = False) -> int:
    """How much runs differ that differ in nothing but the seed.

    Of each key metric: the standard deviation between seeds, with its 95 %
    interval, from which step on it stays what it is at the end, and how much runs
    of different configs with equal seeds move together. Replicates of the same
    configs in other loops count.
    """
    from autoloop.engine.planning.kept_metrics import metrics_of

    from autoloop_tui.cli.output.noise import noise_document, noise_text

    with client.opened(loop) as (store, found):
        book = metrics_of(store.places, found)
        if json:
            print(printing.answer("noise", noise_document(store, found, book)))
        else:
            print(noise_text(store, found, book, printing.across()))
    return 0
