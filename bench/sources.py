"""How fast the files of each kind of logger are read, and what following many runs costs.

    python bench/sources.py [--rows N] [--metrics N]

Files are written in the formats of the loggers, each with the same points. A time is the best of three of one process, in
seconds of the processor, from opening to the last point. Floor, measured beside each: the same points appended one by one.
Then the time of one look at 64 runs, when nothing is new and when each has a new row. Exit code 1 if a limit is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sqlite3
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "core"), str(ROOT)]

from autoloop.metric_readers import follow  # noqa: E402
from autoloop.metric_readers.columns import Columns  # noqa: E402
from autoloop.metric_readers.file_sources import FileSources  # noqa: E402
from autoloop.metric_readers.tensorboard import masked_crc  # noqa: E402

LIMIT = 30.0
"""Times the floor, which every source keeps with room to spare."""
RUNS = 64
LOOK_LIMIT = 100.0
"""Times the floor of a look: the state of each folder and file asked for once. The engine looks five times a second."""

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


def best(work: Callable[[], object]) -> float:
    times = []
    for _ in range(3):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


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
        raise SystemExit(f"{folder}: {len(source.columns)} metrics with {read} points were read")


def looks(folder: Path, rows: Points) -> tuple[float, float, float]:
    """Seconds of the floor of a look at RUNS runs, and of a look: nothing new, and each with a new row."""
    places = [folder / f"run{index}" for index in range(RUNS)]
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
    lowest = best(lambda: [os.stat(path) for path in things])
    idle = best(lambda: [follower.poll() for follower in followers])

    def growing() -> None:
        for follower in followers:
            follower.poll()

    growths = []
    for step in range(3):
        for place in places:
            with (place / "metrics.jsonl").open("a") as file:
                file.write(json.dumps({"step": len(rows) + step, **rows[0]}) + "\n")
        start = time.process_time()
        growing()
        growths.append(time.process_time() - start)
    return lowest, idle, min(growths)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000)
    parser.add_argument("--metrics", type=int, default=20)
    args = parser.parse_args()
    numbers = random.Random(0)
    names = [f"train/metric_{index:02d}" for index in range(args.metrics)]
    rows = [{name: numbers.random() for name in names} for _ in range(args.rows)]
    missed = False
    with tempfile.TemporaryDirectory() as directory:
        print(f"{args.rows} rows x {args.metrics} metrics; best of 3")
        print(f"{'':16}{'seconds':>9}{'rows/s':>10}{'points/s':>11}{'floor':>8}{'x floor':>9}{'limit':>7}")
        for name, write in SOURCES.items():
            folder = Path(directory) / name
            folder.mkdir()
            write(rows, folder)
            seconds = best(lambda folder=folder: read(folder, args.metrics, args.rows))  # type: ignore[misc]
            lowest = best(lambda: floor(rows))
            ratio = seconds / lowest
            missed |= ratio > LIMIT
            speed = args.rows / seconds
            print(f"{name:16}{seconds:9.2f}{speed:10.0f}{speed * args.metrics:11.0f}{lowest:8.2f}{ratio:9.1f}{LIMIT:7.0f}")
        lowest, idle, growing = looks(Path(directory) / "many", rows[:1000])
        missed |= max(idle, growing) > LOOK_LIMIT * lowest
        for what, seconds in {"nothing is new": idle, "each has a new row": growing}.items():
            beside = f"{seconds / lowest:.0f} x floor, limit {LOOK_LIMIT:.0f}"
            print(f"one look at {RUNS} runs if {what}: {1000 * seconds:.1f} ms, {beside}")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
