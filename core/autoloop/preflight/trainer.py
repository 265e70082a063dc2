"""Check the training environment in a separate process: interpreter, packages, the trainer's version and every config."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec

from autoloop import profiles
from autoloop.configs import Config
from autoloop.diagnose.causes import explain
from autoloop.model import LoopSpec
from autoloop.preflight.finding import Finding, error, ok, warning
from autoloop.text.plural import plural
from autoloop.trainers import LaunchPlan, Preset

ASK = Path(__file__).with_name("ask_trainer.py")
PATIENCE = 120.0
"""Maximum seconds for importing the trainer; a cold network disk is slow."""
PACKAGES = ("torch", "accelerate", "wandb")


class CandidateConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A config to run: its display name, its values, and the arguments after the trainer in its command."""

    name: str
    config: Config
    arguments: list[str]


def candidate(spec: LoopSpec, preset: Preset, name: str, config: Config, launch: LaunchPlan) -> CandidateConfig:
    """A planned attempt as a config for the trainer to check."""
    before = preset.argv.index("{script}") if "{script}" in preset.argv else 0
    named = 1 if spec.train_script or preset.script else 2
    return CandidateConfig(name=name, config=config, arguments=list(launch.argv[before + named :]))


class Question:
    """A request to the training interpreter. It runs in the background from creation; as a context manager it ends the
    processes it started."""

    def __init__(
        self,
        python: str,
        preset: Preset,
        script: str | None,
        configs: Sequence[CandidateConfig],
        *,
        device: str,
        elsewhere: bool = False,
        cwd: str,
        environment: Mapping[str, str],
    ) -> None:
        """`elsewhere`: another machine trains, so this one needs no GPU."""
        self.python = python
        self.preset = preset
        self.device = device
        self.configs = configs
        self.script = script or preset.script or None
        asked = {
            "packages": [*PACKAGES, *([preset.package.name] if preset.package else [])],
            "modules": started_modules(preset, self.script),
            "script": self.script,
            "module": preset.module or None,
            "device": "cpu" if elsewhere else device,
            "decoding": str(profiles.path("decoding.py")),
            "configs": [{"config": each.config, "arguments": each.arguments} for each in configs],
        }
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 closed by __exit__
        self._process: subprocess.Popen[bytes] | None = None
        self._refused: str | None = None
        with tempfile.TemporaryFile() as text:  # a file instead of a pipe, so that writing never blocks
            text.write(json.dumps(asked).encode())
            text.seek(0)
            try:
                self._process = subprocess.Popen(
                    [python, str(ASK)],
                    stdin=text,
                    stdout=subprocess.PIPE,
                    stderr=self._said,
                    cwd=cwd,
                    env=dict(environment),
                    start_new_session=True,
                )
            except OSError as problem:
                self._refused = problem.strerror or str(problem)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)  # the group: the trainer's import may have started processes
            self._process.communicate()
        self._said.close()

    def answer(self, patience: float = PATIENCE) -> list[Finding]:
        """Wait for the answer, at most `patience` seconds, and return the findings."""
        process = self._process
        if process is None:
            return [
                error("interpreter", f"{self.python} cannot be executed: {self._refused}", "choose another with --python")
            ]
        try:
            out, _ = process.communicate(timeout=patience)
            answer: dict[str, Any] = json.loads(out)
        except subprocess.TimeoutExpired:
            text = f"importing it took longer than {patience:.0f} s, so the configs were not checked"
            return [warning("trainer", text, "its disk may be slow; runs will take as long to start")]
        except ValueError:
            text = f"{self.python} could not answer (exit code {process.returncode}): {self._last_words()}"
            return [error("interpreter", text, "choose Python 3.8 or later with --python")]
        return self._read(answer)

    def _last_words(self) -> str:
        self._said.seek(max(0, self._said.seek(0, os.SEEK_END) - 4096))
        lines = [line.strip() for line in self._said.read().decode(errors="replace").splitlines() if line.strip()]
        return lines[-1][:300] if lines else "it printed nothing"

    # ------------------------------------------------------------------------------------------------------ findings

    def _read(self, answer: dict[str, Any]) -> list[Finding]:
        versions: dict[str, str | None] = answer["versions"]
        found = [ok("interpreter", f"Python {answer['python']}, {self.python}")]
        for module, problem in answer["missing"].items():
            package = module.partition(".")[0]
            advice = f"install {package} there, or choose the right interpreter with --python"
            found.append(error(package, f"the training environment cannot start {module}: {problem}", advice))
        starts = any("accelerate" in word for word in self.preset.argv)
        if starts and versions["accelerate"] and "accelerate" not in [each.subject for each in found]:
            found.append(ok("accelerate", versions["accelerate"]))
        found += self._torch(versions["torch"], answer.get("cuda"))
        found += self._trainer(versions, answer.get("broken"))
        if answer["decodes"]:
            found += self._configs(answer["configs"])
        elif self.configs and not answer.get("broken"):
            found.append(ok("configs", "can be read; this trainer has no config classes to check them against"))
        return found

    def _torch(self, version: str | None, cuda: dict[str, Any] | None) -> list[Finding]:
        if version is None:
            return []  # a trainer may not need torch; if it does, its import fails with that message
        if self.device == "cuda" and version.endswith("+cpu"):
            text = f"{version} is a CPU build, so no run would use its GPU"
            return [error("torch", text, "install a CUDA build of PyTorch there, or use --device cpu to debug")]
        if cuda is not None and not cuda["available"]:
            text = f"{version} cannot use a GPU here, so every run would fall back to the CPU"
            return [error("torch", text, "check the driver, and that PyTorch matches its CUDA version")]
        return [ok("torch", version)]

    def _trainer(self, versions: dict[str, str | None], broken: list[str] | None) -> list[Finding]:
        preset = self.preset
        named = self.script or preset.module or " ".join(word for word in preset.argv if "{" not in word)
        version = versions.get(preset.package.name) if preset.package else None
        what = f"{preset.package.name} {version}, " if preset.package and version else ""
        what += f"{named}, preset {preset.name}" if named else f"preset {preset.name}"
        if broken:
            cause = explain(broken, preset)
            return [error("trainer", f"{named} cannot be imported: {cause.text}", cause.advice)]
        if preset.package and version and not preset.package.fits(version):
            text = f"{what}, which is meant for {preset.package.name} {preset.package.words}"
            return [warning("trainer", text, f"choose --preset {preset.package.otherwise}")]
        return [ok("trainer", what)]

    def _configs(self, faults: list[list[list[str]]]) -> list[Finding]:
        """`faults`: for each config, one chain of exceptions per fault."""
        found = []
        for candidate, chains in zip(self.configs, faults, strict=True):
            for chain in chains:
                cause = explain(chain, self.preset)
                advice = cause.advice
                unknown = re.search(r"The fields `([^`]+)` are not valid", " ".join(chain))
                if unknown and _is_flag(unknown[1], candidate):
                    advice = (
                        "this comes from a flag in the command: choose the preset for this trainer's version, or fix --extra"
                    )
                found.append(error(f"config {candidate.name}", cause.text, advice))
        if found:
            return found
        count = plural(len(faults), "config")
        return [ok("configs", f"{count} parsed by the trainer's own classes")]


def _is_flag(key: str, candidate: CandidateConfig) -> bool:
    """Whether a key comes from the command, not from the config."""
    return key not in candidate.config and any(word.startswith(f"--{key}") for word in candidate.arguments)


def started_modules(preset: Preset, script: str | None) -> list[str]:
    """The modules that the command starts with `-m`."""
    found = [after for word, after in itertools.pairwise(preset.argv) if word == "-m" and after != "{script}"]
    return found + ([preset.module] if preset.module and not script else [])
