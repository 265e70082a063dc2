"""Check this machine: its GPUs, the disk of the output root, and whether the engine survives a logout."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from autoloop.disk import existing, free_below
from autoloop.gpus import GIB, Gpu, GpuReport
from autoloop.metric_readers import native
from autoloop.model import LoopSpec
from autoloop.preflight.finding import Finding, error, ok, warning

LITTLE_ROOM = 10 * GIB
"""Free bytes below which there is a warning. A checkpoint of a small policy with its optimiser takes about 1 GiB."""
BUSY_MEMORY = GIB
"""Used bytes from which on a GPU counts as in use; a driver and a desktop use less."""


def gpus(spec: LoopSpec, report: GpuReport) -> list[Finding]:
    if spec.device == "cpu":
        return [ok("GPUs", "none requested: the runs train on the CPU")]
    if spec.elsewhere:
        return []
    if report.error:
        return [error("GPUs", f"none can be used ({report.error})", "check the driver, or use --device cpu to debug")]
    return cards(spec.gpus, report)


def cards(
    indices: Sequence[int],
    report: GpuReport,
    *,
    subject: str = "GPU",
    owner: str = "this machine",
    advice: str = "choose with --gpus",
) -> list[Finding]:
    """A finding for each of these GPUs of one machine."""
    there = {gpu.index: gpu for gpu in report.gpus}
    have = ", ".join(map(str, there)) or "none"
    return [
        _gpu(f"{subject} {index}", there[index])
        if index in there
        else error(f"{subject} {index}", f"{owner} has none with that index; it has {have}", advice)
        for index in indices
    ]


def _gpu(subject: str, gpu: Gpu) -> Finding:
    used, total = gpu.memory_used, gpu.memory_total
    room = f", {(total - used) / GIB:.1f} of {total / GIB:.0f} GiB free" if used is not None and total else ""
    if gpu.processes:
        who = "; ".join(process.words for process in gpu.processes)
        text = f"{gpu.name}{room}; used by {who}"
        return warning(subject, text, "a run on it may run out of memory: wait, or choose another")
    if used is not None and used > BUSY_MEMORY:
        text = f"{gpu.name}{room}, by processes that are not visible from here"
        return warning(subject, text, "a run on it may run out of memory: check with nvidia-smi on the host")
    return ok(subject, f"{gpu.name}{room}, not in use")


def output_root(spec: LoopSpec, min_free: int) -> Finding:
    root = Path(spec.output_root)
    nearest = existing(root)
    if not nearest.is_dir():
        return error("output root", f"{nearest} is a file, not a folder", "choose another with --output-root")
    if not os.access(nearest, os.W_OK | os.X_OK):
        return error("output root", f"you may not write to {nearest}", "choose another with --output-root")
    free = free_below(root)
    text = f"{root}, {free / GIB:.1f} GiB free"
    if free < min_free:
        advice = f"no run starts below {min_free / 1e9:g} GB (min_free_gb): free some space, or choose another --output-root"
        return error("output root", text, advice)
    if free < LITTLE_ROOM:
        return warning(
            "output root", text, "checkpoints may fill it: free some space, or save fewer (save_freq in the config)"
        )
    return ok("output root", text)


def terminal(environment: Mapping[str, str]) -> list[Finding]:
    """Check the settings that affect the console: tmux keeps it alive, the locale determines its characters."""
    if environment.get("TMUX"):
        found = [ok("tmux", "the console runs in tmux and survives a lost connection")]
    elif shutil.which("tmux", path=environment.get("PATH", os.defpath)):
        found = [ok("tmux", "not in tmux: the console ends with the connection, the loop continues")]
    else:
        found = [ok("tmux", "not installed: the console ends with the connection, the loop continues")]
    name = next((environment[key] for key in ("LC_ALL", "LC_CTYPE", "LANG") if environment.get(key)), "")
    if "utf8" in name.lower().replace("-", ""):
        return [*found, ok("locale", name)]
    text = f"{name or 'none is set'}, without Unicode: the console draws with ASCII"
    return [*found, warning("locale", text, "export LANG=C.UTF-8")]


def reader() -> Finding:
    """Report whether the compiled reader of W&B files is installed; reading is slower without it."""
    if native.compiled is not None:
        return ok("W&B files", "read by the compiled reader")
    text = "read without the compiled reader, about four times as slowly; installing with a C compiler builds it"
    return ok("W&B files", text)


def linger() -> Finding:
    """Check whether systemd kills the user's processes at logout."""
    advice = "run once: loginctl enable-linger"
    try:
        group = Path("/proc/self/cgroup").read_text(encoding="utf-8")
    except OSError:
        group = ""
    uid = os.getuid()
    if uid == 0 or f"user-{uid}.slice" not in group:
        return ok("logout", "the loop survives logout")
    if _lingers(uid):
        return ok("logout", "lingering is enabled, so the loop survives logout")
    if f"user@{uid}.service" in group:
        return warning(
            "logout", "this shell belongs to your systemd user manager, which kills the loop when you log out", advice
        )
    if _kills_at_logout():
        return warning("logout", "this machine kills your processes, including the loop, when you log out", advice)
    return ok("logout", "this machine keeps your processes running after logout")


def _lingers(uid: int) -> bool:
    import pwd

    try:
        return Path("/var/lib/systemd/linger", pwd.getpwuid(uid).pw_name).exists()
    except (KeyError, OSError):
        return False


def _kills_at_logout() -> bool:
    where = "org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager KillUserProcesses"
    try:
        done = subprocess.run(
            ["busctl", "get-property", *where.split()], capture_output=True, text=True, timeout=2, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.stdout.strip() == "b true"
