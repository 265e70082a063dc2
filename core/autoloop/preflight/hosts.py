"""Check whether each host can be reached, and whether runs could start on it."""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ThreadPoolExecutor

import msgspec

from autoloop.gpus import GIB, GpuReport
from autoloop.model import HostSpec, LoopSpec, UserError
from autoloop.model.structs import convert
from autoloop.preflight.finding import Finding, error, ok, warning
from autoloop.preflight.machine import LITTLE_ROOM, cards
from autoloop.runners.ssh.connection import Connection, RefusedError, UnreachableError, connect
from autoloop.runners.ssh.paths import default_folder
from autoloop.runners.ssh.project import Code
from autoloop.text.plural import plural

PATIENCE = 30.0
"""Maximum seconds to wait for a host."""
APART = 60.0
"""Difference between two clocks, in seconds, from which on it is reported."""


def hosts(spec: LoopSpec, min_free: int) -> list[Finding]:
    """Check all hosts of a loop in parallel; nothing if it uses none. An unreachable host is an error only if the loop has
    no other place; otherwise the loop runs without it."""
    if not spec.hosts:
        return []
    with ThreadPoolExecutor(len(spec.hosts)) as pool:
        found = list(pool.map(lambda host: _host(host, spec, min_free), spec.hosts))
    names = {host.name for host in spec.hosts}
    if any(len(each) > 1 for each in found) or any(slot.place not in names for slot in spec.slots):
        found = [each if len(each) > 1 else [_done_without(each[0])] for each in found]
    return [*_code(spec), *itertools.chain.from_iterable(found)]


def _done_without(unreached: Finding) -> Finding:
    text = f"{unreached.text}; the loop continues without it and uses it once it answers"
    return msgspec.structs.replace(unreached, level="warning", text=text)


def _code(spec: LoopSpec) -> list[Finding]:
    if all(host.shared for host in spec.hosts):
        return []
    try:
        _, paths = Code(spec).digest()
    except (UserError, OSError) as problem:
        return [error("code for hosts", str(problem), "fix .gitignore")]
    return [ok("code for hosts", f"{plural(len(paths), 'file')} of {spec.cwd}, sent again only when they change")]


def _host(host: HostSpec, spec: LoopSpec, min_free: int) -> list[Finding]:
    began = time.monotonic()
    try:
        connection, hello = connect(host, patience=PATIENCE)
    except UnreachableError as problem:
        advice = f"`ssh {host.destination} {host.python} --version` must work from a shell; or omit this host from --hosts"
        return [error(host.name, f"it cannot be used: {problem}", advice)]
    version = ".".join(map(str, hello.python))
    text = f"reached {hello.node} in {time.monotonic() - began:.1f} s; Python {version} ({hello.executable})"
    reached = ok(host.name, text)
    try:
        folder, gpus = _folder(host, default_folder(host, spec), connection, min_free), _gpus(host, spec, connection)
    except UnreachableError as problem:
        return [reached, error(host.name, f"then it stopped responding: {problem}", "try again")]
    finally:
        connection.close()
    return [reached, _clock(host, -connection.skew), *folder, *gpus]


def _clock(host: HostSpec, apart: float) -> Finding:
    if abs(apart) < APART:
        return ok(f"{host.name} clock", "as here")
    side = "ahead of" if apart > 0 else "behind"
    text = f"it is {abs(apart):.0f} s {side} this machine; the times of its runs are corrected"
    return warning(f"{host.name} clock", text, "set it on the host, for example with: timedatectl set-ntp true")


def _folder(host: HostSpec, folder: str, connection: Connection, min_free: int) -> list[Finding]:
    """Check the project's folder on the host and the data mapped to it. Unless `shared`, a missing folder is created, to
    prove that this is possible."""
    subject = f"{host.name} folder"
    try:
        answer = connection.ask("settle", {"folder": folder, "make": not host.shared, "look": list(host.data.values())})
    except RefusedError as problem:
        advice = "choose another with folder in [[host]], or free some space"
        return [error(subject, f"{folder} cannot be used: {problem}", advice)]
    if answer.get("missing"):
        text = f"there is no {answer['folder']} there, although [[host]] declares it shared"
        return [error(subject, text, "set folder in [[host]] to its path on that machine, or omit shared")]
    absent = [
        error(f"{host.name} data", f"{there} does not exist there, but [[host]] maps {here} to it", "fix data in [[host]]")
        for here, there in host.data.items()
        if there in answer["absent"]
    ]
    ends = []
    if answer["ends"]:
        text = "it kills your processes, including runs, when the connection ends (KillUserProcesses=yes)"
        advice = "set KillUserProcesses=no, or add yourself to KillExcludeUsers, in its /etc/systemd/logind.conf"
        ends = [warning(f"{host.name} logout", text, advice)]
    return [_space(subject, str(answer["folder"]), int(answer["free"]), min_free), *absent, *ends]


def _space(subject: str, folder: str, free: int, min_free: int) -> Finding:
    text = f"{folder}, {free / GIB:.1f} GiB free"
    if free < min_free:
        return error(subject, text, f"less than min_free_gb ({min_free / 1e9:g} GB): free some space there")
    if free < LITTLE_ROOM:
        return warning(subject, text, "checkpoints may fill it: free some space, or save fewer (save_freq in the config)")
    return ok(subject, text)


def _gpus(host: HostSpec, spec: LoopSpec, connection: Connection) -> list[Finding]:
    if spec.device == "cpu":
        return []
    try:
        answer = connection.ask("poll", {"follow": [], "forget": [], "gpus": PATIENCE, "room": 0})
        report = convert(answer["gpus"], GpuReport)
    except (RefusedError, msgspec.ValidationError) as problem:
        report = GpuReport(error=str(problem))
    if report.error or not report.gpus:
        text = f"none can be seen ({report.error or 'nvidia-smi does not answer'})"
        return [error(f"{host.name} GPUs", text, f"`ssh {host.destination} nvidia-smi` must work, or use --device cpu")]
    advice = "fix gpus in [[host]]"
    return cards(host.gpus, report, subject=f"{host.name} GPU", owner=host.name, advice=advice)
