"""The GPUs of this machine and their processes, from nvidia-smi; read in a thread, as a broken driver may never answer."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import threading
from collections.abc import Callable

PATIENCE = 20.0
CARDS = "index,uuid,name,utilization.gpu,memory.used,memory.total,power.draw,temperature.gpu"
PROCESSES = "gpu_uuid,pid,used_gpu_memory,process_name"
MIB = 1 << 20


class Reader:
    """Runs one reading at a time. `answer` belongs to the request numbered `answered`."""

    def __init__(self, read: Callable[[], dict[str, object]]) -> None:
        self._what = read
        self.asked = self.answered = 0
        self.answer: dict[str, object] = {}
        self._thread: threading.Thread | None = None

    def ask(self) -> None:
        """Start a reading, unless one is running."""
        if self._thread is None or not self._thread.is_alive():
            self.asked += 1
            self._thread = threading.Thread(target=self._read, args=(self.asked,), daemon=True)
            self._thread.start()

    def wait(self, seconds: float) -> None:
        if self._thread is not None:
            self._thread.join(seconds)

    def _read(self, question: int) -> None:
        try:
            answer = self._what()
        except (OSError, ValueError) as error:
            answer = {"error": f"nvidia-smi cannot be used: {error}"}
        self.answer, self.answered = answer, question


def read_loads() -> dict[str, object]:
    """Like `read`, without processes."""
    return read(processes=False)


def read(*, processes: bool = True) -> dict[str, object]:
    """Return a dict with `gpus`, or with an `error` message."""
    if shutil.which("nvidia-smi") is None:
        return {"error": "no nvidia-smi on PATH"}
    try:
        cards = [_card(line) for line in _ask(f"--query-gpu={CARDS}")]
        running = _ask(f"--query-compute-apps={PROCESSES}") if processes else []
    except subprocess.TimeoutExpired:
        return {"error": f"nvidia-smi does not answer within {PATIENCE:.0f} s"}
    except subprocess.CalledProcessError as error:
        said = (error.stdout or error.stderr or "").strip().splitlines()
        return {"error": f"nvidia-smi fails: {said[0] if said else f'code {error.returncode}'}"}
    by_uuid = {card["uuid"]: card for card in cards}
    for fields in running:
        if len(fields) == 4 and fields[1].isdigit() and (card := by_uuid.get(fields[0])) is not None:
            card["processes"].append(_process(int(fields[1]), _number(fields[2]), fields[3]))  # type: ignore[attr-defined]
    return {"gpus": cards}


def _ask(query: str) -> list[list[str]]:
    done = subprocess.run(
        ["nvidia-smi", query, "--format=csv,noheader,nounits"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=PATIENCE,
        check=True,
    )
    return [[field.strip() for field in line.split(",")] for line in done.stdout.splitlines() if line.strip()]


def _card(fields: list[str]) -> dict[str, object]:
    if len(fields) != 8 or not fields[0].isdigit():
        raise ValueError(f"it prints {','.join(fields)[:100]}")
    load, used, total, power, heat = (_number(field) for field in fields[3:])
    return {
        "index": int(fields[0]),
        "uuid": fields[1],
        "name": fields[2],
        "utilisation": None if load is None else int(load),
        "memory_used": None if used is None else int(used * MIB),
        "memory_total": None if total is None else int(total * MIB),
        "power": power,
        "temperature": None if heat is None else int(heat),
        "processes": [],
    }


def _number(field: str) -> float | None:
    try:
        return float(field)
    except ValueError:  # [N/A]
        return None


def _process(pid: int, memory: float | None, name: str) -> dict[str, object]:
    found: dict[str, object] = {"pid": pid, "name": os.path.basename(name), "here": True, "compute": True}
    found["memory"] = None if memory is None else int(memory * MIB)
    try:
        found["user"] = pwd.getpwuid(os.stat(f"/proc/{pid}").st_uid).pw_name
    except (OSError, KeyError):
        found["here"] = os.path.exists(f"/proc/{pid}")
    return found
