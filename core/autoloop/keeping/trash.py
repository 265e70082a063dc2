"""The trash: it holds files removed from the outputs until they are put back or, some days later, deleted.

A batch is recorded before anything is moved, so that everything can be put back even if the command is killed. A move is a
rename on the same disk: files on a different disk than `.autoloop` are kept in a hidden folder next to them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from autoloop.files import exclusive, read_regular, write_atomically
from autoloop.keeping.usage import Usage, measure
from autoloop.model import UserError
from autoloop.model.structs import decode

BESIDE = ".autoloop-trash"
"""The name of the hidden folder for files on a different disk than `.autoloop`."""
DAY = 86400.0


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """A removed file or folder. `place`: its original path; `kept`: its path in the trash; `size`: bytes; `run`: the id of
    its run."""

    place: str
    kept: str
    size: int
    run: str


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """The items that one command moved. `at`: Unix seconds."""

    name: str
    at: float
    items: list[Item]

    @property
    def size(self) -> int:
        """The total bytes of the items that still exist."""
        return sum(item.size for item in self.items if os.path.lexists(item.kept))


class Trash:
    """The trash of a project. `home`: its `.autoloop`. Every method that changes the trash holds its lock. Paths in the
    project are stored relative to it, so that the project can be moved."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "trash"
        self._project = home.parent

    def batches(self) -> list[Batch]:
        """The batches, oldest first; files that are not a batch are ignored."""
        found: list[Batch] = []
        for path in sorted(self.folder.glob("*.json")):
            with contextlib.suppress(OSError, msgspec.DecodeError):
                batch = decode(read_regular(path), Batch)
                found.append(self._with_paths(batch, lambda path: os.path.join(self._project, path)))
        return found

    def _write(self, batch: Batch) -> None:
        project = f"{self._project}{os.sep}"
        portable = self._with_paths(batch, lambda path: path.removeprefix(project))
        write_atomically(self.folder / f"{batch.name}.json", msgspec.json.encode(portable))

    def _with_paths(self, batch: Batch, written: Callable[[str], str]) -> Batch:
        items = [msgspec.structs.replace(item, place=written(item.place), kept=written(item.kept)) for item in batch.items]
        return msgspec.structs.replace(batch, items=items)

    def move(self, wanted: Sequence[tuple[str, str, int]]) -> tuple[Batch, list[str]]:
        """Move (path, run id, size) into the trash as one batch. Returns it, and a sentence for each item that could not be
        moved.

        OSError if the batch cannot be recorded; then nothing has been moved.
        """
        with exclusive(self.folder / "lock"):
            name = _free_name(self.folder)
            items: list[Item] = []
            for number, (path, run, size) in enumerate(wanted):
                kept = self._place_for(path, name) / f"{number}_{os.path.basename(path)[:100]}"
                items.append(Item(place=path, kept=str(kept), size=size, run=run))
            batch = Batch(name=name, at=time.time(), items=items)
            self._write(batch)
            problems = [problem for item in items if (problem := _renamed(item.place, item.kept))]
        return batch, problems

    def put_back(self) -> tuple[list[Item], list[str]]:
        """Put the newest batch back. Returns the items put back, and a sentence for each that could not be and stays in the
        trash. UserError if the trash is empty."""
        with exclusive(self.folder / "lock"):
            batches = self.batches()
            if not batches:
                raise UserError("The trash is empty, so there is nothing to put back.")
            batch = batches[-1]
            back: list[Item] = []
            left: list[Item] = []
            problems: list[str] = []
            for item in batch.items:
                if not os.path.lexists(item.kept):
                    continue
                if os.path.lexists(item.place):
                    problem: str | None = f"{item.place} exists again, so {item.kept} stays in the trash"
                else:
                    problem = _renamed(item.kept, item.place)
                (left if problem else back).append(item)
                problems += [problem] if problem else []
            self._keep(batch, left)
        return back, problems

    def empty(self, older_than: float | None = None) -> tuple[int, list[str]]:
        """Delete the batches older than `older_than` days, or all if None. Returns the bytes freed, and a sentence for each
        item that could not be deleted."""
        freed, problems = 0, list[str]()
        if not self.folder.is_dir():
            return 0, []
        with exclusive(self.folder / "lock"):
            for batch in self.batches():
                if older_than is not None and time.time() - batch.at < older_than * DAY:
                    continue
                left: list[Item] = []
                for item in batch.items:
                    size = item.size if os.path.lexists(item.kept) else 0
                    if problem := _deleted(item.kept):
                        problems.append(problem)
                        left.append(item)
                    else:
                        freed += size
                self._keep(batch, left)
        return freed, problems

    def usage(self) -> Usage:
        """The current disk usage of the trash."""
        kept = [item.kept for batch in self.batches() for item in batch.items]
        return sum(map(measure, kept), Usage())

    def _place_for(self, path: str, name: str) -> Path:
        """The trash folder for `path`, on the same disk; it is created."""
        mine = self.folder / name
        mine.mkdir(mode=0o700, exist_ok=True)
        with contextlib.suppress(OSError):
            if os.lstat(path).st_dev != os.lstat(mine).st_dev:
                mine = Path(path).parent / BESIDE / name
                mine.mkdir(mode=0o700, parents=True, exist_ok=True)
        return mine

    def _keep(self, batch: Batch, left: Sequence[Item]) -> None:
        """Record the items `left` in a batch; if there are none, remove the batch and its empty folders."""
        if left:
            self._write(msgspec.structs.replace(batch, items=list(left)))
            return
        for folder in {os.path.dirname(item.kept) for item in batch.items}:
            with contextlib.suppress(OSError):
                os.rmdir(folder)
                if os.path.basename(beside := os.path.dirname(folder)) == BESIDE:
                    os.rmdir(beside)
        (self.folder / f"{batch.name}.json").unlink(missing_ok=True)


def _free_name(folder: Path) -> str:
    """An unused batch name; names sort by time."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    return next(name for number in range(1000) if not (folder / f"{(name := f'{stamp}-{number:03d}')}.json").exists())


def _renamed(place: str, to: str) -> str | None:
    try:
        os.rename(place, to)
    except OSError as error:
        return f"{place} could not be moved: {error.strerror}"
    return None


def _deleted(path: str) -> str | None:
    try:
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
    except OSError as error:
        return f"{path} could not be deleted: {error.strerror}"
    return None
