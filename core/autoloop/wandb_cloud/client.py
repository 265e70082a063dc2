"""Reads the runs of a W&B project through W&B's official client in a separate process (`client_process.py`).

That process has the caller's deadline and limits on its output and memory; it is killed together with all its descendants.
The key is checked first with one short request of our own, so that the client does not retry in vain.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import queue
import re
import signal
import subprocess
import tempfile
import threading
import time
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any
from urllib.parse import urlsplit

from autoloop import isolated
from autoloop.metric_readers.columns import MAX_KEYS
from autoloop.model import Series, UserError
from autoloop.wandb_cloud import service
from autoloop.wandb_cloud.key import find_key, server_address

REQUEST_TIMEOUT = 20.0
"""Seconds without an answer from the service after which a request fails."""
RETRIES = 2
"""How often the client retries a request that failed in transit."""
MAX_ANSWER = 1 << 30
"""Maximum bytes of output of the process."""
MAX_MEMORY = 4 << 30
"""Maximum bytes of memory of the process and its descendants."""
LOOK_EVERY = 0.5
"""Seconds between two checks of its memory."""

TOO_LATE = "W&B took too long; ask for fewer runs, or give more time with --timeout."


@dataclass(frozen=True)
class CloudRun:
    """One run. `id` is unique in its project, `name` is the display name. `config` has W&B's wrappers round the values."""

    id: str
    name: str
    state: str
    group: str
    config: Mapping[str, Any]
    columns: Mapping[str, Series] = field(default_factory=dict)


