"""The migration from schema 4: the hash of a training, which binds approvals and finds duplicates, now covers its trainer.

Up to version 0.1.0 it covered only the config and the extra arguments. A row is changed if its hash matches the old hash of
its config. A row whose config or preset is no longer readable keeps its hash, so the user has to approve it again.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from autoloop.configs import Config, apply, parse_config
from autoloop.files import decoded, read_regular
from autoloop.model import Loop, Proposal, Run, UserError
from autoloop.model.structs import convert, decode
from autoloop.store.portable import from_stored

CONFIGS = 100
"""Base configs kept in memory. Proposals with the same base are consecutive."""


def name_trainers(db: sqlite3.Connection, folder: Path) -> None:
    """Give the runs and proposals of every loop the hashes that today's engine computes. `folder` is the project's."""
    # Imported here because it is needed only once in the life of a store: clients should not load this code.
    from autoloop.trainers import load_preset
    from autoloop.variants.policy import launch_policy

    project = str(folder)
    for (body,) in db.execute("SELECT body FROM loops").fetchall():
        loop = from_stored(decode(body, Loop), project)
        spec = loop.spec
        try:
            now = launch_policy(load_preset(spec.preset), spec.train_script, spec.steps, spec.extra)
        except UserError:
            continue
        then = replace(now, launch_words=spec.extra)
        if now.launch_words != then.launch_words:
            _rename(db, project, loop.id, then.hash, now.hash)


def _rename(
    db: sqlite3.Connection, project: str, loop: int, then: Callable[[Config], str], now: Callable[[Config], str]
) -> None:
    @lru_cache(CONFIGS)
    def config_of(run: str) -> Config | None:
        (body,) = db.execute("SELECT body FROM runs WHERE id = ?", (run,)).fetchone() or (None,)
        if body is None:
            return None
        path = from_stored(decode(body, Run), project).config_path
        try:
            return parse_config(decoded(read_regular(Path(path))), path)
        except (OSError, ValueError, UserError):
            return None

    for (run,) in db.execute("SELECT id FROM runs WHERE loop = ?", (loop,)).fetchall():
        config = config_of(run)
        document = _document(db, "runs", run)
        if config is not None and document["config_hash"] == then(config):
            document["config_hash"] = now(config)
            db.execute("UPDATE runs SET config_hash = ?, body = ? WHERE id = ?", (now(config), _encoded(document), run))
    for (number,) in db.execute("SELECT id FROM proposals WHERE loop = ? ORDER BY id", (loop,)).fetchall():
        document = _document(db, "proposals", number)
        proposal = convert(document, Proposal)
        base = config_of(proposal.base_run)
        try:
            config = apply(base, proposal.changes) if base is not None else None
        except UserError:
            continue
        if config is not None and proposal.config_hash == then(config):
            document["config_hash"] = now(config)
            db.execute("UPDATE proposals SET body = ? WHERE id = ?", (_encoded(document), number))


def _document(db: sqlite3.Connection, table: str, key: object) -> dict[str, Any]:
    document = json.loads(db.execute(f"SELECT body FROM {table} WHERE id = ?", (key,)).fetchone()[0])
    assert isinstance(document, dict)
    return document


def _encoded(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
