"""Whether the service is available: the key is sent to its own address and no other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from autoloop.wandb_cloud import service

from tests.support.waiting import PATIENCE
from tests.wandb_cloud.stand_in import KEY


@contextmanager
def server(status: int, location: str = "") -> Iterator[tuple[str, list[str | None]]]:
    """Yield the address of a server that gives this answer to every request, and the keys that it received."""
    shown: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            shown.append(self.headers["Authorization"])
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}", shown
        running.shutdown()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_server_that_redirects_does_not_get_the_key_sent_elsewhere(status: int) -> None:
    with server(200) as (elsewhere, shown_elsewhere), server(status, f"{elsewhere}/graphql") as (address, shown):
        answer = service.ask({"WANDB_BASE_URL": address, "WANDB_API_KEY": KEY}, timeout=PATIENCE)
    assert len(shown) == 1
    assert shown_elsewhere == []
    assert answer.state == "away"
    assert f"HTTP {status}" in answer.detail
    assert "WANDB_BASE_URL" in answer.detail
