"""Everything that is measured, and the report of it.

    python -m bench [PART ...]     measure all parts, or some, and write the report
    python -m bench report         write docs/performance.md from what docs/performance/ keeps

Each part runs in a process of its own, with a limit of time; one that fails is named and keeps its figures of last time.
Its figures go to docs/performance/PART.json with machine, versions, date, load and commit. Figures are only worth
something on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys
import time
from pathlib import Path

from bench import measuring
from bench.report import write_report

PARTS = {
    "reading": "bench.reading",
    "formats": "bench.formats",
    "reading-growth": "bench.reading_growth",
    "console": "bench.console",
    "console-large": "bench.console_large",
    "analysis": "bench.analysis",
    "commands": "bench.commands",
    "scheduler": "bench.scheduler",
    "engine": "bench.engine",
    "live": "bench.live",
    "overhead": "bench.overhead",
    "growth": "bench.growth",
    "places": "bench.places",
    "mcp": "bench.mcp",
}
"""In the order of the report; a part is a module with TITLE and `measure`, see `measuring.py`."""
ELSEWHERE = ("gpu",)
"""Parts of the report that are measured by a program of their own, where there is a GPU: `make test-gpu`."""
LONGEST = 900
"""Seconds for a part."""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; or report")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)  # in this process: one part
    given = parser.parse_args()
    if unknown := sorted(set(given.parts) - {*PARTS, "report"}):
        parser.error(f"there is no part {', '.join(unknown)}; the parts are {', '.join(PARTS)}")
    if given.here:
        measure(given.parts[0])
        return 0
    failed = [part for part in (given.parts or PARTS) if part != "report" and not measured(part)]
    print(f"\nthe report is {write_report([*PARTS, *ELSEWHERE]).relative_to(measuring.ROOT)}")
    if failed:
        print(f"not measured: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


def measured(part: str) -> bool:
    """Whether a part could be measured, in a process of its own."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # users have bytecode
    words = [sys.executable, "-m", "bench", part, "--here"]
    process = subprocess.Popen(words, cwd=measuring.ROOT, env=environment, start_new_session=True)
    try:
        code = process.wait(LONGEST)
    except subprocess.TimeoutExpired:
        print(f"{part}: not over after {LONGEST} s", file=sys.stderr)
        code = 1
    finally:
        measuring.end_group(process)
    return code == 0


def measure(part: str) -> None:
    module = importlib.import_module(PARTS[part])
    what = " ".join((module.__doc__ or "").partition("\n\n")[0].split())
    result = measuring.begin(part, module.TITLE, what, getattr(module, "PACKAGES", ()))
    print(f"\n== {module.TITLE}: {what}\n{result.machine}; load {result.load[0]}; commit {result.commit}", flush=True)
    start = time.monotonic()
    module.measure(result)
    result.seconds = round(time.monotonic() - start, 1)
    path: Path = measuring.keep(result)
    print(f"\n{path.relative_to(measuring.ROOT)}: {result.seconds:.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
