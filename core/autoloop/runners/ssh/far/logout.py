"""Detects whether systemd kills processes at logout. Standard library only, because it is sent to other hosts."""

from __future__ import annotations

import os
import subprocess

MANAGER = ("org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager")
SETTINGS = ("KillUserProcesses", "KillExcludeUsers", "KillOnlyUsers")


def ends_what_is_left() -> bool:
    """Whether KillUserProcesses ends all processes of a session with it. Lingering does not protect them."""
    try:
        with open("/proc/self/cgroup", encoding="utf-8") as file:
            group = file.read()
    except OSError:
        return False
    uid = os.getuid()
    if uid == 0 or f"user-{uid}.slice/session-" not in group:
        return False
    words = ["busctl", "get-property", *MANAGER, *SETTINGS]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=2, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    kills, *users = [*done.stdout.splitlines(), "", "", ""][:3]
    user = f'"{_name(uid)}"'
    return kills == "b true" and user not in users[0] and (user in users[1] or users[1] in ("", "as 0"))


def _name(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
