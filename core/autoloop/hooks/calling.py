"""Calls a hook once, in its own process with limits on time and output, and interprets the answer."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from autoloop import isolated
from autoloop.hooks.hook import unset
from autoloop.hooks.request import AddressError, Request, line, request, variables
from autoloop.hooks.service import Target
from autoloop.secrets import HELD, long_enough, of_environment

AGENT = "autoloop-tui"
KEPT = 16 << 10
"""The last bytes of output are kept, up to this number: enough for the longest answer as JSON (6 times `post.MOST`)."""
SHOWN = 200
"""Characters of an answer that are shown."""
STARTING = 5.0
"""Seconds that the process of a request may take in addition to the request."""
AFTER_EXIT = 0.2
"""Seconds for reading the remaining output after the exit, because another process may keep the pipe open."""
AGAIN = (408, 425, 429)
"""The 4xx statuses after which the same message may be accepted later."""


class Reply(NamedTuple):
    ok: bool
    text: str
    """The answer or the error: one line, without secrets."""
    final: bool = False
    """Whether a retry would fail again."""
    wait: float | None = None
    """Seconds to wait, if the answer asks for that."""


def call(target: Target, told: Mapping[str, Any], environment: Mapping[str, str], project: Path) -> Reply:
    """Call a hook once. Never raises, and returns at the latest soon after the hook's timeout."""
    hook = target.hook
    if target.problem:
        return Reply(False, target.problem, final=True)
    if missing := unset(hook, environment):
        verb = "is" if len(missing) == 1 else "are"
        return Reply(False, f"{' and '.join(missing)} {verb} not set in the environment of the engine", final=True)
    known = of_environment(environment) + long_enough(environment[name] for name in hook.variables)
    try:
        if hook.command is not None:
            reply = _command(hook.argv, told, environment, project, hook.timeout)
        else:
            made = request(hook, target.service, told, environment, time.time(), AGENT)
            reply = _web(target, made, environment, project)
    except AddressError as error:
        reply = Reply(False, str(error), final=True)
    except OSError as error:
        reply = Reply(False, f"no process could be started ({error.strerror})")
    return reply._replace(text=line(reply.text, known, SHOWN))


def _command(argv: list[str], told: Mapping[str, Any], environment: Mapping[str, str], project: Path, limit: float) -> Reply:
    given = {name: value for name, value in environment.items() if not name.startswith(HELD)}
    try:
        said = json.dumps(told, ensure_ascii=False) + "\n"
        code, output = _run(argv, said, given | variables(told), project, limit, errors=subprocess.STDOUT)
    except (FileNotFoundError, PermissionError) as error:
        return Reply(False, f"{argv[0]} cannot be run ({error.strerror})", final=True)
    last = output.strip().rpartition("\n")[2].strip()
    if code is None:
        return Reply(False, f"it did not end within {limit:g} s and was killed")
    what = f"exit code {code}" if code >= 0 else f"signal {-code}"
    return Reply(code == 0, f"{what}: {last}" if last else what)


def _web(target: Target, made: Request, environment: Mapping[str, str], project: Path) -> Reply:
    hook = target.hook
    asked = {"url": made.url, "headers": made.headers, "body": made.body, "timeout": hook.timeout}
    command = isolated.command("autoloop.hooks.post")
    code, output = _run(command, json.dumps(asked), environment, project, hook.timeout + STARTING, errors=subprocess.DEVNULL)
    try:
        answer = json.loads(output)
    except ValueError:
        return Reply(False, f"it did not answer within {hook.timeout:g} s" if code is None else "the request failed")
    if "error" in answer:
        return Reply(False, answer["error"])
    return _understood(target, answer)


def _understood(target: Target, answer: Mapping[str, Any]) -> Reply:
    status, body, wait = answer["status"], answer["body"], answer.get("wait")
    text = f"HTTP {status}: {body}" if body.strip() else f"HTTP {status}"
    if 300 <= status < 400:
        to = f" to {answer['to']}" if answer.get("to") else ""
        return Reply(False, f"HTTP {status}: it redirects{to}, which is not followed", final=True)
    if not 200 <= status < 300:
        return Reply(False, text, final=400 <= status < 500 and status not in AGAIN, wait=wait)
    service = target.service
    if service is None or not service.success:
        return Reply(True, text)
    try:
        document = json.loads(body)
        code = int(next(document[key] for key in service.success if key in document))
    except (ValueError, TypeError, StopIteration):
        return Reply(False, f"its answer has no {' or '.join(service.success)}: {text}")
    wait = max(wait or 0.0, service.busy_pause) if code in service.busy else wait
    return Reply(code == 0, text, final=code in service.final, wait=wait)


def _run(
    argv: list[str], given: str, environment: Mapping[str, str], folder: Path, limit: float, *, errors: int
) -> tuple[int | None, str]:
    """Run a process. Returns the exit code (None if it had to be killed) and the end of its output.

    `errors` is the destination of its standard error. Raises OSError.
    """
    process = subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        cwd=folder,
        env=dict(environment),
        start_new_session=True,
    )
    try:
        output = _exchange(process, given.encode("utf-8", "replace"), time.monotonic() + limit)
    finally:
        code = process.poll()
        if code is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
    return code, output.decode("utf-8", "replace")


def _exchange(process: subprocess.Popen[bytes], given: bytes, deadline: float) -> bytes:
    """Write `given` and read output until the process has ended or the deadline is reached."""
    assert process.stdin is not None
    assert process.stdout is not None
    into, out = process.stdin.fileno(), process.stdout.fileno()
    os.set_blocking(into, False)
    kept, ended = b"", None
    with selectors.DefaultSelector() as selector:
        selector.register(into, selectors.EVENT_WRITE)
        selector.register(out, selectors.EVENT_READ)
        while (now := time.monotonic()) < deadline and (ended is None or now < ended + AFTER_EXIT):
            for key, _ in selector.select(0.05):
                if key.fd == out:
                    piece = os.read(out, 1 << 16)
                    kept = (kept + piece)[-KEPT:]
                    if not piece:
                        selector.unregister(out)
                else:
                    with contextlib.suppress(BrokenPipeError):
                        given = given[os.write(into, given[: 1 << 16]) :]
                        if given:
                            continue
                    selector.unregister(into)
                    process.stdin.close()
            if ended is None and process.poll() is not None:
                ended = time.monotonic()
            if ended is not None and out not in selector.get_map():
                break
    return kept
