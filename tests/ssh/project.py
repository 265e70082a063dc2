"""A project whose code, including its trainer, is copied to hosts."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from autoloop.model import Attempt, HostSpec, Loop, Run, RunState

from tests.engine.project import PRESET, TRAINER, EngineProject
from tests.ssh.hosts import SHARED, Lab


class HostProject(EngineProject):
    def __init__(self, folder: Path, lab: Lab) -> None:
        super().__init__(folder)
        self.lab = lab
        shutil.copy(TRAINER, folder / "train.py")
        self.write("fake.toml", PRESET.replace(TRAINER, "train.py"))

    def on_hosts(self, *configs: str, **changes: Any) -> Loop:
        """Create a loop on all hosts, with two cards each."""
        return self.loop(configs, **{"device": "cuda", "hosts": self.hosts(), **changes})

    def hosts(self, **changes: Any) -> list[HostSpec]:
        return [HostSpec(name=name, gpus=[0, 1], **changes) for name in self.lab.hosts]

    def far_gate(self, name: str = "a") -> str:
        """Return the path on the hosts of a file that does not exist yet; `open` creates it."""
        return f"{SHARED}/{name}.gate"

    def open(self, name: str = "a") -> None:
        (self.lab.shared / f"{name}.gate").touch()

    def attempts_of(self, run: Run) -> list[Attempt]:
        return [attempt for attempt in self.attempts() if attempt.run == run.id]

    def begun(self, loop: Loop, count: int, *, on: str | None = None) -> list[Attempt]:
        """Wait until `count` attempts are running, and return them."""

        def there() -> list[Attempt] | None:
            found = [each for each in self.attempts() if each.node and each.result is None and on in (None, each.place)]
            return found if len(found) >= count else None

        found: list[Attempt] = self.until(there, f"{count} runs: {self.story(loop)[-5:]}")
        return found

    def state_of(self, run: str) -> RunState:
        return self.store.run(run).state
