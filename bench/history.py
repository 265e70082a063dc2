"""How fast a W&B log is read: 100 000 rows x 20 metrics, beside `wandb leet inspect`.

    python bench/history.py [--leet] [--rows N] [--metrics N] [--cache DIR]

The file is written once by the installed wandb, offline, and kept in the cache directory. A measurement is a process
of its own on a warm file: the time from opening to the last row, and its largest resident set. Exit code 1 if a limit
is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CORE = Path(__file__).resolve().parent.parent / "core"
LIMIT = 3.5  # seconds, for 100 000 rows x 20 metrics
MEMORY = 100.0  # MB

WRITE = """
import random, sys, wandb
rows, metrics = int(sys.argv[1]), int(sys.argv[2])
run = wandb.init(mode="offline", project="bench", id="bench")
numbers = random.Random(0)
names = [f"train/metric_{index:02d}" for index in range(metrics)]
for step in range(rows):
    run.log({name: numbers.random() for name in names}, step=step)
run.finish()
"""


def write_history(cache: Path, rows: int, metrics: int) -> Path:
    """The cached file, or a new one."""
    target = cache / f"history-{rows}x{metrics}.wandb"
    if target.exists():
        return target
    print(f"writing {target} with wandb (about 20 s for 100 000 rows) ...", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=cache) as directory:
        env = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
        env |= {f"WANDB_{name}_DIR": directory for name in ("CACHE", "CONFIG", "DATA", "ARTIFACT")}
        env |= {"WANDB_DIR": directory, "WANDB_SILENT": "true", "WANDB_CONSOLE": "off"}
        env |= {"WANDB_ERROR_REPORTING": "false"}
        subprocess.run([sys.executable, "-c", WRITE, str(rows), str(metrics)], env=env, cwd=directory, check=True)
        (written,) = Path(directory).glob("wandb/*run-*/run-bench.wandb")
        shutil.move(written, target)
    return target


def read_history(path: Path) -> dict[str, float]:
    """Runs in a process of its own: `--measure`."""
    sys.path.insert(0, str(CORE))
    from autoloop.metric_readers.columns import Columns
    from autoloop.metric_readers.wandb_log import WandbLog

    start = time.perf_counter()
    log = WandbLog(path, Columns())
    while log.poll():
        pass
    seconds = time.perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
    return {"seconds": seconds, "memory": memory, "rows": log.rows, "columns": len(log.columns.series)}


def measured(path: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--measure", str(path)]
    best: dict[str, float] = {}
    for _ in range(3):
        result = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
        if not best or result["seconds"] < best["seconds"]:
            best = result
    return best


def leet(path: Path) -> dict[str, float]:
    """`wandb leet inspect --json`, its output counted and thrown away."""
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(path)]
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        rows = sum(b'"type":"history"' in line[:60] for line in process.stdout)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"wandb leet inspect ended with exit code {process.returncode}")
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
    return {"seconds": seconds, "memory": memory, "rows": rows}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--metrics", type=int, default=20)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "autoloop-bench")
    parser.add_argument("--leet", action="store_true", help="also measure `wandb leet inspect --json` (about 30 s)")
    parser.add_argument("--measure", type=Path, metavar="FILE", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(read_history(args.measure)))
        return 0
    args.cache.mkdir(parents=True, exist_ok=True)
    path = write_history(args.cache, args.rows, args.metrics)
    scale = args.rows * args.metrics / 2_000_000
    megabytes = path.stat().st_size / 1e6
    print(f"{path}: {megabytes:.0f} MB, {args.rows} rows x {args.metrics} metrics; best of 3")
    print(f"{'':24}{'seconds':>9}{'limit':>8}{'MB/s':>8}{'rows/s':>10}{'peak MB':>9}{'limit':>7}")
    result = measured(path)
    limit = LIMIT * scale
    missed = result["seconds"] > limit or result["memory"] > MEMORY or result["rows"] != args.rows
    show("all columns", result, megabytes, f"{limit:.1f}", f"{MEMORY:.0f}")
    if args.leet:
        show("wandb leet inspect", leet(path), megabytes, "", "")
    return int(missed)


def show(name: str, result: dict[str, float], megabytes: float, limit: str, memory_limit: str) -> None:
    seconds, rows = result["seconds"], result["rows"]
    print(
        f"{name:24}{seconds:9.2f}{limit:>8}{megabytes / seconds:8.0f}{rows / seconds:10.0f}"
        f"{result['memory']:9.0f}{memory_limit:>7}"
    )


if __name__ == "__main__":
    sys.exit(main())
