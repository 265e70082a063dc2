"""Starts attempts on a host: sends the code once per hash, and the command with its paths translated to the host's."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from autoloop.model import Attempt
from autoloop.runners.runner import AttemptSpec
from autoloop.runners.ssh.connection import Connection
from autoloop.runners.ssh.paths import CONFIGS, Layout, PathMap
from autoloop.runners.ssh.project import Code

PIECE = 256 << 10
"""Bytes of an archive sent in one request."""
TRAVELS = (
    "WANDB_API_KEY",
    "WANDB_BASE_URL",
    "WANDB_ENTITY",
    "WANDB_PROJECT",
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "WANDB_RUN_ID",
)
"""Environment variables that are passed from this machine to commands on a host; all others are the host's own."""
HELD = "AUTOLOOP_SECRET_"


class Starter:
    """Owned by a runner's thread."""

    def __init__(self, code: Code) -> None:
        self._code = code

    def send_code(self, connection: Connection, layout: Layout) -> str:
        """Send the project's code if necessary and return its folder on the host. UserError, OSError, connection errors."""
        if layout.shared:
            return layout.folder
        digest, paths = self._code.digest()
        path = layout.code(digest)
        if connection.ask("put", {"path": path})["there"]:  # asked each time, because it may have been deleted
            return path
        archive, digest = self._code.archive(paths)  # files may have changed, so use the archive's hash
        with archive:
            path, whole = layout.code(digest), _sha256(archive)
            answer = connection.ask("put", {"path": path})
            while not answer["there"]:
                archive.seek(int(answer["has"]))
                piece = archive.read(PIECE)
                given = {"path": path, "at": int(answer["has"]), "unpack": None if piece else whole}
                answer = connection.ask("put", given, piece, patience=60.0 if piece else 300.0)
        return path

    @staticmethod
    def start(
        connection: Connection,
        layout: Layout,
        code: str,
        attempt: Attempt,
        spec: AttemptSpec,
        env: Mapping[str, str],
    ) -> dict[str, Any]:
        """Start the supervisor. Returns the host's answer: the pid, or that the attempt had already been claimed."""
        configs = spec.directory.parent.parent / CONFIGS
        pairs = layout.pairs(attempt, code, str(configs))
        mapped, words = PathMap(pairs), PathMap({**layout.programs(), **pairs})
        body = {
            "attempt_id": spec.attempt_id,
            "argv": [words(word) for word in spec.argv],
            "cwd": mapped(spec.cwd),
            "code": code,  # keeps this copy from being deleted, even if only the environment refers to it
            "stop": [list(step) for step in spec.stop],
            "straggler_grace": spec.straggler_grace,
            "max_log": spec.max_log,
        }
        files = [] if layout.shared else _configs(attempt.run, configs, mapped, f"{layout.folder}/{CONFIGS}")
        given = {name: mapped(value) for name, value in spec.given.items()}
        python_path = given.pop("PYTHONPATH", "")
        secret = {name: value for name, value in env.items() if name in TRAVELS or name.startswith(HELD)}
        question = {
            "id": attempt.id,
            "dir": layout.attempt(attempt),
            "out": layout.output(attempt.output_dir),
            "make": Path(attempt.output_dir).is_dir(),
            "links": layout.links(code),
            "files": [[path, len(data)] for path, data in files],
            "spec": body,
            "env": {**secret, **given},
            "path": python_path,
        }
        return connection.ask("start", question, b"".join(data for _, data in files))


def _configs(run: str, configs: Path, mapped: PathMap, folder: str) -> list[tuple[str, bytes]]:
    """Return the path on the host and the content of the run's frozen config, with its paths translated."""
    found = []
    for path in sorted(configs.glob(f"{run}.*")):
        text = path.read_bytes().decode("utf-8", "surrogateescape")
        found.append((f"{folder}/{path.name}", mapped(text).encode("utf-8", "surrogateescape")))
    return found


def _sha256(archive: IO[bytes]) -> str:
    return hashlib.file_digest(archive, "sha256").hexdigest()  # type: ignore[arg-type]
