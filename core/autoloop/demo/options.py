"""The demo trainer's options, and a strict parser for a JSON config plus `--a.b=c` flags.

It is as strict as draccus in the trainers that the demo stands in for: `12.0` is not an int, unknown keys are errors, flags
override the file and the last flag wins. It imports nothing heavy, so a bad config fails within a tenth of a second.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CONFIG_FLAG = "--config_path="
WANDB_MODES = ("online", "offline", "disabled")


class DecodingError(Exception):
    """A value that its field does not accept. `path`: its dotted path, empty for the config itself."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"`{path}`: {reason}" if path else reason)
        self.path = path


class UsageError(Exception):
    """A command line with unknown or missing arguments (exit code 2)."""


@dataclass
class FeatureOptions:
    """One term of the transport cost: squared distances between learned embeddings and between raw labels."""

    key: str
    use_learned_embed: bool = True
    weight_embed: float = 0.05
    weight_label: float = 0.0


@dataclass
class LossOptions:
    """Unbalanced transport: entropic `reg`, and the penalty for mass that is not moved (`tau_src`, `tau_tgt`)."""

    reg: float = 0.1
    tau_src: float = 0.05
    tau_tgt: float = 0.05
    features: list[FeatureOptions] = field(default_factory=list)


@dataclass
class TransportOptions:
    """How source frames are paired with target frames, and the weight of the transport between them.

    For each target frame, one of the `topk_src_episodes` most similar source episodes is drawn with weight
    exp(-sharpness * distance), excluding weights below `cutoff` times the largest; then a frame at most `window_size` frames
    away is drawn from it. `bc_src_weight`: the weight of the source's own cloning loss.
    """

    lambda_ot: float = 0.1
    window_size: int = 10
    topk_src_episodes: int = 20
    bc_src_weight: float = 0.9
    sharpness: float = 10.0
    cutoff: float = 0.01
    loss_config: LossOptions = field(default_factory=LossOptions)


@dataclass
class PolicyOptions:
    type: str = "act"
    device: str = "cpu"
    chunk_size: int = 8
    dim_model: int = 32
    dim_feedforward: int = 128
    latent_dim: int = 8
    dropout: float = 0.0
    kl_weight: float = 10.0
    optimizer_lr: float = 1e-3
    optimizer_weight_decay: float = 1e-4


@dataclass
class OptimizerOptions:
    """Only used with `use_policy_training_preset=false`; otherwise the policy's own values replace it, as in LeRobot."""

    type: str = "adamw"
    lr: float = 1e-3
    weight_decay: float = 1e-2
    grad_clip_norm: float = 10.0


@dataclass
class DatasetOptions:
    """`repo_id` names a synthetic task: the same name always gives the same two domains."""

    repo_id: str
    src_episodes: int = 100
    tgt_episodes: int = 8


@dataclass
class WandbOptions:
    enable: bool = False
    disable_artifact: bool = False
    """Accepted because every caller passes it; the demo never uploads artifacts."""
    project: str = "autoloop-demo"
    entity: str | None = None
    notes: str | None = None
    run_id: str | None = None
    mode: str | None = None


@dataclass
class TrainOptions:
    dataset: DatasetOptions
    policy: PolicyOptions = field(default_factory=PolicyOptions)
    ot: TransportOptions = field(default_factory=TransportOptions)
    optimizer: OptimizerOptions = field(default_factory=OptimizerOptions)
    wandb: WandbOptions = field(default_factory=WandbOptions)
    use_policy_training_preset: bool = True
    output_dir: str | None = None
    job_name: str | None = None
    resume: bool = False
    seed: int = 1000
    batch_size: int = 16
    num_workers: int = 0
    steps: int = 300
    log_freq: int = 20
    eval_freq: int = 100
    save_checkpoint: bool = True
    save_freq: int = 20_000


@dataclass(frozen=True)
class Request:
    """A parsed command line. `checkpoint`: the folder to resume from, if any."""

    options: TrainOptions
    checkpoint: Path | None


def read_request(argv: Sequence[str]) -> Request:
    """Config file and flags -> options. Raises DecodingError, UsageError, FileExistsError or FileNotFoundError."""
    unknown = [word for word in argv if not (word.startswith("--") and "=" in word)]
    path: Path | None = None
    raw: dict[str, Any] = {}
    flags: list[tuple[list[str], str]] = []
    for word in (word for word in argv if word not in unknown):
        name, _, value = word[2:].partition("=")
        if name == "config_path":
            path = Path(value)
        elif _is_field(name.split(".")):
            flags.append((name.split("."), value))
        else:
            unknown.append(word)
    if unknown:
        raise UsageError("unrecognized arguments: " + " ".join(unknown))
    if path is not None:
        if path.is_dir():
            path = path / "train_config.json"
        raw = json.loads(path.read_text(encoding="utf-8"))
    for keys, value in flags:
        node: Any = raw
        for key in keys[:-1]:
            node = node.setdefault(key, {}) if isinstance(node, dict) else None
        # If a section is not an object, decode() reports it.
        if isinstance(node, dict):
            node[keys[-1]] = value
    options: TrainOptions = decode(TrainOptions, raw)
    _validate(options)
    if not options.resume:
        _refuse_existing(options)
        return Request(options, None)
    if path is None or options.output_dir is None:
        raise UsageError(f"resume=true needs {CONFIG_FLAG}<checkpoint>/pretrained_model/train_config.json")
    return Request(options, path.resolve().parents[1])


