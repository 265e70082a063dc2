"""`fetch-config`: write configs of W&B runs as files for the trainer."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

from autoloop.files import read_regular, read_text
from autoloop.model import Config, UserError
from autoloop.settings import load_settings
from cyclopts import Parameter

from autoloop_tui.cli.output import printing
from autoloop_tui.cli.run_flags import wandb_place


def fetch_config(
    *runs: str,
    run: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    entity: str | None = None,
    project: str | None = None,
    out: Annotated[Path, Parameter(name=["--out", "--out-dir"])] = Path("."),
    like: Path | None = None,
    timeout: float = 60.0,
) -> int:
    """Write the configs of W&B runs to fromwandb_<id>.json: nested, without W&B's own keys, integers kept as integers.

    Existing files are never overwritten. Needs a W&B key (WANDB_API_KEY, or `wandb login`).

    Parameters
    ----------
    runs
        Run ids, or unique run names.
    run
        The same, as a flag.
    entity
        W&B entity (or autoloop.toml, under [wandb]).
    project
        W&B project (or autoloop.toml, under [wandb]).
    out
        The output folder.
    like
        A config of the same trainer; numbers take its types (W&B returns 10 for 10.0).
    timeout
        Timeout in seconds.
    """
    from autoloop.configs import dump_config, parse_config
    from autoloop.wandb_cloud.client import CloudRun, Project
    from autoloop.wandb_cloud.run_config import file_name, trainer_config

    wanted = list(dict.fromkeys([*runs, *(run or [])]))
    if not wanted:
        raise UserError("Name at least one run; `autoloop-tui analyze-wandb` lists their ids.")
    if not timeout >= 1:
        raise UserError(f"--timeout must be at least 1, not {timeout:g}.")
    settings = load_settings(Path.cwd())
    reference = None if like is None else parse_config(read_text(like, "config"), str(like))
    deadline = time.monotonic() + timeout
    where = Project(os.environ, deadline, *wandb_place(entity, project, settings))
    found = list(where.named(wanted))
    texts: dict[Path, tuple[CloudRun, Config, str]] = {}
    for each in found:  # check all of them before writing the first
        config = trainer_config(each.config, settings.field_types(), reference)
        if not config:
            raise UserError(f"The run {each.id} has no config on W&B; nothing was written.")
        path, text = out / file_name(each.id), dump_config(config)
        if path in texts and texts[path][0].id != each.id:
            raise UserError(f"{texts[path][0].id} and {each.id} would both be written to {path}; fetch them separately.")
        if os.path.lexists(path) and _content(path) != text:
            raise UserError(f"{path} already exists with other content; move it, or choose another --out.")
        texts[path] = (each, config, text)
    for path, (each, config, text) in texts.items():
        new = _write(path, text)
        print(f"{'Wrote' if new else 'Unchanged:'} {printing.printable(f'{path} ({each.name})')}")
        if config.get("resume") is True:
            print("  It has resume = true: set it to false, or the trainer will look for a checkpoint.")
    return 0


def _content(path: Path) -> str | None:
    try:
        return read_regular(path).decode()
    except (OSError, UnicodeDecodeError):
        return None


def _write(path: Path, text: str) -> bool:
    """Write a new file and return True; return False if it already exists with this content.

    Never leaves a partial file behind.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("x", encoding="utf-8")
    except FileExistsError:
        if _content(path) == text:
            return False
        raise UserError(f"{path} cannot be written: it exists and is not a regular file.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}; name another --out.") from None
    try:
        with file:
            file.write(text)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise UserError(f"{path} cannot be written: {error.strerror}; name another --out.") from None
    return True
