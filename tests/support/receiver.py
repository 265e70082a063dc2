"""A web server on loopback that keeps what is posted to it and answers according to the path."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit


class Posted(NamedTuple):
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """A server whose paths select the answer.

    `/ok`: 200; `/500` and other numbers: that status; `/hang`: nothing; `/cut`: half an answer; `/drip`: a byte now and
    then; `/away`: a redirect to another host; `/here`: a redirect to `/ok`; `/json`: the value of `answer` (bytes
    unchanged); `/flood`: megabytes; `/later`: 500 until `well` is set.
    """

    def __init__(self) -> None:
        self.posted: list[Posted] = []
        self.answer: Any = {}
        self.well = threading.Event()
        self.closing = threading.Event()
        self.url = ""

    def events(self) -> list[str]:
        """Return the events of the received documents, in order."""
        return [each.json["event"] for each in self.posted]


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            receiver.posted.append(Posted(parts.path, query, {k.lower(): v for k, v in self.headers.items()}, body))
            word = parts.path.strip("/").partition("/")[0]
            if word == "hang":
                receiver.closing.wait()
            elif word == "drip":
                while not receiver.closing.wait(0.05):
                    self.wfile.write(b"H")
            elif word == "cut":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            elif word == "away":
                self.reply(302, Location="http://elsewhere.invalid/")
            elif word == "here":
                self.reply(307, Location=f"{receiver.url}/ok")
            elif word == "json":
                answer = receiver.answer
                self.reply(200, answer if isinstance(answer, bytes) else json.dumps(answer).encode())
            elif word == "flood":
                self.reply(200, b"x" * (8 << 20))
            elif word == "later":
                self.reply(200 if receiver.well.is_set() else 500)
            elif word == "429":
                self.reply(429, b"slow down", Retry_After="77")
            elif word.isdigit():
                self.reply(int(word), b"as asked")
            else:
                self.reply(200, b"ok")

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Ignore clients that were killed."""

    server = Server(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=[0.05], daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
