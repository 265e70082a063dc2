"""Check for problems before any GPU time is spent: `examine`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from autoloop.gpus import GpuReport
from autoloop.model import LoopSpec
from autoloop.preflight import machine
from autoloop.preflight.config_paths import missing_paths
from autoloop.preflight.finding import Finding, Level, ok
from autoloop.preflight.slurm import slurm
from autoloop.preflight.trainer import PATIENCE, CandidateConfig, Question, candidate
from autoloop.preflight.wandb_online import SERVER, wandb
from autoloop.trainers import Preset

__all__ = ["SERVER", "CandidateConfig", "Finding", "Level", "candidate", "examine", "examine_machine"]


def examine(
    spec: LoopSpec,
    preset: Preset,
    configs: Sequence[CandidateConfig],
    *,
    gpus: GpuReport,
    min_free: int,
    environment: Mapping[str, str],
    trainer_environment: Mapping[str, str],
    patience: float = PATIENCE,
) -> list[Finding]:
    """Check the training environment, this machine and W&B. Never raises.

    `min_free`: free bytes below which the engine starts no run. `environment`: Auto Loop's own; `trainer_environment`: that
    of a run. `patience`: maximum seconds for importing the trainer.

    Takes as long as importing the trainer if it has config classes to decode with, otherwise about 0.1 s. W&B adds at most
    3 s, only online. Hosts are checked in parallel; one that does not answer takes 30 s.
    """
    if spec.apart:
        around = examine_machine(spec, gpus, min_free, environment)
        return [ok("trainer", "its environment is on the hosts and was not checked"), *_missing(configs, spec), *around]
    shown = ",".join(map(str, spec.gpus)) if spec.device == "cuda" else ""
    with Question(
        spec.python,
        preset,
        spec.train_script,
        configs,
        device=spec.device,
        elsewhere=spec.elsewhere,
        cwd=spec.cwd,
        # NVML tells whether there is a GPU without allocating memory on it.
        environment={**trainer_environment, "CUDA_VISIBLE_DEVICES": shown, "PYTORCH_NVML_BASED_CUDA_CHECK": "1"},
    ) as question:
        around = examine_machine(spec, gpus, min_free, environment)
        return [*question.answer(patience), *_missing(configs, spec), *around]


def _missing(configs: Sequence[CandidateConfig], spec: LoopSpec) -> list[Finding]:
    return [each for one in configs for each in missing_paths(one.name, one.config, spec)]


def examine_machine(spec: LoopSpec, gpus: GpuReport, min_free: int, environment: Mapping[str, str]) -> list[Finding]:
    """`examine` without the trainer, which may not be known yet."""
    return [
        *machine.gpus(spec, gpus),
        *slurm(spec),
        *(_hosts(spec, min_free) if spec.hosts else []),
        machine.output_root(spec, min_free),
        *wandb(spec, environment),
        machine.reader(),
        *machine.terminal(environment),
        machine.linger(),
    ]


def _hosts(spec: LoopSpec, min_free: int) -> list[Finding]:
    from autoloop.preflight.hosts import hosts  # imported here because it is only needed with hosts

    return hosts(spec, min_free)
