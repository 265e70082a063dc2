"""Where a project keeps its state: one folder, readable only by its owner."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from autoloop.model import UserError

FOLDERS = ("configs", "attempts", "locks", "engines", "loops")


class Places(msgspec.Struct, frozen=True):
    """The paths below `<project>/.autoloop/`."""

    project: Path

    @property
    def home(self) -> Path:
        return self.project / ".autoloop"

    @property
    def database(self) -> Path:
        return self.home / "autoloop.db"

    def config(self, run: str, suffix: str = ".json") -> Path:
        """The frozen copy of a run's config; `suffix` determines its format."""
        return self.home / "configs" / f"{run}{suffix}"

    def frozen(self, loop: str) -> Path:
        """The folder with a loop's own copies of its files: rules, preset, metric book, settings."""
        return self.home / "loops" / loop

    def attempt(self, attempt: str) -> Path:
        """The folder with an attempt's spec.json, start.json, exit.json and log.txt."""
        return self.home / "attempts" / attempt

    def lock(self, loop: str) -> Path:
        return self.home / "locks" / f"{loop}.lock"

    def engine_log(self, loop: str) -> Path:
        return self.home / "engines" / f"{loop}.log"

    def make(self) -> None:
        """Create the folders (mode 0700). Raises UserError if that fails."""
        try:
            for folder in (self.home, *(self.home / n for n in FOLDERS)):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"Cannot create {self.home}: {os.strerror(error.errno or 0)}. Run from a folder that you may write to."
            ) from None
