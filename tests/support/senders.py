"""The senders of requests in tests."""

from __future__ import annotations

from autoloop.model import Sender


def person(name: str = "ada") -> Sender:
    """A person at a terminal, who may request anything."""
    return Sender(user=name, terminal="/dev/pts/7")


def script(name: str = "ada") -> Sender:
    """A person's command without a terminal."""
    return Sender(user=name)


def agent(name: str = "codex", user: str = "ada") -> Sender:
    return Sender(user=user, agent=name, terminal="/dev/pts/7")
