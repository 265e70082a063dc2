"""From whom tests send requests."""

from __future__ import annotations

from autoloop.model import Sender


def person(name: str = "ada") -> Sender:
    """Somebody at a terminal, who may ask for everything."""
    return Sender(user=name, terminal="/dev/pts/7")


def script(name: str = "ada") -> Sender:
    """A command of somebody that has no terminal."""
    return Sender(user=name)


def agent(name: str = "codex", user: str = "ada") -> Sender:
    return Sender(user=user, agent=name, terminal="/dev/pts/7")
