"""The `Runner` of this machine: attempts are local processes, and the engine wakes as soon as one ends."""

from __future__ import annotations

import os
import select
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from autoloop.gpus import Watcher
from autoloop.model import Attempt
from autoloop.runners import local
from autoloop.runners.runner import AttemptLoss, AttemptSpec, End, News, OngoingAttempt


@dataclass(frozen=True)
class _WatchedAttempt:
    """A followed attempt. With a supervisor in another container it has no pidfd: its files and `pulse` are checked."""

    attempt: str
    directory: Path
    handle: local.Handle
    pidfd: int | None
    pulse: local.Pulse | None = None

    def over(self) -> bool:
        if self.pidfd is not None:
            return local.has_ended(self.pidfd)
        return self.pulse is not None and ((self.directory / "exit.json").exists() or self.pulse.silent())


class LocalRunner:
    """The `Runner` of this machine."""

    trouble: str | None = None

    def __init__(self) -> None:
        self.gpus, self.loads = Watcher(), Watcher(processes=False)
        self._watched: dict[str, _WatchedAttempt] = {}
        self._epoll = select.epoll()
        self._by_fd: dict[int, str] = {}

    def submit(self, attempt: Attempt, spec: AttemptSpec, env: Mapping[str, str]) -> dict[str, Any]:
        handle = local.start(spec, env)
        # It is our own child, so its pid cannot be reused before we reap it.
        self._watch(_WatchedAttempt(attempt.id, spec.directory, handle, os.pidfd_open(handle.pid)))
        return handle.to_dict()

    def reattach(self, attempt: Attempt) -> OngoingAttempt | End:
        directory, handle = Path(attempt.directory), handle_of(attempt)
        state = local.inspect(directory, attempt.id, handle)
        if isinstance(state, AttemptLoss) and handle and handle.elsewhere:
            state = local.Alive(handle)  # only following it shows whether it is silent or its clock differs
        if not isinstance(state, local.Alive):
            return _cleaned(state, attempt.id, directory, handle)
        handle = state.handle
        if handle.elsewhere:
            self._watch(_WatchedAttempt(attempt.id, directory, handle, None, local.Pulse(directory)))
            return OngoingAttempt(handle.to_dict(), "in another container; its files are being followed")
        pidfd = local.open_pidfd(handle)
        if pidfd is None:
            return _end(attempt.id, directory, handle)
        self._watch(_WatchedAttempt(attempt.id, directory, handle, pidfd))
        return OngoingAttempt(handle.to_dict())

    def stop(self, attempt: Attempt, *, kill: bool) -> None:
        if handle := handle_of(attempt):
            local.request_stop(handle, Path(attempt.directory), kill=kill)

    def fileno(self) -> int:
        return self._epoll.fileno()

    def news(self) -> list[News]:
        over = [self._by_fd[fd] for fd, _ in self._epoll.poll(0)]
        over += [id_ for id_, each in self._watched.items() if each.pidfd is None and each.over()]
        news: list[News] = []
        for id_ in over:
            each = self._watched.pop(id_)
            self._close(each)
            news.append((id_, _end(id_, each.directory, each.handle)))
        local.reap()
        return news

    def any_left(self) -> bool:
        local.reap()
        return not all(each.over() for each in self._watched.values())

    def close(self) -> None:
        for each in self._watched.values():
            self._close(each)
        self._watched.clear()
        self._epoll.close()

    def _watch(self, each: _WatchedAttempt) -> None:
        self._watched[each.attempt] = each
        if each.pidfd is not None:
            self._by_fd[each.pidfd] = each.attempt
            self._epoll.register(each.pidfd, select.EPOLLIN)

    def _close(self, each: _WatchedAttempt) -> None:
        if each.pidfd is not None:
            self._epoll.unregister(each.pidfd)
            del self._by_fd[each.pidfd]
            os.close(each.pidfd)


def handle_of(attempt: Attempt) -> local.Handle | None:
    return local.Handle.from_dict(attempt.handle) if attempt.handle else None


def _end(attempt_id: str, directory: Path, handle: local.Handle) -> End:
    state = local.inspect(directory, attempt_id, handle)
    if isinstance(state, local.Alive):
        state = AttemptLoss("its supervisor exited without a record")
    return _cleaned(state, attempt_id, directory, handle)


def _cleaned(end: End, attempt_id: str, directory: Path, handle: local.Handle | None) -> End:
    """Return the end of an attempt; if its supervisor vanished, first end its left-over processes."""
    if not isinstance(end, AttemptLoss):
        return end
    if (handle and handle.elsewhere) or not end.ours:
        local.give_up(directory)
        return end
    killed = local.sweep(attempt_id, directory)
    if not killed:
        return end
    reason = f"{end.reason}; {killed} left-over process{'es' if killed > 1 else ''} ended"
    return msgspec.structs.replace(end, reason=reason)
