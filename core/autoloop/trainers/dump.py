"""Reads the complete config of a trainer from the output of the preset's `dump` command."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import tempfile

from autoloop.model import UserError
from autoloop.secrets import mask
from autoloop.trainers.presets import PLACEHOLDER, Preset
from autoloop.trainers.programs import program_path

PATIENCE = 180.0
"""Seconds for the command, which imports the same modules as the trainer, perhaps from a cold network disk."""
LARGEST = 16 << 20
"""Maximum bytes of a config."""
_YAML_KEY = re.compile(r"[\w\"'][^\s:]*\s*:(\s|$)|---(\s|$)")


def dumped(preset: Preset, python: str, cwd: str, device: str, *, script: str | None = None, config: str = "") -> str:
    """Return the output of the preset's `dump` for the file `config`. Raises UserError if the command fails, hangs or prints
    nothing; for a failure, the message includes the last line of stderr."""
    values = {
        "python": python,
        "config": config,
        "config_dir": os.path.dirname(config),
        "config_name": os.path.splitext(os.path.basename(config))[0],
        "device": device,
        "cwd": cwd,
    }
    argv = [
        (script or preset.script) if word == "{script}" else PLACEHOLDER.sub(lambda match: values[match[1]], word)
        for word in preset.dump
    ]
    argv[0] = program_path(argv[0], python)
    code, out, said = _run(argv, cwd, _environment(preset, cwd))
    shown = shlex.join(argv)
    if code is None:
        raise UserError(f"dump took longer than {PATIENCE:.0f} s and was ended: {shown}.")
    if code:
        last = said or out
        lines = [line.strip() for line in last.splitlines() if line.strip()]
        why = mask(lines[-1][:300]) if lines else "it printed nothing"
        raise UserError(f"dump exited with code {code} ({why}): {shown}.")
    text = _document(out)
    if not text.strip():
        raise UserError(f"dump printed no config: {shown}.")
    return text


def _run(argv: list[str], cwd: str, environment: dict[str, str]) -> tuple[int | None, str, str]:
    """Return exit code (None: timeout), stdout and the end of stderr. Files, as a child process may keep a pipe open."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=said,
                cwd=cwd,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            raise UserError(f"dump cannot be started ({error.strerror}): {shlex.join(argv)}.") from None
        code: int | None = None
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = process.wait(PATIENCE)
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)  # including its children
            process.wait()
        out.seek(0)
        said.seek(max(0, said.seek(0, os.SEEK_END) - 4096))
        return code, out.read(LARGEST).decode(errors="replace"), said.read().decode(errors="replace")


def _environment(preset: Preset, cwd: str) -> dict[str, str]:
    folders = [os.path.join(cwd, folder) for folder in preset.python_path]
    path = [*filter(os.path.isdir, folders), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "WANDB_MODE": "disabled", **({"PYTHONPATH": os.pathsep.join(path)} if path else {})}


def _document(out: str) -> str:
    """Return `out` without lines that a library printed before the config."""
    lines = out.splitlines(keepends=True)
    for number, line in enumerate(lines):
        if line.lstrip().startswith("{") or _YAML_KEY.match(line) or line.startswith("#"):
            return "".join(lines[number:])
    return out
