"""`calibrate`: train one config with several seeds and show the spread; `noise`: show the spread in any loop."""

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
    """Measure the spread between runs that differ only in the seed.

    Plans a one-round loop that trains a config once per seed; --exec runs it and prints the spread of each key metric. Later
    loops with the same config and number of steps use the result. Takes the same training, GPU, W&B and trainer flags as
    run.

    Parameters
    ----------
    base
        The config (a JSON, YAML or TOML file); by default the base in [trainer].
    seeds
        How many seeds (5), or the seeds themselves (42,43,44).
    """
    if len(parse_grid((), seeds).seeds) < 2:
        raise UserError(f"--seeds {seeds}: one seed cannot show the spread between seeds; give at least 2, preferably 5.")
    cwd = Path.cwd()
    settings = load_settings(cwd)
    launch = dataclasses.asdict(options)
    spec = loop_spec(RunOptions(cfgs=[base] if base else None, seeds=seeds, name="calibration", **launch), cwd, settings)
    code = start_loop(spec, settings, options)
    if options.exec_ and not options.detach and not code:
        noise()
    return code


def noise(*, loop: LoopName = None, json: AsJson = False) -> int:
    """Show the spread between runs that differ only in the seed.

    For each key metric: the standard deviation between seeds with its 95 % interval, the step from which the spread is
    stable, and how strongly runs of different configs with the same seed correlate. Replicates in other loops count.
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