def decode(kind: Any, raw: Any, path: str = "") -> Any:
    """`raw` (JSON values, or text from a flag) as a value of type `kind`; DecodingError names the dotted path."""
    if dataclasses.is_dataclass(kind):
        return _decode_fields(kind, raw, path)
    if isinstance(kind, types.UnionType):
        if raw is None or raw in ("null", "None"):
            return None
        return decode(typing.get_args(kind)[0], raw, path)
    if typing.get_origin(kind) is list:
        items = json.loads(raw) if isinstance(raw, str) else raw
        if not isinstance(items, list):
            raise DecodingError(path, f"Couldn't parse '{raw}' into a list")
        return [decode(typing.get_args(kind)[0], item, f"{path}.{i}") for i, item in enumerate(items)]
    if kind is str and isinstance(raw, str | int | float):
        return str(raw)
    if kind is bool:
        if isinstance(raw, bool):
            return raw
        if isinstance(raw, str) and raw.lower() in ("true", "false"):
            return raw.lower() == "true"
    elif (kind is int and not isinstance(raw, float)) or kind is float:
        try:
            return kind(raw)
        except (TypeError, ValueError):
            pass
    article = "an" if kind is int else "a"
    raise DecodingError(path, f"Couldn't parse '{raw}' into {article} {kind.__name__}")


def _decode_fields(kind: Any, raw: Any, path: str) -> Any:
    if isinstance(raw, str):
        raw = json.loads(raw)
    if not isinstance(raw, dict):
        raise DecodingError(path, f"Couldn't parse '{raw}' into a {kind.__name__}")
    fields = {item.name: item for item in dataclasses.fields(kind)}
    unknown = sorted(set(raw) - set(fields))
    if unknown:
        raise DecodingError(
            path, f"The fields {', '.join(f'`{name}`' for name in unknown)} are not valid for {kind.__name__}"
        )
    hints = typing.get_type_hints(kind)
    values: dict[str, Any] = {}
    for name, item in fields.items():
        if name in raw:
            values[name] = decode(hints[name], raw[name], f"{path}.{name}" if path else name)
        elif item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING:
            raise DecodingError(path, f"Missing required field `{name}` for {kind.__name__}")
    return kind(**values)


def _is_field(keys: list[str]) -> bool:
    kind: Any = TrainOptions
    for key in keys:
        if not dataclasses.is_dataclass(kind):
            return False
        hints = typing.get_type_hints(kind)
        if key not in hints:
            return False
        kind = hints[key]
    return True


def _validate(options: TrainOptions) -> None:
    for path, chosen, choices in (
        ("policy.type", options.policy.type, ("act",)),
        ("optimizer.type", options.optimizer.type, ("adamw", "adam", "sgd")),
    ):
        if chosen not in choices:
            raise DecodingError(path, f"invalid choice: '{chosen}' (choose from {', '.join(map(repr, choices))})")
    least = {
        "batch_size": (options.batch_size, 1),
        "steps": (options.steps, 1),
        "num_workers": (options.num_workers, 0),
        "log_freq": (options.log_freq, 1),
        "eval_freq": (options.eval_freq, 1),
        "save_freq": (options.save_freq, 1),
        "policy.chunk_size": (options.policy.chunk_size, 1),
        "policy.dim_model": (options.policy.dim_model, 1),
        "policy.dim_feedforward": (options.policy.dim_feedforward, 1),
        "policy.latent_dim": (options.policy.latent_dim, 1),
        "dataset.src_episodes": (options.dataset.src_episodes, 1),
        "dataset.tgt_episodes": (options.dataset.tgt_episodes, 1),
        "ot.window_size": (options.ot.window_size, 0),
        "ot.topk_src_episodes": (options.ot.topk_src_episodes, 1),
        "seed": (options.seed, 0),
    }
    for path, (value, floor) in least.items():
        if value < floor:
            raise DecodingError(path, f"{value} is too small; the minimum is {floor}")


def _refuse_existing(options: TrainOptions) -> None:
    """FileExistsError even for an empty folder: two trainings must never share one."""
    if options.output_dir is not None and Path(options.output_dir).is_dir():
        raise FileExistsError(
            f"Output directory {options.output_dir} already exists and resume is {options.resume}. "
            f"Please change your output directory so that {options.output_dir} is not overwritten."
        )
