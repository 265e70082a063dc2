"""The engine as a separate process, detached from the terminal that started it: `spawn`, and the process's `main`."""

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
"""Seconds that a new engine may take to acquire its loop's lock, and again to complete its first turn. It needs far less,
unless it takes over runs with long histories."""


def spawn(store: Store, loop: Loop) -> Holder:
    """Start a detached engine for `loop` and wait until it has completed its first turn. Raises UserError with the last line
    of its log if it exits before that."""
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
        if running == before:  # our engine has the lock but has not signed it yet
            running = None
        if running and running.at_work:
            return running
        code = process.poll()
        if code is not None:
            if code == 0:  # there was nothing left to do
                return Holder(process.pid, os.uname().nodename, time.time())
            why = _last_line(log, start) or (f"signal {-code} ended it" if code < 0 else f"it exited with code {code}")
            raise UserError(f"The engine did not start: {why} (see {log})")
        if driven is None and running and running.pid:
            driven, deadline = running, time.monotonic() + START_TIMEOUT
        time.sleep(0.02)
    if driven:  # it is still taking over runs
        return driven
    process.kill()
    process.wait()
    raise UserError(f"The engine did not start {loop.name} within {START_TIMEOUT:.0f} s; see {log}.")


def _signed(lock: Path) -> Holder | None:
    """The last engine that signed the lock, whether or not it still holds it."""
    try:
        return signature(lock.read_bytes())
    except OSError:
        return None


def _last_line(log: Path, since: int) -> str:
    """The last line that was written to the log after the offset `since`."""
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
