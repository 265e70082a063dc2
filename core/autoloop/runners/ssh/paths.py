"""Translates paths of this machine to paths on a host, in commands, environments and configs."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from autoloop.model import Attempt, HostSpec, LoopSpec

CONFIGS = "configs"


class PathMap:
    """Replaces complete paths and prefixes of paths in a text; the longest match wins."""

    def __init__(self, pairs: Mapping[str, str]) -> None:
        self._pairs = {here.rstrip("/"): there.rstrip("/") for here, there in pairs.items() if here.rstrip("/")}
        any_of = "|".join(re.escape(each) for each in sorted(self._pairs, key=len, reverse=True))
        self._pattern = re.compile(rf"(?<![\w.~/-])(?:{any_of})(?=$|[/\"'\s:,;)\]}}=])") if any_of else None

    def __call__(self, text: str) -> str:
        return text if self._pattern is None else self._pattern.sub(lambda found: self._pairs[found[0]], text)


class Layout:
    """The locations of a project's files on one host. `folder` is the absolute path reported by the host."""

    def __init__(self, host: HostSpec, spec: LoopSpec, folder: str, home: str, python: str) -> None:
        self.host, self.spec, self.folder, self.home = host, spec, folder, home
        self.python = python
        """The interpreter's path on the host."""

    @property
    def shared(self) -> bool:
        return self.host.shared

    def attempt(self, attempt: Attempt) -> str:
        if self.shared:
            return self._shared(attempt.directory)
        return f"{self.folder}/attempts/{attempt.id}"

    def output(self, output_dir: str) -> str:
        if self.shared:
            return self._shared(output_dir)
        root = self.spec.output_root
        inside = Path(output_dir).is_relative_to(root)
        return f"{self.folder}/outputs/{os.path.relpath(output_dir, root) if inside else os.path.basename(output_dir)}"

    def code(self, digest: str) -> str:
        return f"{self.folder}/code/{digest}"

    def data(self) -> dict[str, str]:
        """Return the paths of data on the host by absolute path here."""
        found = {}
        for here, there in self.host.data.items():
            path = os.path.normpath(os.path.join(self.spec.cwd, os.path.expanduser(here)))
            found[path] = self.home + there[1:] if there == "~" or there.startswith("~/") else there
        return found

    def links(self, code: str) -> dict[str, str]:
        """Return links to create in the code for data below the project's folder, so that relative paths to it work."""
        if self.shared:
            return {}
        root = self.spec.cwd
        inside = {here: there for here, there in self.data().items() if here.startswith(root + "/")}
        return {f"{code}/{os.path.relpath(here, root)}": there for here, there in inside.items()}

    def pairs(self, attempt: Attempt, code: str, config_folder: str) -> dict[str, str]:
        """Return all paths that differ on the host."""
        data = {**self.data(), self.spec.python: self.python}
        if self.shared:
            return {self.spec.cwd: self.folder, **data}
        return {
            self.spec.cwd: code,
            self.spec.output_root: f"{self.folder}/outputs",
            config_folder: f"{self.folder}/{CONFIGS}",
            attempt.directory: self.attempt(attempt),
            attempt.output_dir: self.output(attempt.output_dir),
            **data,
        }

    def programs(self) -> dict[str, str]:
        """Map the folder of the interpreter, for the programs beside it."""
        return {os.path.dirname(self.spec.python): os.path.dirname(self.python)} if os.path.isabs(self.spec.python) else {}

    def _shared(self, path: str) -> str:
        return PathMap({self.spec.cwd: self.folder})(path)


def default_folder(host: HostSpec, spec: LoopSpec) -> str:
    """Return the folder to request; `~/` is expanded on the host."""
    return host.folder or (spec.cwd if host.shared else f"~/.autoloop/{os.path.basename(spec.cwd) or 'project'}")
