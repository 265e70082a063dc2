"""How fast the files of each kind of logger are read, beside appending the same points one by one, and what a look at 64
runs costs beside the state of each of their folders and files. Seconds of the processor, in one process.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import struct
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

from autoloop.metric_readers import follow
from autoloop.metric_readers.columns import Columns
from autoloop.metric_readers.file_sources import FileSources
from autoloop.metric_readers.tensorboard import masked_crc

from bench.measuring import RUNS, CommandFailed, Result, Target, interleaved

TITLE = "Files of loggers"
ROWS, METRICS = 5_000, 20
FOLLOWED = 64
READ = Target(30.0, "a user waits for the charts of any logger")
LOOK = Target(100.0, "folders without reports of changes are polled five times per second")

Points = list[dict[str, float]]


def jsonl(rows: Points, folder: Path) -> None:
    with (folder / "metrics.jsonl").open("w") as file:
        file.writelines(json.dumps({"step": step, **row}) + "\n" for step, row in enumerate(rows))


def csv(rows: Points, folder: Path) -> None:
    with (folder / "metrics.csv").open("w") as file:
        file.write(",".join(["step", *rows[0]]) + "\n")
        file.writelines(",".join([str(step), *map(repr, row.values())]) + "\n" for step, row in enumerate(rows))


def tensorboard(rows: Points, folder: Path) -> None:
    def varint(value: int) -> bytes:
        out = bytearray()
        while value > 127:
            out.append(value & 127 | 128)
            value >>= 7
        return bytes([*out, value])

    heads: dict[int, bytes] = {}
    with (folder / "events.out.tfevents.1.host").open("wb") as file:
        for step, row in enumerate(rows):
            for key, value in row.items():
                name = key.encode()
                scalar = b"\x0a" + varint(len(name)) + name + b"\x15" + struct.pack("<f", value)
                summary = b"\x0a" + varint(len(scalar)) + scalar
                event = b"\x09" + struct.pack("<d", step) + b"\x10" + varint(step) + b"\x2a" + varint(len(summary)) + summary
                size = struct.pack("<Q", len(event))
                head = heads.setdefault(len(event), size + struct.pack("<I", masked_crc(size)))
                file.write(head + event + b"\0\0\0\0")


def trainer_state(rows: Points, folder: Path) -> None:
    history = [{"step": step, **row} for step, row in enumerate(rows)]
    (folder / "trainer_state.json").write_text(json.dumps({"log_history": history}))


def trainer_log(rows: Points, folder: Path) -> None:
    with (folder / "trainer_log.jsonl").open("w") as file:
        file.writelines(json.dumps({"current_steps": step, **row}) + "\n" for step, row in enumerate(rows))


def trackio(rows: Points, folder: Path) -> None:
    with closing(sqlite3.connect(folder / "project.db")) as database:
        database.execute("CREATE TABLE metrics (id INTEGER PRIMARY KEY, timestamp, run_name, step INTEGER, metrics)")
        logged = ((None, "2026-01-01T00:00:00", "one", step, json.dumps(row)) for step, row in enumerate(rows))
        database.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, ?)", logged)
        database.commit()


def mlflow(rows: Points, folder: Path) -> None:
    with closing(sqlite3.connect(folder / "mlflow.db")) as database:
        database.execute("CREATE TABLE metrics (key, value FLOAT, timestamp BIGINT, run_uuid, step BIGINT, is_nan BOOLEAN)")
        values = ((key, value, step, "one", step, False) for step, row in enumerate(rows) for key, value in row.items())
        database.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?)", values)
        database.commit()


def mlflow_files(rows: Points, folder: Path) -> None:
    metrics = folder / "mlruns" / "1" / "one" / "metrics"
    metrics.mkdir(parents=True)
    (metrics.parent / "meta.yaml").write_text("start_time: 1\n")
    for key in rows[0]:
        path = metrics / key
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(f"{step} {row[key]!r} {step}\n" for step, row in enumerate(rows)))


def swanlab(rows: Points, folder: Path) -> None:
    from tests.metric_readers.builder import frame, number, part

    def records() -> Iterator[bytes]:
        for step, row in enumerate(rows):
            for key, value in row.items():
                yield part(13, part(1, key) + number(2, step) + part(5, b"\x09" + struct.pack("<d", value)))

    (folder / "run-x.swanlab").write_bytes(b":SWL\xd6\xe1\x02" + frame(records())[7:])


SOURCES: dict[str, Callable[[Points, Path], None]] = {
    "JSON lines": jsonl,
    "TensorBoard": tensorboard,
    "trackio": trackio,
    "MLflow": mlflow,
    "MLflow's files": mlflow_files,
    "SwanLab": swanlab,
    "CSV": csv,
    "trainer log": trainer_log,
    "trainer state": trainer_state,
}


def floor(rows: Points) -> None:
    columns = Columns()
    for step, row in enumerate(rows):
        for key, value in row.items():
            columns.put(key, step, value)


def read(folder: Path, metrics: int, rows: int) -> None:
    source = FileSources(folder)
    while source.poll():
        pass
    read = {len(series) for series in source.columns.values()}
    if len(source.columns) != metrics or read != {rows}:
        raise CommandFailed(f"{folder}: {len(source.columns)} metrics with {read} points were read")


def measure(result: Result) -> None:
    numbers = random.Random(0)
    names = [f"train/metric_{index:02d}" for index in range(METRICS)]
    rows = [{name: numbers.random() for name in names} for _ in range(ROWS)]
    with tempfile.TemporaryDirectory() as directory:
        works: dict[str, Callable[[], None]] = {"floor": partial(floor, rows)}
        for name, write in SOURCES.items():
            folder = Path(directory) / name
            folder.mkdir()
            write(rows, folder)
            works[name] = partial(read, folder, METRICS, ROWS)
        found = interleaved(works, RUNS)
        table = result.table(f"{ROWS} rows of {METRICS} metrics, times the floor")
        for name in SOURCES:
            pairs = zip(found[name], found["floor"], strict=True)
            table.add(name, "× the floor", [each.cpu / lowest.cpu for each, lowest in pairs], READ)
        table.add("floor: points appended one by one", "s", [each.cpu for each in found["floor"]], ours=False)
        looks(result, Path(directory) / "many", rows[:1000])


def looks(result: Result, folder: Path, rows: Points) -> None:
    """A look at FOLLOWED runs: nothing is new, and each has a new row."""
    places = [folder / f"run{index}" for index in range(FOLLOWED)]
    for place in places:
        for below in ("lightning_logs/version_0", "checkpoints/last", "code/model"):
            (place / below).mkdir(parents=True)
        jsonl(rows, place)
        csv(rows, place / "lightning_logs" / "version_0")
    followers = [follow(place, log=place / "log.txt") for place in places]
    for follower in followers:
        while follower.poll():
            pass
    time.sleep(2.1)  # the folders are settled then, as those of a run that trains for hours are
    things = [str(path) for place in places for path in (place, *place.rglob("*"))]

    def look() -> None:
        for follower in followers:
            follower.poll()

    lowest, idle, growing = [], [], []
    for turn in range(RUNS):
        lowest.append(used(lambda: [os.stat(path) for path in things]))
        idle.append(used(look))
        for place in places:
            with (place / "metrics.jsonl").open("a") as file:
                file.write(json.dumps({"step": len(rows) + turn, **rows[0]}) + "\n")
        growing.append(used(look))
        look()
    table = result.table(f"One look at {FOLLOWED} runs, times the floor")
    for name, taken in {"nothing is new": idle, "each has a new row": growing}.items():
        table.add(name, "× the floor", [each / floor for each, floor in zip(taken, lowest, strict=True)], LOOK)
    table.add("floor: the state of each folder and file", "s", lowest, ours=False)


def used(work: Callable[[], object]) -> float:
    """Seconds of the processor."""
    before = time.process_time()
    work()
    return time.process_time() - before
