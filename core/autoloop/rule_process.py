"""Runs a user's Python rules in a separate process, so that their code can only block or crash that process.

The parent writes one JSON line for the file and then one for each run, and waits a bounded time for each answer. The code's
own output is kept apart from the answers; if the code fails, its last line is reported. The process ends with its parent.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from typing import IO, Any

from autoloop import isolated
from autoloop.diagnose.causes import SHORTAGE
from autoloop.model import UserError
from autoloop.rules.python_rules import Answer, PythonRules, python_rules

PATIENCE = 60.0
"""Default number of seconds that the code may take for one run."""
LOADING = 120.0
"""Seconds that loading the code may take: it may import torch from a cold disk."""
MAX_ANSWER = 4 << 20
"""Largest answer for one run, in bytes."""
PR_SET_PDEATHSIG = 1


def rules_apart(code: str, filename: str, patience: float = PATIENCE) -> PythonRules:
    """Return the rules of a file, which are loaded and asked in another process. UserError if they cannot be loaded."""
    child = _Child(code, filename, patience)
    name, version = child.load()
    child.close()
    return PythonRules(name, version, child.ask, child.close)


class _NoReply(Exception):
    """The process gave no answer; the text says why."""


class _Child:
    """The process of one rules file. It starts when needed, and again after it was killed. Only one thread may ask at a
    time."""

    def __init__(self, code: str, filename: str, patience: float) -> None:
        self.code = code
        self.filename = filename
        self.patience = patience
        self._process: subprocess.Popen[bytes] | None = None
        self._printed: IO[bytes] | None = None
        self._end: Any = None

    def load(self) -> tuple[str, str]:
        if self._end is not None:
            self._end()
        deadline = time.monotonic() + self.patience
        while True:
            try:
                self._start()
                break
            except OSError as error:
                if error.errno not in SHORTAGE or time.monotonic() > deadline:
                    raise UserError(f"{self.filename}: its process could not be started ({error.strerror}).") from None
            time.sleep(0.5)
        assert self._process is not None
        assert self._printed is not None
        self._end = weakref.finalize(self, _end, self._process, self._printed)
        try:
            loaded = self._exchange({"code": self.code, "filename": self.filename}, LOADING)
        except _NoReply as reason:
            raise UserError(f"{self.filename}: loading it {reason}") from None
        if "error" in loaded:
            self._end()
            raise UserError(loaded["error"])
        return loaded["name"], loaded["version"]

    def _start(self) -> None:
        self._printed = tempfile.TemporaryFile()  # noqa: SIM115 stays open as long as the process
        self._process = subprocess.Popen(
            isolated.command("autoloop.rule_process"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._printed,
            start_new_session=True,
        )

    def close(self) -> None:
        """End the process. Another thread may call this while one waits for an answer, which then gets none."""
        if self._process is not None:
            _kill(self._process)

    def ask(self, summary: dict[str, Any]) -> Answer:
        try:
            if self._process is None or not self._end.alive or self._process.poll() is not None:
                self.load()
            answer = self._exchange(summary, self.patience)
        except UserError as error:
            return [], [str(error)]
        except _NoReply as reason:
            return [], [f"{self.filename}: decide(summary) {reason}"]
        return [(reason, edits, expect) for reason, edits, expect in answer["asked"]], answer["notes"]

    def _exchange(self, request: Any, patience: float) -> dict[str, Any]:
        """Send one line and return the answer's line. If no valid answer comes, the process is killed."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        answer = b""
        deadline = time.monotonic() + patience
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            with selectors.DefaultSelector() as selector:
                selector.register(process.stdout, selectors.EVENT_READ)
                while not answer.endswith(b"\n"):
                    if not selector.select(deadline - time.monotonic()) or time.monotonic() >= deadline:
                        raise _NoReply(f"took longer than {patience:g} s and was killed (rules_timeout in autoloop.toml)")
                    piece = os.read(process.stdout.fileno(), 1 << 16)
                    answer += piece
                    if not piece:
                        raise _NoReply(self._how_it_ended(process))
                    if len(answer) > MAX_ANSWER:
                        raise _NoReply(f"returned more than {MAX_ANSWER >> 20} MiB for one run; it must return a short list")
        except BrokenPipeError:
            reason = self._how_it_ended(process)
            self._end()
            raise _NoReply(reason) from None
        except BaseException:
            self._end()
            raise
        try:
            decoded: dict[str, Any] = json.loads(answer)
        except ValueError:
            self._end()
            raise _NoReply("returned an unreadable answer") from None
        return decoded

    def _how_it_ended(self, process: subprocess.Popen[bytes]) -> str:
        try:
            code = process.wait(1.0)
        except subprocess.TimeoutExpired:
            return "closed its output"
        what = f"exit code {code}"
        if code < 0:
            with contextlib.suppress(ValueError):
                what = signal.Signals(-code).name
        return f"ended its process ({what}){self._last_words()}"

    def _last_words(self) -> str:
        assert self._printed is not None
        self._printed.seek(max(0, self._printed.seek(0, os.SEEK_END) - 4096))
        lines = [line.strip() for line in self._printed.read().decode(errors="replace").splitlines() if line.strip()]
        return f"; its last line: {lines[-1][:300]}" if lines else ""


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.returncode is None:  # not reaped yet, so the process group id cannot have been reused
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _end(process: subprocess.Popen[bytes], printed: IO[bytes]) -> None:
    _kill(process)
    for stream in (process.stdin, process.stdout, printed):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()


def main() -> None:
    """Run in the separate process: load the code in the first line, then answer each further line with one line."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    requests = os.fdopen(os.dup(0), "rb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)

    def reply(answer: object) -> None:
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.flush()

    asked = json.loads(requests.readline())
    # As for any script of the user: modules beside it and in the project folder can be imported.
    sys.path[:0] = [os.path.dirname(os.path.abspath(asked["filename"])), os.getcwd()]
    try:
        rules = python_rules(asked["code"], asked["filename"])
    except UserError as error:
        reply({"error": str(error)})
        return
    reply({"name": rules.name, "version": rules.version})
    for line in requests:
        proposals, notes = rules.ask(json.loads(line))
        reply({"asked": proposals, "notes": notes})


if __name__ == "__main__":
    main()
