"""The document that hooks receive, and a web server that receives it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from autoloop.hooks.request import document
from autoloop.model import HookEvent, Message

from tests.support.receiver import Receiver, receiving


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def told() -> dict[str, Any]:
    message = Message(
        id="0123456789abcdef",
        event=HookEvent.RUN_FAILED,
        at=1_700_000_000.5,
        text="base_lr (a1b2c3) failed: <!channel> out of memory & more",
        next="autoloop-tui logs a1b2c3",
        round=2,
        run="a1b2c3",
        run_name="base_lr",
    )
    return document(message, "loop_1700000000", "my night", "project", "gpu7")
