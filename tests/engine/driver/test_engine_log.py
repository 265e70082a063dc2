"""The engine's log file: levels, errors with tracebacks, no secrets, and a full disk."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from autoloop.engine import LoopDriver
from autoloop.engine.driver.engine_log import logging_to
from autoloop.model import Event, LoopState
from autoloop.store import Store

from tests.engine.project import EngineProject

LOG = logging.getLogger("autoloop.some.module")


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("", ["INFO", "WARNING", "ERROR"]),
        ("debug", ["DEBUG", "INFO", "WARNING", "ERROR"]),
        ("WARNING", ["WARNING", "ERROR"]),
        ("error", ["ERROR"]),
    ],
)
def test_the_environment_chooses_the_lowest_level(tmp_path: Path, level: str, expected: list[str]) -> None:
    path = tmp_path / "engines" / "loop_1.log"
    with logging_to(path, {"AUTOLOOP_LOG": level}):
        for each in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
            LOG.log(each, "a line")
    LOG.error("after the engine has ended")
    lines = path.read_text().splitlines()
    assert [line.split()[2] for line in lines] == expected
    assert all(line.endswith("a line") for line in lines)


def test_an_unknown_level_is_reported_and_replaced_by_info(tmp_path: Path) -> None:
    with logging_to(tmp_path / "log", {"AUTOLOOP_LOG": "loud"}):
        LOG.debug("detail")
        LOG.info("event")
    warning, event = (tmp_path / "log").read_text().splitlines()
    assert "AUTOLOOP_LOG=loud is not a level (debug, info, warning, error)" in warning
    assert event.endswith("event")


def test_a_fault_is_logged_with_its_traceback_and_without_secrets(tmp_path: Path) -> None:
    with logging_to(tmp_path / "log", {}):
        try:
            raise ValueError("https://ada:hunter22@host/")
        except ValueError:
            LOG.exception("fault in %s", "a command")
    text = (tmp_path / "log").read_text()
    assert "ERROR   fault in a command" in text
    assert "Traceback (most recent call last)" in text
    assert "hunter22" not in text


def test_a_log_that_cannot_be_written_disturbs_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (Path("/dev/full"), tmp_path / "file" / "log"):
        with logging_to(path, {}):
            LOG.error("a line that is lost")


@pytest.fixture
def signals() -> Iterator[None]:
    """Restore this process's signal handlers, which a driver replaces."""
    before = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("signals")
def test_a_driver_reports_events_and_progress_and_logs_the_story(project: EngineProject) -> None:
    gate = project.folder / "gate"
    gate.touch()
    loop = project.loop([project.config("a", gate=str(gate))])
    events: list[str] = []
    seen: set[str] = set()

    def hear(event: Event) -> None:
        events.append(event.text)
        if event.id:  # an event is in the store, readable by other processes, before it is reported
            assert event in project.store.events(loop.id)

    with Store.open(project.folder) as store:
        driver = LoopDriver(store, loop)
        ended = driver.run(on_event=hear, on_progress=lambda each: seen.add(each.run.name))
    assert ended.state is LoopState.FINISHED
    assert events == project.story(loop)[-len(events) :]
    assert seen <= {"a"}
    log = project.store.places.engine_log(loop.name).read_text()
    assert all(f"| {text}\n" in log for text in events)
    assert " DEBUG " not in log
