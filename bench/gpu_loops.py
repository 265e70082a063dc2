"""What the checks of `gpu.py` stand on: GPUs as `nvidia-smi` tells of them, and a project whose loops train on one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

TRAINER = Path(__file__).with_name("gpu_trainer.py")
PRESET = """
name = "gpu"
title = "a training on a GPU"
argv = [{launcher}"{trainer}", "{{config}}", "{{output_dir}}"]
override_style = "file-only"
stop = [["TERM", 5], ["KILL", 0]]

[[failures]]
pattern = "CUDA is not available"
text = "the training fell back to the CPU"
device = "cuda"
"""


class Card(NamedTuple):
    """One GPU as `nvidia-smi` tells of it: MiB, %, W, degrees Celsius."""

    number: int
    name: str
    total: float
    used: float
    utilisation: float
    power: float
    temperature: float


FIELDS = "index,name,memory.total,memory.used,utilization.gpu,power.draw,temperature.gpu"


def nvidia_smi() -> list[Card]:
    words = ["nvidia-smi", f"--query-gpu={FIELDS}", "--format=csv,noheader,nounits"]
    return parse_smi(subprocess.run(words, capture_output=True, text=True, check=True, timeout=30).stdout)


def parse_smi(text: str) -> list[Card]:
    """What a card does not report is NaN."""

    def figure(text: str) -> float:
        try:
            return float(text)
        except ValueError:
            return float("nan")

    rows = [[cell.strip() for cell in line.split(",")] for line in text.splitlines() if line.strip()]
    return [Card(int(row[0]), row[1], *map(figure, row[2:7])) for row in rows]


class Gpus:
    """A project with loops on the GPU `card`."""

    def __init__(self, project: Path, card: int = 0, device: str = "cuda") -> None:
        from autoloop.store import Store

        self.project, self.card, self.device = project, card, device
        self.store = Store.open(project, create=True)
        self.made = 0

    def loop(self, *configs: dict[str, Any], launcher: str = '"{python}", ', **spec: Any) -> Any:
        """A loop of a run for each config."""
        from autoloop import gpus
        from autoloop.engine import create_loop, plan_loop
        from autoloop.model import LoopSpec
        from autoloop.settings import Settings

        self.made += 1
        folder = self.project / f"loop{self.made}"
        folder.mkdir()
        preset = folder / "preset.toml"
        preset.write_text(PRESET.format(launcher=launcher, trainer=TRAINER))
        paths = []
        for number, config in enumerate(configs):
            paths.append(folder / f"{config['mode']}{number}.json")
            paths[-1].write_text(json.dumps({"seed": 100 * self.made + number, **config}))
        asked = LoopSpec(
            configs=[str(path) for path in paths],
            steps=1000,
            device=self.device,
            preset=str(preset),
            python=sys.executable,
            cwd=str(self.project),
            output_root=str(folder / "outputs"),
            summary_out=str(folder / "summary.json"),
            markdown_out=str(folder / "report.md"),
            **{"gpus": [self.card], "concurrency": 1, **spec},
        )
        plan = plan_loop(asked, Settings(), gpus.read(), os.environ, self.store.where_run, time.time())
        return create_loop(self.store, plan, time.time())

    def drive(self, loop: Any, on_turn: Callable[[], object] | None = None) -> list[Any]:
        """Its runs, once it has ended."""
        from autoloop.engine import Engine

        Engine(self.store, loop).run(on_turn=on_turn)
        return self.store.runs(loop.id)

    def seen(self, run: Any) -> dict[str, Any]:
        """What the training wrote down of itself; empty if it did not reach its end."""
        path = Path(run.output_dir) / "seen.json"
        found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return found

    def failure(self, run: Any) -> str:
        """Why a run has not finished, in words."""
        last = self.store.attempts(run.id)[-1:]
        causes = [f"{each.diagnosis.id}: {each.diagnosis.text}" for each in last if each.diagnosis]
        return f"{run.state.value}, {run.reason or 'no reason'} [{'; '.join(causes) or 'no diagnosis'}]"

    @contextmanager
    def stranger(self, gib: float) -> Iterator[subprocess.Popen[bytes]]:
        """A process that is not ours and computes on the GPU, until the end or until it is killed."""
        folder = self.project / f"stranger{time.time_ns()}"
        folder.mkdir()
        config = folder / "config.json"
        config.write_text(json.dumps({"mode": "train", "seconds": 300, "gib": gib}))
        environment = {**os.environ, "CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": str(self.card)}
        process = subprocess.Popen([sys.executable, str(TRAINER), str(config), str(folder)], env=environment)
        try:
            wait_until((folder / "metrics.jsonl").exists, 60, "the other process to compute")
            yield process
        finally:
            process.kill()
            process.wait()


def wait_until(holds: Callable[[], object], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.1)
