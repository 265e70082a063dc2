"""How fast `analyze-offline` is: 1 000 runs of 200 rows x 20 metrics, read for the first time and again.

    python bench/analyze.py [--runs N] [--rows N] [--metrics N] [--cache DIR] [--rules]

The runs are written once, as wandb 0.31 lays them out (a summary record beside every row: half of the file; the items of
both in an order of their own each time), and kept in the cache directory. A measurement is the whole command in a
process of its own, on warm files. Exit code 1 if a limit is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path
from struct import pack

ROOT = Path(__file__).resolve().parent.parent
LIMITS = {"first time": 4.0, "again": 1.0}  # seconds, for 1 000 runs of 200 rows x 20 metrics
BLOCK = 32768


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def part(field: int, data: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(data)) + data


def item(key: str, value: float | int, field: int = 1) -> bytes:
    return part(field, part(2, key.encode()) + part(16, json.dumps(value).encode()))


def framed(records: list[bytes]) -> bytes:
    """The file: records cut into chunks that never cross a block of 32 KiB."""
    out = bytearray(b":W&B\xe1\xbe\x00")
    for number, record in enumerate(records, 1):
        rest, first = b"\x08" + varint(number) + record, True
        while first or rest:
            room = BLOCK - len(out) % BLOCK
            if room < 7:
                out += bytes(room)
                room = BLOCK
            piece, rest = rest[: room - 7], rest[room - 7 :]
            kind = (1 if not rest else 2) if first else (4 if not rest else 3)
            out += pack("<IHB", zlib.crc32(bytes([kind]) + piece), len(piece), kind) + piece
            first = False
    return bytes(out)


def history(rows: int, metrics: int, numbers: random.Random) -> bytes:
    names = ["train/loss", "train/l1_loss", "train/ot_loss", "train/ot_pi_sum", "train/grad_norm"]
    names = (names + [f"train/metric_{index:02d}" for index in range(metrics)])[:metrics]
    config = item("steps", rows * 10) + part(1, part(2, b"ot") + part(16, b'{"loss_config": {"reg": 0.1}}'))
    records = [part(17, part(1, b"bench") + part(4, config))]
    for row in range(rows):
        values = [item(name, numbers.random()) for name in names]
        own = [item("_step", row * 10), item("_timestamp", 1.79e9 + row), item("_runtime", float(row))]
        numbers.shuffle(items := values + own)
        records.append(part(3, b"".join(items)))
        numbers.shuffle(items)
        records.append(part(2, b"".join(items) + part(2, b"\x08" + varint(row * 10) if row else b"")))
    return framed([*records, part(18, b"")])


def write_runs(root: Path, runs: int, rows: int, metrics: int) -> None:
    numbers = random.Random(0)
    for index in range(runs):
        name = f"{index:08d}"
        folder = root / f"loop_{1_700_000_000 + index // 4}" / f"{index % 4}_base_{name}"
        folder = folder / f"wandb/offline-run-20261122_080000-{name}"
        folder.mkdir(parents=True)
        (folder / f"run-{name}.wandb").write_bytes(history(rows, metrics, numbers))


def measured(root: Path, project: Path, runs: int, rules: bool) -> tuple[float, float, float]:
    """Seconds on the clock, seconds of processors, and the largest process in MB."""
    command = [sys.executable, "-m", "autoloop_tui.cli.main", "analyze-offline", "--outputs-root", str(root)]
    command += ["--limit", str(runs), *(["--rules"] if rules else [])]
    path = f"{ROOT / 'core'}{os.pathsep}{ROOT}"
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, cwd=project, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, check=True)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    document = json.loads(done.stdout)
    found = document["summary"] if rules else document
    if len(found) != runs:
        raise SystemExit(f"{len(found)} runs were found, not {runs}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu, after.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--metrics", type=int, default=20)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "autoloop-bench")
    parser.add_argument("--rules", action="store_true", help="also judge every run")
    args = parser.parse_args()
    root: Path = args.cache / f"runs-{args.runs}x{args.rows}x{args.metrics}"
    if not root.exists():
        print(f"writing {root} ...", file=sys.stderr)
        unfinished = root.with_name(root.name + ".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        write_runs(unfinished, args.runs, args.rows, args.metrics)
        unfinished.rename(root)
        time.sleep(3)  # files that were just written are not remembered
    megabytes = sum(file.stat().st_size for file in root.rglob("*.wandb")) / 1e6
    print(f"{args.runs} runs of {args.rows} rows x {args.metrics} metrics, {megabytes:.0f} MB, {os.cpu_count()} processors")
    print(f"{'':14}{'seconds':>9}{'limit':>8}{'cpu s':>8}{'peak MB':>9}")
    missed = False
    with tempfile.TemporaryDirectory(dir=args.cache) as folder:
        (Path(folder) / ".autoloop").mkdir()
        for name in ("first time", "again"):
            seconds, cpu, memory = measured(root, Path(folder), args.runs, args.rules)
            limit = LIMITS[name] * max(1.0, args.runs * args.rows * args.metrics / 4_000_000)
            missed |= seconds > limit
            print(f"{name:14}{seconds:9.2f}{limit:8.1f}{cpu:8.2f}{memory:9.0f}")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
