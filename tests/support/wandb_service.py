"""A stand-in for the W&B service on loopback. It keeps what the real client sends, for tests to inspect."""

from __future__ import annotations

import gzip
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "0123456789abcdef0123456789abcdef01234567"
"""The only key that the stand-in accepts."""
ENTITY = "team"


class Service:
    """A server that can stop and come back on the same port. `runs`: the data received, by run id.

    A run has `project`, `entity`, `group`, `tags`, `config` (JSON text) and `history` (one JSON text per row), and `exit`
    once it has ended. `keys`: the API keys that clients offered.
    """

    def __init__(self) -> None:
        self.runs: dict[str, dict[str, Any]] = {}
        self.keys: set[str] = set()
        self.changed = threading.Condition()
        self._server: _Server | None = None
        self.port = 0
        self.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        service = self

        class Handler(_Handler):
            owner = service

        self._server = _Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        """Stop listening and end open connections."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server.end_connections()
            self._server = None

    # ------------------------------------------------------------------------------------------------------- answers

    def run(self, name: str) -> dict[str, Any]:
        return self.runs.setdefault(name, {"history": {}, "config": "{}", "summary": "{}"})

    def answer(self, operation: str, variables: dict[str, Any]) -> Any:
        """Return the answer to one GraphQL operation."""
        handler = getattr(self, f"on_{operation}", None)
        return handler(variables) if handler else {}

    def on_Viewer(self, _: dict[str, Any]) -> Any:
        teams = {"edges": [{"node": {"name": ENTITY}}]}
        return {"viewer": {"id": "VXNlcjox", "entity": ENTITY, "username": "me", "email": "", "flags": "{}", "teams": teams}}

    def on_ServerFeaturesQuery(self, _: dict[str, Any]) -> Any:
        return {"serverInfo": {"features": []}}

    def on_UpsertBucket(self, given: dict[str, Any]) -> Any:
        run = self.run(given["name"])
        new = "project" not in run
        run["project"] = given.get("project") or run.get("project")
        run["entity"] = given.get("entity") or run.get("entity") or ENTITY
        for key, name in (("groupName", "group"), ("tags", "tags"), ("config", "config"), ("displayName", "displayName")):
            if given.get(key):
                run[name] = given[key]
        project = {"id": "cHJv", "name": run["project"], "entity": {"id": "RW50", "name": run["entity"]}}
        bucket = {
            "id": f"cnVu{given['name']}",
            "name": given["name"],
            "displayName": run.get("displayName", given["name"]),
            "description": "",
            "config": run["config"],
            "sweepName": None,
            "project": project,
            "historyLineCount": len(run["history"]),
        }
        return {"upsertBucket": {"bucket": bucket, "inserted": new, "updateOptions": None}}

    def on_CreateRunFiles(self, given: dict[str, Any]) -> Any:
        files = [{"name": name, "uploadUrl": f"/storage/{name}"} for name in given.get("files", [])]
        return {"createRunFiles": {"runID": "x", "uploadHeaders": [], "files": files}}

    def take(self, name: str, sent: dict[str, Any]) -> None:
        """Store one request of a run's file stream."""
        run = self.run(name)
        for file, part in (sent.get("files") or {}).items():
            if file == "wandb-history.jsonl":
                run["history"].update({part["offset"] + index: row for index, row in enumerate(part["content"])})
            elif file == "wandb-summary.json" and part.get("content"):
                run["summary"] = part["content"][-1]
        if sent.get("complete"):
            run["exit"] = sent.get("exitcode")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, *where: Any) -> None:
        self.connections: set[Any] = set()
        super().__init__(*where)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.connections.discard(request)
        super().shutdown_request(request)

    def end_connections(self) -> None:
        for request in tuple(self.connections):
            with suppress(OSError):
                request.shutdown(2)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnect."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: Service

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._send({})

    def do_PUT(self) -> None:
        self._body()
        self._send({})

    def do_POST(self) -> None:
        body = self._body()
        key = self._key()
        with self.owner.changed:
            self.owner.keys.add(key)
            if key != KEY:
                return self._send({"errors": [{"message": "unauthorized"}]}, 401)
            self._post(body)
            self.owner.changed.notify_all()

    def _post(self, body: bytes) -> None:
        stream = re.match(r"/files/[^/]+/[^/]+/([^/]+)/file_stream", self.path)
        if self.path.startswith("/graphql"):
            asked = json.loads(body)
            operation = re.search(r"(?:query|mutation)\s+(\w+)", asked["query"])
            self._send({"data": self.owner.answer(operation[1] if operation else "", asked.get("variables") or {})})
        elif stream:
            self.owner.take(stream[1], json.loads(body))
            self._send({"exitcode": None, "limits": {}})
        else:
            self._send({})

    def _key(self) -> str:
        import base64

        kind, _, value = self.headers.get("Authorization", "").partition(" ")
        return base64.b64decode(value).decode().partition(":")[2] if kind == "Basic" else value

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            pieces = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            body = b"".join(pieces)
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _send(self, answer: Any, code: int = 200) -> None:
        body = json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def running() -> Iterator[Service]:
    service = Service()
    try:
        yield service
    finally:
        service.stop()
