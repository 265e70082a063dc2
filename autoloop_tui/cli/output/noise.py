"""The spread of a loop's metrics between seeds, as a table and as JSON."""

from __future__ import annotations

from dataclasses import dataclass

from autoloop.engine.runs.following import history_reader
from autoloop.metrics import MetricBook, by_config, for_runs
from autoloop.model import Loop, RunState
from autoloop.store import Store
from autoloop.text.values import number
from autoloop.verdicts import Judge, Noise, NoiseGap, stable_from
from autoloop.verdicts.wording import noise_document as document
from autoloop.verdicts.wording import noise_unknown

from autoloop_tui.cli.documents.judging import LoopNoise, NoiseAnswer
from autoloop_tui.cli.output import printing


@dataclass(frozen=True)
class MetricNoise:
    """`lacking`: why the noise is unknown, if it is. `stable`: the step after which the spread stays at its final value,
    None if unknown."""

    metric: str
    noise: Noise | None
    lacking: NoiseGap
    stable: int | None


def noise_text(store: Store, loop: Loop, book: MetricBook, cells: int | None = None) -> str:
    found = _measured(store, loop, book)
    if not any(each.noise for each in found):
        whys = [each.lacking for each in found if each.lacking is not NoiseGap.SEEDS]
        if whys:
            return f"{loop.name}: {noise_unknown(NoiseGap.SPREAD if NoiseGap.SPREAD in whys else whys[0])}"
        return (
            f"No config of {loop.name} has finished with two seeds, so the spread between seeds is unknown; "
            "`autoloop-tui calibrate CONFIG --seeds 5 --exec` measures it."
        )
    rows = [[book.short(each.metric), *_row(each)] for each in found if each.noise]
    head = ["metric", "sd between seeds", "95 % interval", "runs", "configs", "stable from step", "pairing by seed"]
    return printing.table(head, rows, cells=cells)


def noise_document(store: Store, loop: Loop, book: MetricBook) -> NoiseAnswer:
    return {"metrics": {each.metric: _document(each) for each in _measured(store, loop, book)}}


def _document(each: MetricNoise) -> LoopNoise | None:
    if each.noise is None:
        return None
    return {**document(each.noise), "statistic": "tail mean", "stable_from": each.stable}


def _row(each: MetricNoise) -> list[object]:
    noise = each.noise
    assert noise is not None
    low, high = noise.interval()
    if noise.correlation is None:
        pairing = "unknown"
    else:
        pairing = f"{noise.correlation:.2f}, {'helps' if noise.pairs_well else 'not shown to help'}"
    interval = f"{number(low, 2)} to {number(high, 2)}"
    return [number(noise.sd, 3), interval, noise.runs, noise.groups, number(each.stable), pairing]


def _measured(store: Store, loop: Loop, book: MetricBook) -> list[MetricNoise]:
    runs = store.runs(loop.id)
    finished = [run for run in runs if run.state is RunState.FINISHED and run.summary]
    judge = Judge(runs, book, store.replicates_elsewhere(loop.id))
    largest = max(by_config(finished), key=len, default=())
    histories = list(map(history_reader(store, loop), largest)) if len(largest) > 1 else []
    found = []
    for key in for_runs(book, finished).key_metrics:
        stable = stable_from([dict(each[key]) for each in histories if key in each])
        found.append(MetricNoise(key, judge.noise(key), judge.lacking(key), stable))
    return found
