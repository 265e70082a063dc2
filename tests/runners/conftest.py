"""Fixtures for attempts that really run."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from autoloop.runners.ssh import runner as host_runner

from tests.runners.attempts import Bench
from tests.runners.far_side import FarSide
from tests.runners.trial import Trial


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


@pytest.fixture
def inherited_signals() -> Iterator[None]:
    """Signals as a background shell with nohup leaves them: SIGINT and SIGHUP ignored, SIGUSR2 blocked."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGHUP)}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trial]:
    far = FarSide(tmp_path / "far")
    monkeypatch.setenv("PATH", f"{far.programs}:{os.environ['PATH']}")
    monkeypatch.setattr(host_runner, "POLL_EVERY", 0.05)
    trial = Trial(tmp_path, far)
    yield trial
    trial.close()