class Project:
    """A project of the W&B service named in the environment. `deadline`: the `time.monotonic()` at which all waiting ends.

    Every method raises UserError with one sentence, also during iteration over its result.
    """

    def __init__(self, environment: Mapping[str, str], deadline: float, entity: str, project: str) -> None:
        if importlib.util.find_spec("wandb") is None:
            raise UserError("W&B's client is not installed; pip install 'autoloop-tui[wandb]' brings it.")
        self.entity = entity
        self.project = project
        self._environment = environment
        self._deadline = deadline
        url = server_address(environment)
        self.host = urlsplit(url).netloc.rpartition("@")[2]
        if urlsplit(url).scheme not in ("http", "https") or not self.host:
            raise UserError(f"{url} is not a web address; set WANDB_BASE_URL to https://HOST, or unset it.")
        found = find_key(environment)
        if found is None:
            raise UserError(f"There is no W&B key for {self.host}: set WANDB_API_KEY or run `wandb login`.")
        self._secret = found.key.strip()
        if not re.fullmatch(r"[\x21-\x7e]+", self._secret):
            raise UserError("The W&B key contains invalid characters; copy it again from your W&B settings.")
        self._entities: tuple[str, ...] = ()

    def runs(
        self, most: int, *, group: str = "", tags: Sequence[str] = (), limit: int | None = None
    ) -> tuple[int, Iterator[CloudRun]]:
        """Return the number of matching runs and an iterator over them with their logged rows.

        These are the newest `most` runs with all `tags` and with `group` as a substring of their group. With `limit`, each
        run has at most that many rows, sampled evenly by the service."""
        return self._ask({"wanted": None, "most": most, "group": group, "tags": list(tags), "limit": limit})

    def named(self, wanted: Sequence[str]) -> Iterator[CloudRun]:
        """Yield the run with each id, or else the only run with that name; without rows."""
        return self._ask({"wanted": list(wanted)})[1]

    def _ask(self, request: dict[str, Any]) -> tuple[int, Iterator[CloudRun]]:
        self._check_key()
        answers = self._answers({**request, "entity": self.entity, "project": self.project, "timeout": REQUEST_TIMEOUT})
        listed = next(answers, {}).get("listed")
        if not isinstance(listed, int):
            raise UserError(f"W&B's client gave no answer about {self.entity}/{self.project}; try again later.")
        return listed, (_run(answer["run"]) for answer in answers if "run" in answer)

    def _check_key(self) -> None:
        left = self._deadline - time.monotonic()
        answer = service.ask(self._environment, max(0.1, min(REQUEST_TIMEOUT, left)))
        self._entities = answer.entities
        if answer.state == "refused":
            raise UserError(
                f"W&B at {self.host} refuses the key ({answer.detail}); copy it again from your W&B settings, or run "
                "`wandb login`."
            )
        if self._deadline <= time.monotonic():
            raise UserError(TOO_LATE)
        if answer.state == "away":
            raise UserError(f"W&B at {self.host} cannot be reached ({answer.detail}); try again later.")

    def _answers(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        with tempfile.TemporaryDirectory(prefix="autoloop-wandb-", ignore_cleanup_errors=True) as folder:
            try:
                process = subprocess.Popen(
                    isolated.command("autoloop.wandb_cloud.client_process"),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env=self._for_the_client(folder),
                    cwd=folder,
                    start_new_session=True,
                )
            except (OSError, ValueError) as error:
                raise UserError(f"W&B's client cannot be started: {getattr(error, 'strerror', None) or error}.") from None
            try:
                assert process.stdin is not None
                assert process.stdout is not None
                with contextlib.suppress(BrokenPipeError), process.stdin as out:
                    out.write(json.dumps(request).encode())
                yield from self._read(process.stdout, process.pid)
            finally:
                _end(process)

    def _for_the_client(self, folder: str) -> dict[str, str]:
        """Return an environment that limits the client's retries and puts its caches into the temporary folder."""
        given = {name: value for name, value in self._environment.items() if name not in ("WANDB_MODE", "WANDB_RUN_ID")}
        return given | {
            "WANDB_API_KEY": self._secret,
            "WANDB_BASE_URL": server_address(self._environment),
            "WANDB_SILENT": "true",
            "WANDB_CONSOLE": "off",
            "WANDB_ERROR_REPORTING": "false",
            "WANDB_X_GRAPHQL_RETRY_MAX": str(RETRIES),
            "WANDB_X_GRAPHQL_RETRY_WAIT_MAX_SECONDS": "2",
            "WANDB_X_GRAPHQL_TIMEOUT_SECONDS": f"{REQUEST_TIMEOUT:.0f}",
            "WANDB_DIR": folder,
            "WANDB_CACHE_DIR": folder,
            "WANDB_DATA_DIR": folder,
            "WANDB_ARTIFACT_DIR": folder,
        }

    def _read(self, stream: IO[bytes], pid: int) -> Iterator[dict[str, Any]]:
        lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        threading.Thread(target=_pump, args=(stream, lines), daemon=True).start()
        while True:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise UserError(TOO_LATE)
            try:
                line = lines.get(timeout=min(left, LOOK_EVERY))
            except queue.Empty:
                if _memory(pid) > MAX_MEMORY:
                    raise UserError(f"W&B's client needs more than {MAX_MEMORY >> 30} GiB; ask for fewer runs.") from None
                continue
            if line is None:
                return
            answer = _decoded(line)
            if answer is None:
                raise UserError(f"W&B at {self.host} answered with more than {MAX_ANSWER >> 20} MiB; ask for fewer runs.")
            if "problem" in answer:
                raise self._in_words(answer["problem"]["kind"], answer["problem"]["text"])
            yield answer

    def _in_words(self, kind: str, text: str) -> UserError:
        place = f"{self.entity}/{self.project}"
        text = " ".join(text.replace(self._secret, "…").encode("utf-8", "replace").decode().split())[:300]
        if kind == "no project":
            own = f"; the key's own entities are {', '.join(self._entities)}" if self._entities else ""
            return UserError(
                f"W&B at {self.host} has no project {place} for this key: it does not exist, or you have no access{own}."
            )
        if kind == "no run":
            return UserError(f'{place} has no run "{text}"; `autoloop-tui analyze-wandb` lists them.')
        if kind == "several":
            return UserError(f"{place} has several runs of that name ({text}, …); give an id.")
        return UserError(f"W&B at {self.host} gave an invalid answer ({text}); try again later.")


def _run(told: Mapping[str, Any]) -> CloudRun:
    columns = {}
    for name, (steps, values) in list(told.get("columns", {}).items())[:MAX_KEYS]:
        columns[name] = series = Series()
        series.steps[:] = array("q", steps)
        series.values[:] = array("d", values)
    facts = {key: _text(told[key]) for key in ("id", "name", "state", "group")}
    return CloudRun(**facts, config=told["config"], columns=columns)


def _text(value: Any) -> str:
    """Return a string that can always be encoded; empty for a value that is not a string."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _pump(stream: IO[bytes], lines: queue.SimpleQueue[bytes | None]) -> None:
    """Forward lines up to `MAX_ANSWER` bytes in total; a last line without a line break means that the limit was hit."""
    left = MAX_ANSWER
    with contextlib.suppress(OSError, ValueError):
        while line := stream.readline(left):
            lines.put(line)
            left -= len(line)
            if not line.endswith(b"\n"):
                break
    lines.put(None)


def _decoded(line: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _memory(pid: int) -> int:
    import psutil

    total = 0
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                total += each.memory_info().rss
    return total


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and all its descendants, which may have their own sessions."""
    import psutil

    started: list[psutil.Process] = []
    with contextlib.suppress(psutil.Error):
        started = psutil.Process(process.pid).children(recursive=True)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    for each in started:
        with contextlib.suppress(psutil.Error):
            each.kill()
    process.wait()
