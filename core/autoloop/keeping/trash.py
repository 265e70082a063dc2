"""The trash: what was taken off the outputs waits there, can be put back, and is deleted some days later.

A batch is written down before anything is moved, so that a killed command leaves nothing that cannot be put back. A move is
a rename on the same disk: what lies on another disk than `.autoloop` waits in a hidden folder beside the run's folder.
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
"""The folder beside a run's, on a disk where `.autoloop` is not."""
DAY = 86400.0


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One thing: where it was, where it waits, what it takes. `run`: the id of the run that it was of."""

    place: str
    kept: str
    size: int
    run: str


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What one command moved, at Unix seconds `at`."""

    name: str
    at: float
    items: list[Item]

    @property
    def size(self) -> int:
        """Bytes of what is still there."""
        return sum(item.size for item in self.items if os.path.lexists(item.kept))


class Trash:
    """The trash of a project. `home`: its `.autoloop`. Every method that changes it holds its lock. What lies in the project
    is written down relative to it, so that a project can be moved."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "trash"
        self._project = home.parent

    def batches(self) -> list[Batch]:
        """The oldest first; a file that is no batch is passed over."""
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
        """Move (path, run id, size) into the trash as one batch. Also says what could not be moved, in a sentence each.

        OSError if the batch cannot be written down; then nothing has moved.
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
        """Put the newest batch back. What was put back, and a sentence for each thing that could not be; these stay in the
        trash. UserError if it is empty."""
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
                    problem: str | None = f"{item.place} is there again, so {item.kept} stays in the trash"
                else:
                    problem = _renamed(item.kept, item.place)
                (left if problem else back).append(item)
                problems += [problem] if problem else []
            self._keep(batch, left)
        return back, problems

    def empty(self, older_than: float | None = None) -> tuple[int, list[str]]:
        """Delete the batches that are older than that many days, or all. The bytes that this freed, and what could not be
        deleted, in a sentence each."""
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
        """What the trash takes now."""
        kept = [item.kept for batch in self.batches() for item in batch.items]
        return sum(map(measure, kept), Usage())

    def _place_for(self, path: str, name: str) -> Path:
        """Where what lies at `path` can wait on its own disk. The folder is made."""
        mine = self.folder / name
        mine.mkdir(mode=0o700, exist_ok=True)
        with contextlib.suppress(OSError):
            if os.lstat(path).st_dev != os.lstat(mine).st_dev:
                mine = Path(path).parent / BESIDE / name
                mine.mkdir(mode=0o700, parents=True, exist_ok=True)
        return mine

    def _keep(self, batch: Batch, left: Sequence[Item]) -> None:
        """Write down what of a batch is left; a batch of which nothing is, is forgotten."""
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
    """Sorts by time."""
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
