"""The demo's training without a process of its own: torch is imported once, and what has been trained is kept in a file."""

from __future__ import annotations

import logging
import os
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from autoloop.configs import Config, config_hash
from autoloop.demo import train as demo_train
from autoloop.demo.options import Request, TrainOptions, decode
from autoloop.metrics import default_book, summarise
from autoloop.model import Series, Summary

Row = tuple[int, dict[str, float]]
Watch = Callable[[Row], bool]
"""Asked at each row whether the training is to be stopped there."""


class Curve(msgspec.Struct):
    """What a training logged. `complete`: it was not stopped before its end."""

    rows: list[Row]
    complete: bool

    def summary(self) -> Summary:
        columns: dict[str, Series] = {}
        for step, values in self.rows:
            for name, value in values.items():
                series = columns.setdefault(name, Series(steps=array("q"), values=array("d")))
                series.steps.append(step)
                series.values.append(value)
        return summarise(columns, default_book())


def prepare() -> None:
    """Import what trainings need, so that processes forked from this one have it."""
    os.environ["TQDM_DISABLE"] = "1"
    import autoloop.demo.batches
    import autoloop.demo.checkpoint
    import autoloop.demo.model
    import autoloop.demo.objective  # noqa: F401
    import torch

    torch.set_num_threads(1)
    logging.getLogger().setLevel(logging.WARNING)


def frequencies(steps: int) -> dict[str, int]:
    """As many points of each metric as the demo has."""
    return {"log_freq": max(1, steps // 15), "eval_freq": max(1, steps // 6)}


def trained(config: Config, steps: int, folder: Path, watch: Watch = lambda _: False) -> Curve:
    """The training of `config`, from `folder` if it has it. A stopped one is kept too, as far as it went."""
    config = {**config, "steps": steps, "save_checkpoint": False}
    file = folder / f"{config_hash(config)}.json"
    if file.exists():
        known = msgspec.json.decode(file.read_bytes(), type=Curve)
        seen = Curve([], False)
        for row in known.rows:
            seen.rows.append(row)
            if watch(row):
                return seen
        if known.complete:
            return known
        raise RuntimeError(f"{file} was stopped where it now is to go on; delete it")
    run = _Recorder(watch)
    options: TrainOptions = decode(TrainOptions, {**config, **frequencies(steps), "output_dir": "unused"})
    try:
        demo_train.train(Request(options, None), lambda _: run)
    except _StoppedError:
        curve = Curve(run.rows, False)
    else:
        curve = Curve(run.rows, True)
    folder.mkdir(parents=True, exist_ok=True)
    new = file.with_suffix(f".{os.getpid()}")
    new.write_bytes(msgspec.json.encode(curve))
    new.rename(file)
    return curve


class _StoppedError(Exception):
    pass


class _Recorder:
    """Stands where a W&B run would."""

    def __init__(self, watch: Watch) -> None:
        self.rows: list[Row] = []
        self._watch = watch

    def log(self, values: dict[str, Any], step: int) -> None:
        # How long a step took is of the machine, not of the training.
        row = (step, {name: float(value) for name, value in values.items() if not name.endswith("_s")})
        self.rows.append(row)
        if self._watch(row):
            raise _StoppedError

    def finish(self) -> None:
        pass
