"""Support for async tests, and a loop that several files use."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest
from autoloop.model import Change, RoundState, RunState
from textual.pilot import Pilot

from tests.console.projects import CONFIG, RecordedProject
from tests.console.stylesheets import parsed_once
from tests.console.waiting import then_handled
from tests.support.waiting import PATIENCE


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an `async def` test in its own event loop. A test that hangs fails, so that the others still run."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    test = pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names})
    asyncio.run(asyncio.wait_for(test, 2 * PATIENCE))
    return True


@pytest.fixture(scope="session", autouse=True)
def stylesheets() -> Iterator[None]:
    with parsed_once():
        yield


@pytest.fixture(autouse=True)
def keys_are_handled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test continue once the console has handled its keys and clicks.

    Textual's own pilot waits until the process has been nearly idle for 20 ms, which proves nothing on a loaded machine.
    """
    for name in ("press", "click"):
        monkeypatch.setattr(Pilot, name, then_handled(getattr(Pilot, name)))


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal with 24-bit colours, whatever terminal the tests run in."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    for name in ("TMUX", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[RecordedProject]:
    """A loop that waits for decisions: an ended, a running and a queued run, and two proposals."""
    made = RecordedProject(tmp_path)
    base = made.run("base", log="INFO fine\n")
    config = {**CONFIG, "ot": {**CONFIG["ot"], "lambda_ot": 0.15}}
    made.run("variant", RunState.RUNNING, base=base, config=config, log="INFO step 1\nINFO ab\n")
    made.run("waits", RunState.QUEUED, base=base, config={**CONFIG, "seed": 7})
    made.round(1, RoundState.DECIDING)
    for reg in (0.16, 0.17):
        change = Change(path="ot.loss_config.reg", before=0.1, after=reg)
        made.proposal(base, [f"ot.loss_config.reg={reg}"], changes=[change])
    yield made
    made.store.close()
