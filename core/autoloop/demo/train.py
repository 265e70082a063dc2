"""The demo trainer: behaviour cloning in two domains with an unbalanced-transport term between them.

Run it as a script: `accelerate launch --num_processes 1 …/demo/train.py --config_path=X.json --steps=300 …`. Its command
line, log lines, files and W&B keys are those of LeRobot's trainer (up to 0.5), so the same tools drive both.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from pprint import pformat
from typing import TYPE_CHECKING, Any

if not __package__:
    # Run as a script: replace its folder on the path (model.py and train.py are common names) with that of the package.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from autoloop.demo.options import WANDB_MODES, Request, TrainOptions, UsageError, read_request

if TYPE_CHECKING:
    import wandb
    from torch import Tensor, nn


def main(argv: list[str]) -> None:
    try:
        request = read_request(argv)
    except UsageError as error:
        print(
            f"usage: train.py --config_path=FILE [--key=value | --section.key=value ...]\ntrain.py: error: {error}",
            file=sys.stderr,
        )
        sys.exit(2)
    log_to_stderr()
    train(request, start_wandb)


def train(request: Request, start: Callable[[TrainOptions], Any]) -> None:
    """Train from scratch (or a checkpoint) to `steps`; writes only below the output directory.

    `start` returns the run to log metrics to, with `log` and `finish` like a W&B run, or None.
    """
    import torch
    from accelerate import Accelerator
    from accelerate.utils import set_seed
    from torch.utils.data import DataLoader
    from tqdm import tqdm

    from autoloop.demo.batches import PairedBatches, take_all
    from autoloop.demo.checkpoint import load_checkpoint, save_checkpoint
    from autoloop.demo.domains import FRAMES, make_task
    from autoloop.demo.model import ChunkPolicy

    options = request.options
    if options.policy.device.startswith("cuda") and not torch.cuda.is_available():
        logging.warning("Device '%s' is not available. Switching to 'cpu'.", options.policy.device)
        options.policy.device = "cpu"
    if options.use_policy_training_preset:
        options.optimizer.type, options.optimizer.lr = "adamw", options.policy.optimizer_lr
        options.optimizer.weight_decay = options.policy.optimizer_weight_decay
    options.job_name = options.job_name or options.policy.type
    if options.output_dir is None:
        options.output_dir = time.strftime(f"outputs/train/%Y-%m-%d/%H-%M-%S_{options.job_name}")
    output_dir = Path(options.output_dir)

    accelerator = Accelerator(cpu=options.policy.device == "cpu")
    torch.set_num_threads(1)  # The matrices are tiny; more threads only slow each other down.
    set_seed(options.seed)
    logging.info("%s", pformat(asdict(options)))
    run = start(options)

    logging.info("Creating dataset")
    task = make_task(options.dataset.repo_id, options.dataset.src_episodes, options.dataset.tgt_episodes)
    logging.info("Creating policy")
    policy = ChunkPolicy(options.policy)
    logging.info("Creating optimizer and scheduler")
    optimizer = make_optimizer(options, policy)
    step = load_checkpoint(request.checkpoint, policy, optimizer) if request.checkpoint else 0
    # A separate generator: the loader draws a seed when it starts, which would shift the policy's noise after a resume.
    loader = DataLoader(
        PairedBatches(task, options, step), batch_size=None, num_workers=options.num_workers, generator=torch.Generator()
    )
    policy, optimizer, loader = accelerator.prepare(policy, optimizer, loader)
    frames = len(task.target) * FRAMES
    logging.info("Output dir: %s", output_dir)
    logging.info("cfg.steps=%d (%s)", options.steps, short_number(options.steps))
    logging.info("dataset.num_frames=%d (%s)", frames, short_number(frames))
    logging.info("num_learnable_params=%d", sum(p.numel() for p in policy.parameters() if p.requires_grad))
    logging.info("Start offline training on a fixed dataset, with effective batch size: %d", options.batch_size)

    window = Window()
    held_out = as_tensors(take_all(task.held_out, options.policy.chunk_size), accelerator.device)
    bar = tqdm(total=options.steps - step, desc="Training", unit="step")
    batches = iter(loader)
    policy.train()
    while step < options.steps:
        started = time.perf_counter()
        batch = next(batches)
        loaded = time.perf_counter()
        loss, parts = step_loss(policy, batch, options)
        optimizer.zero_grad()
        accelerator.backward(loss)
        norm = accelerator.clip_grad_norm_(policy.parameters(), options.optimizer.grad_clip_norm)
        optimizer.step()
        step += 1
        bar.update()
        window.add(
            {**parts, "grad_norm": float(norm), "update_s": time.perf_counter() - loaded, "dataloading_s": loaded - started}
        )
        if step % options.log_freq == 0:
            samples = step * options.batch_size
            metrics = {
                **window.take(),
                "lr": optimizer.param_groups[0]["lr"],
                "steps": step,
                "samples": samples,
                "episodes": samples / FRAMES,
                "epochs": samples / frames,
            }
            logging.info("%s", progress_line(metrics))
            if run is not None:
                run.log({f"train/{name}": value for name, value in metrics.items()}, step=step)
        if step % options.eval_freq == 0 or step == options.steps:
            scores = evaluate(policy, held_out, options.policy.kl_weight)
            logging.info("step %d: eval_loss=%.4f eval_l1=%.4f", step, scores["avg_loss"], scores["avg_l1"])
            if run is not None:
                run.log({f"eval/offline_eval/{name}": value for name, value in scores.items()}, step=step)
        if options.save_checkpoint and (step % options.save_freq == 0 or step == options.steps):
            logging.info("Checkpoint policy after step %d", step)
            save_checkpoint(output_dir, step, options, accelerator.unwrap_model(policy), optimizer)
    bar.close()
    accelerator.end_training()
    if run is not None:
        run.finish()
    logging.info("End of training")


def step_loss(
    policy: nn.Module,
    batch: dict[str, dict[str, Tensor]],
    options: TrainOptions,
) -> tuple[Tensor, dict[str, float]]:
    """The loss of one batch of both domains, and its parts by their logged names."""
    from autoloop.demo.objective import transport

    target, source = policy(batch["target"]), policy(batch["source"])
    moved = transport(options.ot.loss_config, batch["source"], batch["target"], source.embeds, target.embeds)
    kld = target.kld + options.ot.bc_src_weight * source.kld
    loss = target.l1 + options.ot.bc_src_weight * source.l1 + options.policy.kl_weight * kld
    loss = loss + options.ot.lambda_ot * moved.loss
    return loss, {
        "loss": loss.item(),
        "l1_loss": target.l1.item(),
        "src_l1_loss": source.l1.item(),
        "kld_loss": kld.item(),
        "ot_loss": moved.loss.item(),
        "ot_pi_sum": moved.pi_sum,
        "ot_pi_diag": moved.pi_diag,
        **{f"ot_cost/{name}": value for name, value in moved.costs.items()},
    }


def evaluate(policy: nn.Module, held_out: dict[str, Tensor], kl_weight: float) -> dict[str, float]:
    """Evaluate on the held-out target episodes: `avg_l1` of the predicted actions, and the cloning loss as `avg_loss`."""
    import torch

    policy.eval()
    with torch.no_grad():
        cloned = policy(held_out)
        l1 = (policy.act(held_out) - held_out["action"]).abs().mean()
    policy.train()
    return {"avg_l1": l1.item(), "avg_loss": (cloned.l1 + kl_weight * cloned.kld).item()}


def make_optimizer(options: TrainOptions, policy: nn.Module) -> Any:
    import torch

    chosen = options.optimizer
    kinds = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam, "sgd": torch.optim.SGD}
    return kinds[chosen.type](policy.parameters(), lr=chosen.lr, weight_decay=chosen.weight_decay)


def start_wandb(options: TrainOptions) -> wandb.Run | None:
    """Start the W&B run, with the id from the config or WANDB_RUN_ID, and store its id in the options. None if disabled."""
    if not options.wandb.enable:
        return None
    os.environ["WANDB_SILENT"] = "True"
    import wandb

    asked = options.wandb
    # Any value other than the three modes means online, as in LeRobot: a typo must not make a run offline.
    mode: Any = asked.mode if asked.mode in WANDB_MODES else "online"
    assert options.output_dir is not None
    run = wandb.init(
        id=asked.run_id or os.environ.get("WANDB_RUN_ID") or None,
        project=asked.project,
        entity=asked.entity,
        name=options.job_name,
        notes=asked.notes,
        dir=options.output_dir,
        config=asdict(options),
        job_type="train_eval",
        tags=[f"policy:{options.policy.type}", f"seed:{options.seed}", f"dataset:{options.dataset.repo_id}"],
        resume="must" if options.resume else None,
        mode=mode,
    )
    options.wandb.run_id = run.id
    logging.info("Track this run --> %s", run.url)
    return run


class Window:
    """Means over the steps since the last log line."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._steps = 0

    def add(self, values: dict[str, float]) -> None:
        self._steps += 1
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0.0) + value

    def take(self) -> dict[str, float]:
        means = {name: total / self._steps for name, total in self._sums.items()}
        self._sums, self._steps = {}, 0
        return means


def progress_line(metrics: dict[str, float]) -> str:
    return (
        f"step:{short_number(metrics['steps'])} smpl:{short_number(metrics['samples'])} "
        f"ep:{short_number(metrics['episodes'])} epch:{metrics['epochs']:.2f} loss:{metrics['loss']:.3f} "
        f"grdn:{metrics['grad_norm']:.3f} lr:{metrics['lr']:.1e} updt_s:{metrics['update_s']:.3f} "
        f"data_s:{metrics['dataloading_s']:.3f}"
    )


def short_number(value: float) -> str:
    """1234 -> `1K`: numbers from a thousand on are rounded, in LeRobot's style."""
    for unit in ("", "K", "M"):
        if abs(value) < 1000:
            return f"{value:.0f}{unit}"
        value /= 1000
    return f"{value:.0f}B"


def as_tensors(side: dict[str, Any], device: Any) -> dict[str, Tensor]:
    import torch

    return {key: torch.from_numpy(values).to(device) for key, values in side.items()}


def log_to_stderr() -> None:
    class Lines(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
            place = f"{record.pathname}:{record.lineno}"[-15:]
            return f"{record.levelname} {stamp} {place:>15} {record.getMessage()}"

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


if __name__ == "__main__":
    main(sys.argv[1:])
