"""Runs Optuna in a separate process, so that it can only block or crash that process.

The parent writes one question as JSON and waits a bounded time for one answer. The process ends with its parent.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import threading
from typing import IO

import msgspec

from autoloop import isolated
from autoloop.model import UserError
from autoloop.model.structs import decode
from autoloop.search.question import Answer, Question, installed

PATIENCE = 600.0
"""Time limit for an answer, in seconds: a machine that trains is slow, and Optuna may be loaded from a cold disk."""
PR_SET_PDEATHSIG = 1


class SearchError(Exception):
    """Optuna gave no answer. The text says why and completes a sentence that begins with Optuna's name."""


class SearchProcess:
    """The process for one question. `ask` waits for the answer; another thread may call `drop` to end the wait."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._process: subprocess.Popen[bytes] | None = None
        self._dropped = False
        self._lock = threading.Lock()

    def ask(self, question: Question) -> Answer:
        """Return the answer. SearchError if there is none."""
        with tempfile.TemporaryFile() as printed:
            with self._lock:
                if self._dropped:
                    raise SearchError("was no longer needed")
                try:
                    self._process = process = subprocess.Popen(
                        isolated.command("autoloop.search.process"),
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=printed,
                        # The computations are small: a GPU, or threads that compete with trainers, would only cost time.
                        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"},
                        start_new_session=True,
                    )
                except OSError as error:
                    raise SearchError(f"could not be started ({error.strerror})") from None
            try:
                given, _ = process.communicate(msgspec.json.encode(question), timeout=self._patience)
            except subprocess.TimeoutExpired:
                raise SearchError(f"took longer than {self._patience:g} s and was killed") from None
            finally:
                self._end()
            if process.returncode:
                raise SearchError(f"ended its process ({_how(process.returncode)}){_last_line(printed)}")
        try:
            return decode(given, Answer)
        except msgspec.DecodeError:
            raise SearchError("returned an unreadable answer") from None

    def drop(self) -> None:
        """End the process: the answer is no longer needed."""
        with self._lock:
            self._dropped = True
        self._end()

    def _end(self) -> None:
        process = self._process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _how(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit code {code}"


def _last_line(printed: IO[bytes]) -> str:
    printed.seek(max(0, printed.seek(0, os.SEEK_END) - 4096))
    lines = [line.strip() for line in printed.read().decode(errors="replace").splitlines() if line.strip()]
    return f"; its last line: {lines[-1][:300]}" if lines else ""


def main() -> None:
    """Run in the separate process: read one question, write one answer; other output is kept apart."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    question = decode(sys.stdin.buffer.read(), Question)
    try:
        installed(question.search.sampler)
    except UserError as error:
        sys.exit(str(error))
    from autoloop.search.sampling import answer

    answers.write(msgspec.json.encode(answer(question)))
    answers.flush()


if __name__ == "__main__":
    main()
