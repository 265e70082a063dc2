"""Real loops with a trainer that starts at once: the imports of torch, which take longer than the training, are done once.

Engine, store, supervisors and trainings are those of a user. Only the process that a supervisor starts (`warm_client`) hands
its command line to a server here, which forks: the fork trains, prints to that process's log and gives it the exit code.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from autoloop.configs import Config, parse_config
from autoloop.demo import train as demo_train
from autoloop.demo.options import TrainOptions, read_request
from autoloop.model import Loop, Run
from autoloop.store import Store

from bench.judgement.training import frequencies, prepare

PRESET = """
name = "demo"
title = "the demo's training, torch imported already"
argv = ["{{python}}", "-I", "-S", "{{script}}", "{socket}"]
[flags]
config_path = "{{config}}"
steps = "{{steps}}"
log_freq = "{{log_freq}}"
eval_freq = "{{eval_freq}}"
output_dir = "{{output_dir}}"
job_name = "{{name}}"
"""


class Ended(msgspec.Struct, frozen=True):
    """A loop as its store had it at its end."""

    loop: Loop
    runs: list[Run]
    configs: dict[str, Config]
    """Of each run, by its id."""


@contextlib.contextmanager
def warm_trainer() -> Iterator[Path]:
    """The socket of a server that trains for `warm_client`, as long as the context lasts."""
    with tempfile.TemporaryDirectory(prefix="warm") as folder:
        path = Path(folder) / "socket"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen(64)
            server = multiprocessing.get_context("fork").Process(target=_serve, args=(listener,), daemon=True)
            server.start()
        try:
            yield path
        finally:
            server.kill()
            server.join()


def run_loop(server: Path, configs: dict[str, Config], steps: int, rules: str, words: list[str]) -> Ended:
    """One loop of these configs (by name) through `autoloop-tui run`, with the trainer of `server`; `words`: more of the
    command line. `rules`: a rule book, empty for the shipped one. SystemExit with what it said if it fails."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        (project / "preset.toml").write_text(PRESET.format(socket=server))
        names = []
        for name, config in configs.items():
            (project / f"{name}.json").write_text(json.dumps({**config, "save_checkpoint": False}))
            names.append(f"{name}.json")
        command = [sys.executable, "-m", "autoloop_tui", "run", "--cfgs", *names, "--steps", str(steps)]
        for name, number in frequencies(steps).items():
            command += [f"--{name.replace('_', '-')}", str(number)]
        if rules:
            (project / "rules.toml").write_text(rules)
            command += ["--rules", "rules.toml"]
        command += ["--preset", "preset.toml", "--train-script", str(Path(__file__).with_name("warm_client.py"))]
        command += ["--device", "cpu", "--no-live", "--no-ui", "--exec", *words]
        done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"a loop failed (exit code {done.returncode}): {(done.stdout + done.stderr)[-3000:]}")
        with Store.open(project) as store:
            loop = store.find_loop(None)
            runs = list(store.runs(loop.id))
            return Ended(loop, runs, {run.id: parse_config(Path(run.config_path).read_text(), run.name) for run in runs})


def _serve(listener: socket.socket) -> None:
    prepare()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _train(connection)
        connection.close()


def _train(connection: socket.socket) -> None:
    """In the fork: train as asked. Does not return."""
    code = 1
    try:
        os.setsid()
        asked, fds, _, _ = socket.recv_fds(connection, 1 << 20, 2)
        while not asked.endswith(b"\n"):
            asked += connection.recv(1 << 20)
        for number, fd in enumerate(fds, 1):
            os.dup2(fd, number)
        request: dict[str, Any] = json.loads(asked)
        os.chdir(request["folder"])
        threading.Thread(target=_end_with, args=(connection,), daemon=True).start()
        demo_train.log_to_stderr()
        demo_train.train(read_request(request["argv"]), _Rows)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        with contextlib.suppress(OSError):
            connection.sendall(bytes([code]))
        os._exit(code)


def _end_with(connection: socket.socket) -> None:
    """A supervisor stops the process that it started; the training ends with it."""
    with contextlib.suppress(OSError):
        connection.recv(1)
    os._exit(1)


class _Rows:
    """Stands where a W&B run would: `metrics.jsonl` in the run's output directory."""

    def __init__(self, options: TrainOptions) -> None:
        assert options.output_dir is not None
        folder = Path(options.output_dir)
        folder.mkdir(parents=True)
        self._file = (folder / "metrics.jsonl").open("w", encoding="utf-8")

    def log(self, values: dict[str, Any], step: int) -> None:
        self._file.write(json.dumps({"step": step, **values}) + "\n")
        self._file.flush()

    def finish(self) -> None:
        self._file.close()
