"""A stand-in for W&B's service on loopback: it answers the official client's queries about runs, and can fail on demand."""

from __future__ import annotations

import base64
import gzip
import json
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "k" * 40


@dataclass
class StandInRun:
    name: str = "a run"
    state: str = "finished"
    group: str = ""
    tags: list[str] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)

    def node(self, run_id: str) -> dict[str, Any]:
        last = max((row["_step"] for row in self.rows), default=-1)
        return {
            "id": f"node-{run_id}",
            "projectId": "7",
            "name": run_id,
            "displayName": self.name,
            "state": self.state,
            "group": self.group,
            "tags": self.tags,
            "createdAt": "2026-01-01T00:00:00Z",
            "heartbeatAt": "2026-01-01T00:00:00Z",
            "config": json.dumps(self.config),
            "summaryMetrics": "{}",
            "systemMetrics": "{}",
            "historyLineCount": len(self.rows),
            "historyKeys": {"lastStep": last, "sets": [], "keys": {}},
            "description": "",
            "notes": "",
            "jobType": None,
            "commit": None,
            "readOnly": False,
            "sweepName": None,
            "user": {"name": "me", "username": "me"},
        }


class StandIn:
    """The server. `projects`: (entity, project) -> runs by id, newest first; `asked`: name and variables of every query.

    `trouble(name)` may return how that query fails: `silent` (accepted but never answered), `cut` (the connection ends in
    the middle of the answer), `drip` (a byte now and then), an HTTP status, or other bytes.
    """

    def __init__(self) -> None:
        self.projects: dict[tuple[str, str], dict[str, StandInRun]] = {}
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.trouble: Callable[[str], str | int | bytes | None] = lambda _: None
        self.closing = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    @property
    def environment(self) -> dict[str, str]:
        return {"WANDB_BASE_URL": self.url, "WANDB_API_KEY": KEY}

    def close(self) -> None:
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def answer(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        found = re.search(r"query\s+(\w+)", query)
        name = found[1] if found else ""
        self.asked.append((name, variables))
        if name in ("Viewer", "GetDefaultEntity"):
            teams = {"edges": [{"node": {"name": "my-team"}}]}
            return {
                "viewer": {"id": "VXNlcjox", "username": "me", "entity": "me", "email": "", "flags": "{}", "teams": teams}
            }
        if name == "ServerFeaturesQuery":
            return {"serverInfo": {"features": []}}
        runs = self.projects.get((variables.get("entity", ""), variables.get("project", "")))
        if runs is None:
            return {"project": None}
        if name == "Runs":
            wanted = json.loads(variables["filters"]).get("displayName")
            listed = [(key, run) for key, run in runs.items() if wanted in (None, run.name)]
            begin = int(variables["cursor"] or 0)
            end = begin + variables["perPage"]
            edges = [{"node": run.node(key), "cursor": str(end)} for key, run in listed[begin:end]]
            info = {"endCursor": str(end), "hasNextPage": end < len(listed)}
            page = {"edges": edges, "pageInfo": info}
            return {"project": {"internalId": "7", "runCount": len(listed), "readOnly": False, "runs": page}}
        run_id = variables.get("name") or variables.get("run") or variables.get("runName")
        run = runs.get(run_id or "")
        if run is None:
            return {"project": {"run": None}}
        if name == "RunParquetHistory":
            return {"project": {"run": {"parquetHistory": {"parquetUrls": [], "liveData": run.rows}}}}
        if name == "Run":
            return {"project": {"run": run.node(run_id or "")}}
        if name == "RunHistoryKeys":
            return {"project": {"run": {"historyKeys": run.node("")["historyKeys"]}}}
        begin, end = variables.get("minStep") or 0, variables.get("maxStep") or 10**15
        rows = [row for row in run.rows if begin <= row["_step"] < end]
        most = variables.get("pageSize") or variables.get("samples") or 500
        if len(rows) > most:  # as the service does: sampled evenly, so that some are missing
            rows = [rows[index * len(rows) // most] for index in range(most)]
        return {"project": {"run": {"history": [json.dumps(row) for row in rows]}}}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers["Content-Length"]))
                body = json.loads(gzip.decompress(data) if self.headers["Content-Encoding"] == "gzip" else data)
                user = base64.b64decode((self.headers["Authorization"] or "").removeprefix("Basic ")).decode()
                if user != f"api:{KEY}":
                    return self.send(401, b"{}")
                data = json.dumps({"data": stand_in.answer(body["query"], body.get("variables") or {})}).encode()
                trouble = stand_in.trouble(stand_in.asked[-1][0])
                if trouble == "silent":
                    stand_in.closing.wait()
                elif trouble == "cut":
                    self.head(200, len(data))
                    self.wfile.write(data[: len(data) // 2])
                    self.close_connection = True
                elif trouble == "drip":
                    self.head(200, len(data))
                    with suppress(OSError):  # the client hung up
                        for byte in data:
                            if stand_in.closing.wait(0.05):
                                break
                            self.wfile.write(bytes([byte]))
                elif isinstance(trouble, int):
                    self.send(trouble, b"{}")
                else:
                    self.send(200, trouble if isinstance(trouble, bytes) else data)
                return None

            def send(self, status: int, data: bytes) -> None:
                self.head(status, len(data))
                self.wfile.write(data)

            def head(self, status: int, length: int) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(length))
                if status in (301, 302, 307, 308):
                    self.send_header("Location", stand_in.url + "/elsewhere")
                self.end_headers()

        return Handler
