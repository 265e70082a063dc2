"""A project, a host and its runner: `ssh` is a script, and the other machine is another home folder on this one."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from autoloop.model import Attempt, HostSpec, LoopSpec
from autoloop.runners import local
from autoloop.runners.runner import AttemptSpec, News
from autoloop.runners.ssh.runner import HostRunner

from tests.runners.far_side import FarSide
from tests.support.waiting import eventually

TRAINER = """
import json, os, pathlib, sys, time
out, config = pathlib.Path(sys.argv[1]), json.loads(pathlib.Path(sys.argv[2]).read_text())
(out / "checkpoints" / "000010").mkdir(parents=True)
print("in", os.getcwd(), "data", pathlib.Path(config["data"], "x").read_text(), open("data/set/x").read(), flush=True)
print("key", os.environ["WANDB_API_KEY"], "other", os.environ.get("ONLY_HERE"), "given", os.environ["GIVEN"], flush=True)
with open(out / "rows.jsonl", "a") as rows:
    for step in range(1000000):
        rows.write(json.dumps({"step": step}) + "\\n")
        rows.flush()
        if step == 10:
            (out / "checkpoints" / "000005").mkdir()
            (out / "checkpoints" / "000005" / "only.pt").write_bytes(b"w")
            (out / "checkpoints" / "first").symlink_to("000005")
            (out / "checkpoints" / "000010" / "model.safetensors").write_bytes(b"w" * 100000)
            (out / "checkpoints" / "000010" / "train_config.json").write_text("{}")
            (out / "checkpoints" / "last").symlink_to("000010")
        if (out / "go").exists():
            sys.exit(3)
        time.sleep(0.02)
"""


def handle_of(directory: Path) -> local.Handle | None:
    try:
        return local.Handle.from_dict(json.loads((directory / "claim").read_text()))
    except (OSError, ValueError):
        return None


class Trial:
    """A project, a host, and the runner that a loop would use for it."""

    def __init__(self, folder: Path, far: FarSide) -> None:
        self.folder, self.far = folder, far
        self.project = folder / "project"
        (self.project / ".autoloop/configs").mkdir(parents=True)
        (self.project / ".autoloop/attempts").mkdir()
        (self.project / "train.py").write_text(TRAINER)
        (self.project / ".gitignore").write_text("data/\n")
        (self.project / "autoloop.toml").write_text('secret = "x"\n')
        (far.home / "set").mkdir()
        (far.home / "set/x").write_text("DATA")
        self.spec = LoopSpec(
            configs=[], cwd=str(self.project), output_root=str(self.project / "outputs/train"), python=sys.executable
        )
        self.host = HostSpec(name="box", python=sys.executable, data={"data/set": "~/set"})
        self.told: list[News] = []
        self.runner = HostRunner(self.host, self.spec, 4 << 20)
        self.attempts: list[Attempt] = []

    def attempt(self, name: str = "r1-1") -> Attempt:
        attempt = Attempt(
            id=f"{name}{os.getpid()}",
            run="r1",
            number=1,
            slot=0,
            output_dir=str(self.project / "outputs/train/loop/r1"),
            directory=str(self.project / f".autoloop/attempts/{name}"),
            created_at=time.time(),
            place="box",
        )
        self.attempts.append(attempt)
        return attempt

    def submit(self, *argv: str, name: str = "r1-1", stop: tuple[tuple[str, float], ...] = (("TERM", 60.0),)) -> Attempt:
        attempt = self.attempt(name)
        config = self.project / ".autoloop/configs/r1.json"
        config.write_text(json.dumps({"data": str(self.project / "data/set")}))
        spec = AttemptSpec(
            attempt_id=attempt.id,
            argv=argv or (sys.executable, "train.py", attempt.output_dir, str(config)),
            cwd=str(self.project),
            directory=Path(attempt.directory),
            stop=stop,
            given={"GIVEN": f"{attempt.output_dir}/x"},
        )
        self.runner.submit(attempt, spec, {"WANDB_API_KEY": "k" * 40, "ONLY_HERE": "1", "GIVEN": "no"})
        return attempt

    def anew(self) -> None:
        """Create a new runner, as another engine would."""
        self.runner.close()
        self.runner = HostRunner(self.host, self.spec, 4 << 20)

    def heard(self, kind: type) -> object:
        self.told += self.runner.news()
        return next((news for _, news in self.told if isinstance(news, kind)), None)

    def until(self, kind: type) -> object:
        return eventually(lambda: self.heard(kind), f"{kind.__name__}; told {self.told}, {self.runner.trouble}")

    def there(self, attempt: Attempt) -> Path:
        return self.far.home / ".autoloop/project/attempts" / attempt.id

    def output_there(self, attempt: Attempt) -> Path:
        return self.far.home / ".autoloop/project/outputs" / Path(attempt.output_dir).relative_to(self.spec.output_root)

    def close(self) -> None:
        self.runner.close()
        for attempt in self.attempts:
            handle = handle_of(self.there(attempt))
            if handle is not None:
                local.request_stop(handle, kill=True)
            local.sweep(attempt.id)
