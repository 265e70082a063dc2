"""The project's code for a host: the files to send, the hash of their contents, and an archive of them."""

from __future__ import annotations

import contextlib
import fnmatch
import gzip
import hashlib
import io
import os
import stat
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from autoloop.model import LoopSpec, UserError
from autoloop.toml import SETTINGS_FILE

LARGEST = 256 << 20
"""Maximum bytes of code; anything larger must be data, which is not sent with the code."""
PATIENCE = 60.0
NEVER = (SETTINGS_FILE, ".git", ".autoloop", ".wandb_cache", "__pycache__")
"""Names of files and folders that are never sent."""
SECRET = (".env", ".env.*", ".netrc", "*.pem", "*.key", "id_rsa*", "id_ed25519*", "id_ecdsa*")
USUAL = (".venv", "venv", "node_modules", "wandb", "nohup.out", ".mypy_cache", ".ruff_cache", ".pytest_cache")
"""Not sent even if no .gitignore lists them, unless git tracks them."""


class Code:
    """The code of one project. A file is read again only if it has changed."""

    def __init__(self, spec: LoopSpec) -> None:
        self.root = Path(spec.cwd)
        self._outputs = Path(spec.output_root)
        self._sums: dict[str, tuple[tuple[int, int, int], str]] = {}

    def digest(self) -> tuple[str, list[str]]:
        """Return the hash of the files and their paths in the project. UserError if they are too large; OSError."""
        total = hashlib.sha256()
        paths, size, largest = [], 0, (0, "")
        for path in sorted(set(self._files())):
            try:
                state = os.lstat(self.root / path)
            except FileNotFoundError:  # tracked by git, but deleted
                continue
            size, largest = size + state.st_size, max(largest, (state.st_size, path))
            if size > LARGEST:
                raise UserError(
                    f"the project's files take more than {LARGEST >> 20} MiB, the largest of them {largest[1]} "
                    f"({largest[0] >> 20} MiB): list data in .gitignore and set its path there with data in [[host]]"
                )
            with contextlib.suppress(FileNotFoundError):  # it has just been deleted
                total.update(_entry(path, state, self._sum(path, state)))
                paths.append(path)
        return total.hexdigest()[:20], paths

    def archive(self, paths: list[str]) -> tuple[IO[bytes], str]:
        """Return an archive of the files and the hash of its contents, which differs from `digest` if files have changed.

        The archive is reproducible: unchanged files give the same bytes, so that an interrupted transfer can resume.
        """
        file, total = tempfile.TemporaryFile(), hashlib.sha256()  # noqa: SIM115
        with (
            gzip.GzipFile(filename="", mode="wb", compresslevel=5, fileobj=file, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            for path in paths:
                try:
                    state = os.lstat(self.root / path)
                    data = _read(self.root / path, state)
                except FileNotFoundError:  # it has just been deleted
                    continue
                total.update(_entry(path, state, hashlib.sha256(data).hexdigest()))
                member = tarfile.TarInfo(path)
                member.mode = 0o700 if state.st_mode & 0o100 else 0o600
                if stat.S_ISLNK(state.st_mode):
                    member.type, member.linkname = tarfile.SYMTYPE, os.fsdecode(data)
                else:
                    member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
        file.seek(0)
        return file, total.hexdigest()[:20]

    def _sum(self, path: str, state: os.stat_result) -> str:
        stamp = (state.st_ino, state.st_size, state.st_mtime_ns)
        known = self._sums.get(path)
        if known is None or known[0] != stamp:
            known = self._sums[path] = (stamp, hashlib.sha256(_read(self.root / path, state)).hexdigest())
        return known[1]

    def _files(self) -> Iterator[str]:
        found = _git_files(self.root)
        for path in _all_files(self.root) if found is None else found:
            if self._goes(path):
                yield path

    def _goes(self, path: str) -> bool:
        full = self.root / path
        if self._outputs != self.root and full.is_relative_to(self._outputs):
            return False
        if any(part in NEVER for part in Path(path).parts):
            return False
        return not any(fnmatch.fnmatch(full.name, each) for each in SECRET) and (full.is_symlink() or full.is_file())


def _read(path: Path, state: os.stat_result) -> bytes:
    return os.fsencode(os.readlink(path)) if stat.S_ISLNK(state.st_mode) else path.read_bytes()


def _entry(path: str, state: os.stat_result, held: str) -> bytes:
    """Return the bytes to hash for a file: path, type and executable bit, and the hash `held` of its contents."""
    return f"{path}\0{state.st_mode & 0o170100}\0{held}\0".encode(errors="surrogateescape")


def _git_files(root: Path, prefix: str = "") -> list[str] | None:
    """Return the files below `root` that git tracks or would add, including submodules. Without a repository, only
    .gitignore is applied. None without git."""
    untracked = ("-o", "--exclude-standard", *(f"--exclude={name}" for name in USUAL), "-z")
    listed = _git(root, "-C", str(root), "ls-files", "-c", *untracked)
    if listed is None:
        with tempfile.TemporaryDirectory() as empty:
            if _git(root, "init", "-q", "--bare", empty) is None:
                return None
            where = (f"--git-dir={empty}", f"--work-tree={root}")
            listed = _git(root, *where, "ls-files", *untracked)
    if listed is None:
        return None
    paths: list[str] = []
    for path in listed.split("\0"):
        full = root / path
        if path and full.is_dir() and not full.is_symlink():
            paths += _git_files(full, f"{prefix}{path.rstrip('/')}/") or []
        elif path:
            paths.append(prefix + path)
    return paths


def _git(root: Path, *words: str) -> str | None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-c", "safe.directory=*", *words],
            cwd=root,
            env=kept,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return os.fsdecode(done.stdout)


def _all_files(root: Path) -> Iterator[str]:
    for parent, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in (*NEVER, *USUAL)]
        for name in set(names).difference(USUAL):
            yield os.path.relpath(os.path.join(parent, name), root)
