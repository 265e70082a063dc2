"""The engine as a process of its own, detached from the terminal that asked for it: starting it, and its `main`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from autoloop import isolated
from autoloop.engine.driver.given_secrets import require_secrets
from autoloop.engine.driver.lock import holder
from autoloop.model import Loop, UserError
from autoloop.store import Holder, Store
from autoloop.store.access import signature

START_TIMEOUT = 20.0
"""Seconds that a new engine may take until it holds its loop's lock, and then until its first turn is over; far more than it
needs, if it has no runs of long histories to take over."""


def spawn(store: Store, loop: Loop) -> Holder:
    """Start a detached engine for `loop` and wait until it is at work. UserError with the log's end if it ends before."""
    lock, log = store.places.lock(loop.name), store.places.engine_log(loop.name)
    running = holder(lock)
    if running:
        return running
    require_secrets(loop.spec)
    before = _signed(lock)
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with log.open("ab") as output:
        start = output.tell()
        try:
            process = subprocess.Popen(
                isolated.command("autoloop.engine.driver.process", "--project", str(store.places.project), loop.name),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                cwd=loop.spec.cwd,
            )
        except OSError as error:
            raise UserError(f"The engine did not start: {error.filename}: {error.strerror}.") from None
    deadline = time.monotonic() + START_TIMEOUT
    driven: Holder | None = None
    while time.monotonic() < deadline:
        running = holder(lock)
        if running == before:  # our engine has the lock and has not signed it yet
            running = None
        if running and running.at_work:
            return running
        code = process.poll()
        if code is not None:
            if code == 0:  # it found nothing left to do
                return Holder(process.pid, os.uname().nodename, time.time())
            why = _last_line(log, start) or (f"signal {-code} ended it" if code < 0 else f"it exited with code {code}")
            raise UserError(f"The engine did not start: {why} (see {log})")
        if driven is None and running and running.pid:
            driven, deadline = running, time.monotonic() + START_TIMEOUT
        time.sleep(0.02)
    if driven:  # it has much to take over
        return driven
    process.kill()
    process.wait()
    raise UserError(f"The engine did not start {loop.name} within {START_TIMEOUT:.0f} s; see {log}.")


def _signed(lock: Path) -> Holder | None:
    """Who signed the lock last, whether it is held or not."""
    try:
        return signature(lock.read_bytes())
    except OSError:
        return None


def _last_line(log: Path, since: int) -> str:
    """The last line of what was written to the log from a place on."""
    try:
        lines = log.read_bytes()[since:].decode("utf-8", "replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1] if lines else ""


def main() -> int:
    """`python -m autoloop.engine.driver.process --project DIR LOOP`: drive the loop until it ends."""
    from autoloop.engine.driver.driver import LoopDriver

    parser = argparse.ArgumentParser(description="Drive one loop of Auto Loop until it ends.")
    parser.add_argument("--project", type=Path, required=True)
    parser.add_argument("loop")
    arguments = parser.parse_args()
    try:
        with Store.open(arguments.project) as store:
            LoopDriver(store, store.find_loop(arguments.loop)).run()
    except UserError as error:
        print(error, file=sys.stderr)  # the last line of the log, which `spawn` reports
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
