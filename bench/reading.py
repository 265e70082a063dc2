"""How long histories are read, from opening to the last row: a W&B file beside other readers of the same file, and a file of
TensorBoard beside its own reader.

Ours is measured with its compiled part and without it. All metrics are read also where a rule looks at three: no part of the
product asks for less, and framing and checksums, which that would cost too, are more than a third of the time.

Each read is a process of its own on a warm file. `wandb leet inspect` is wandb's own program, in Go; the reader of wandb
0.17 is Python, and decodes every value with `json`. Peers in other versions than ours are in environments below `.envs/`,
built once with pip.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from autoloop.metric_readers import native

from bench.measuring import ROOT, CommandFailed, Result, Sample, Target, command, interleaved, program
from bench.wandb_files import history

TITLE = "Reading histories"
PACKAGES = ("wandb", "protobuf", "msgspec")
METRICS = 20
COMPARED = 100_000
"""Rows of the W&B file that all readers read."""
EVENTS = 5_000
"""Rows of TensorBoard's file: its reader takes a message of its own for each value."""
MINE = {"Auto Loop": "compiled", "Auto Loop, nothing compiled": "python"}
FASTEST = Target(2.0, "the history of weeks opens while one looks")
THREE = Target(1.0, "a rule looks at three metrics")

OURS = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from autoloop.metric_readers import follow, native
if sys.argv[5] == "python":
    native.compiled = None
assert (native.compiled is not None) == (sys.argv[5] == "compiled")
follower = follow(Path(sys.argv[2]))
while follower.poll():
    pass
found = {len(series) for series in follower.columns.values()}
assert found == {int(sys.argv[3])} and len(follower.columns) == int(sys.argv[4]), (found, len(follower.columns))
"""
WANDB_0_17 = """
import json, sys
from wandb.proto import wandb_internal_pb2 as messages
from wandb.sdk.internal.datastore import DataStore
store, columns = DataStore(), {}
store.open_for_scan(sys.argv[1])
while (data := store.scan_data()) is not None:
    record = messages.Record()
    record.ParseFromString(data)
    if record.WhichOneof("record_type") == "history":
        row = {".".join(each.nested_key) or each.key: json.loads(each.value_json) for each in record.history.item}
        for key, value in row.items():
            columns.setdefault(key, []).append((row["_step"], value))
assert len(columns) == int(sys.argv[3]) + 3 and {len(each) for each in columns.values()} == {int(sys.argv[2])}
"""
WRITE_EVENTS = """
import random, sys
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer.event_file_writer import EventFileWriter
numbers, writer = random.Random(0), EventFileWriter(sys.argv[1])
for step in range(int(sys.argv[2])):
    for metric in range(int(sys.argv[3])):
        value = summary_pb2.Summary.Value(tag=f"train/metric_{metric:02d}", simple_value=numbers.random())
        writer.add_event(event_pb2.Event(wall_time=step, step=step, summary=summary_pb2.Summary(value=[value])))
writer.close()
"""
READ_EVENTS = """
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0})
events.Reload()
tags = events.Tags()["scalars"]
assert len(tags) == int(sys.argv[3]) and {len(events.Scalars(tag)) for tag in tags} == {int(sys.argv[2])}
"""
OTHERS = {
    "wandb-0.17": (("wandb==0.17.9", "numpy<2", "protobuf<6", "setuptools<80"), "import wandb.sdk.internal.datastore"),
    "tensorboard": (("tensorboard==2.20.0", "setuptools<80"), "import tensorboard"),
}


def measure(result: Result) -> None:
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        compare(result, place)
        tensorboard(result, place)


def compare(result: Result, place: Path) -> None:
    file = written(place, COMPARED)
    table = result.table(f"A W&B file of {COMPARED} rows × {METRICS} metrics ({file.stat().st_size / 1e6:.0f} MB)")
    works: dict[str, Callable[[], Sample | None]] = {
        name: lambda reader=reader: ours(file.parents[2], COMPARED, reader)  # type: ignore[misc]
        for name, reader in readers(table.note).items()
    }
    if program("wandb"):
        words = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(file)]
        works["wandb leet inspect"] = lambda: command(words, place, seconds=400)
    old = other(table.note, "wandb-0.17")
    if old is not None:
        old_words = [str(old), "-c", WANDB_0_17, str(file), str(COMPARED), str(METRICS)]
        works["the Python reader of wandb 0.17"] = lambda: command(old_words, place, seconds=400)
    for name, samples in interleaved(works, warm=0).items():
        mine = name in MINE
        table.add(name, "s", [each.wall for each in samples], FASTEST if name == "Auto Loop" else None, ours=mine)
        if name == "Auto Loop":
            table.add(f"{name}, three metrics wanted (all are read)", "s", [each.wall for each in samples], THREE)
        table.add(f"{name}: processors", "s", [each.cpu for each in samples], ours=mine)
        table.add(f"{name}: memory", "MB", [each.memory for each in samples], ours=mine)


def readers(note: Callable[[str], None]) -> dict[str, str]:
    """Those of our two that are here, by their names."""
    if native.compiled is not None:
        return MINE
    note("The compiled reader is not here: there was no C compiler when this checkout was installed.")
    return {"Auto Loop": "python"}


def tensorboard(result: Result, place: Path) -> None:
    table = result.table(f"TensorBoard's file of {EVENTS} rows × {METRICS} metrics")
    python = other(table.note, "tensorboard")
    if python is None:
        return
    folder = place / "events"
    folder.mkdir()
    size = [str(EVENTS), str(METRICS)]
    command([str(python), "-c", WRITE_EVENTS, str(folder), *size], place)
    works: dict[str, Callable[[], Sample | None]] = {
        "Auto Loop": lambda: ours(folder, EVENTS, "python"),
        "TensorBoard's own reader": lambda: command([str(python), "-c", READ_EVENTS, str(folder), *size], place),
    }
    for name, samples in interleaved(works, warm=0).items():
        table.add(name, "s", [each.wall for each in samples], ours=name == "Auto Loop")
        table.add(f"{name}: processors", "s", [each.cpu for each in samples], ours=name == "Auto Loop")


def written(place: Path, rows: int) -> Path:
    """A run's file, in a folder of its own."""
    folder = place / f"rows{rows}" / "wandb" / "offline-run-20261122_080000-bench"
    file = folder / "run-bench.wandb"
    if not file.exists():
        folder.mkdir(parents=True)
        file.write_bytes(history(rows, METRICS, random.Random(0)))
    return file


def ours(folder: Path, rows: int, reader: str) -> Sample:
    words = [sys.executable, "-c", OURS, str(ROOT / "core"), str(folder), str(rows), str(METRICS), reader]
    return command(words, folder)


def other(note: Callable[[str], None], name: str) -> Path | None:
    """The Python of an environment with a peer's package; where it cannot be built, a note says why."""
    from tests.support.environments import CannotBuild, built

    packages, check = OTHERS[name]
    try:
        return built(f"bench-{name}", (packages,), check)
    except (CannotBuild, CommandFailed, OSError) as problem:
        note(f"{packages[0]} is not here: {problem}")
        return None
