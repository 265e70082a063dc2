"""Explains to users why a host cannot be used, from the output of ssh and the remote shell."""

from __future__ import annotations

from autoloop.model import HostSpec

SAID = (
    ("remote host identification has changed", "the host key has changed: see ~/.ssh/known_hosts"),
    ("host key verification failed", "the host key is unknown: connect once by hand with `ssh {to}`"),
    ("permission denied", "the host refuses your key: `ssh {to} true` must work without a password"),
    ("too many authentication failures", "the host refuses your keys: set the right one in ~/.ssh/config"),
    ("could not resolve hostname", "its name cannot be resolved"),
    ("connection refused", "no SSH server is listening there"),
    ("connection timed out", "it does not answer"),
    ("operation timed out", "it does not answer"),
    ("timed out during banner exchange", "it does not answer"),
    ("no route to host", "there is no route to it"),
    ("network is unreachable", "the network is unreachable"),
    ("connection reset", "it closed the connection"),
    ("broken pipe", "the connection was cut"),
    ("connection closed", "it closed the connection"),
    ("not responding", "the connection was cut"),
    ("bad configuration option", "ssh cannot read ~/.ssh/config"),
    ("no such file or directory", "there is no Python {python} there: set python in [[host]]"),
    ("command not found", "there is no Python {python} there: set python in [[host]]"),
    ("not found", "there is no Python {python} there: set python in [[host]]"),
    ("unknown option: -i", "{python} there is not Python 3: set python in [[host]]"),
    ("no space left", "its disk is full"),
    ("disk quota exceeded", "your quota there is used up"),
)
"""Printed text and the sentence for it; the first match wins."""

NOISY = "its shell prints too much before a command starts"


def why(host: HostSpec, printed: str, code: int | None) -> str:
    """Return the reason as one sentence without a full stop."""
    lower = printed.lower()
    for said, sentence in SAID:
        if said in lower:
            return sentence.format(to=host.destination, python=host.python)
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    if lines:
        return lines[-1][:200]
    return "the connection was cut" if code is None or code <= 0 else f"ssh exited with code {code}"


def unfit(system: str, *, pidfd: bool) -> str | None:
    """Return why runs cannot be followed on a machine; None if they can."""
    if system != "Linux":
        return f"it runs {system}, but Linux is needed"
    if not pidfd:
        return "its kernel or its Python has no pidfd: Linux 5.3 or newer, and a Python built for it, are needed"
    return None


def another_machine(host: HostSpec, now: str, before: str) -> str:
    return (
        f"{host.destination} leads to another machine, {now}, while runs are on {before}: make the name resolve to one "
        "machine, in ~/.ssh/config or with an address in [[host]]"
    )


def too_old(host: HostSpec, version: str) -> str:
    return f"{host.python} there is Python {version}, but 3.9 or newer is needed: set python in [[host]]"
