"""The demo's training: real losses, real transport, nothing scripted. These tests train in this process, for a few steps.

Tests import torch themselves, because every pytest worker imports this file but only one runs the test.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from autoloop.demo.batches import PairedBatches, source_odds, take_all
from autoloop.demo.domains import make_task
from autoloop.demo.options import Request, TrainOptions, decode, read_request
from autoloop.demo.project import demo_configs
from autoloop.demo.train import as_tensors, evaluate, make_optimizer, start_wandb, step_loss, train


def options_of(name: str = "demo_baseline", **changes: Any) -> TrainOptions:
    """Return the options of the demo's config `name` with changes (`ot__lambda_ot=…`), with W&B off."""
    raw = copy.deepcopy(demo_configs()[name])
    raw["wandb"]["enable"] = False
    for path, value in changes.items():
        *parents, key = path.split("__")
        node: Any = raw
        for parent in parents:
            node = node[int(parent)] if parent.isdigit() else node[parent]
        node[key] = value
    options: TrainOptions = decode(TrainOptions, raw)
    return options


def few_steps(options: TrainOptions, steps: int) -> dict[str, float]:
    """Return the parts of the loss after `steps` updates, and the distance that the weights have moved."""
    import torch
    from autoloop.demo.model import ChunkPolicy

    torch.manual_seed(options.seed)
    torch.set_num_threads(1)
    task = make_task(options.dataset.repo_id, options.dataset.src_episodes, options.dataset.tgt_episodes)
    policy = ChunkPolicy(options.policy)
    optimizer = make_optimizer(options, policy)
    batches = PairedBatches(task, options, 0)
    parts: dict[str, float] = {}
    for step in range(steps):
        batch = {side: as_tensors(values, "cpu") for side, values in batches[step].items()}
        loss, parts = step_loss(policy, batch, options)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    weights = sum(float(weight.detach().abs().double().sum()) for weight in policy.parameters())
    return {**parts, "weights": weights}


def test_the_baselines_transport_underflows_and_raised_reg_and_tau_bring_the_mass_back() -> None:
    baseline = few_steps(options_of(), 3)
    rescued = few_steps(
        options_of(
            ot__loss_config__reg=0.16, ot__loss_config__tau_src=0.5, ot__loss_config__tau_tgt=0.5, ot__window_size=20
        ),
        3,
    )
    assert 0 <= baseline["ot_pi_sum"] < 1e-6
    assert rescued["ot_pi_sum"] > 1000 * max(baseline["ot_pi_sum"], 1e-12)
    assert rescued["ot_loss"] > 1000 * baseline["ot_loss"]


def test_the_four_configs_spread_from_no_mass_to_most_of_it() -> None:
    masses = [few_steps(options_of(name), 3)["ot_pi_sum"] for name in demo_configs()]
    assert masses == sorted(masses)
    assert masses[0] < 1e-6
    assert masses[-1] > 0.3


def test_the_same_seed_gives_the_same_training_and_another_another() -> None:
    once = few_steps(options_of(), 4)
    assert once == few_steps(options_of(), 4)
    assert once["weights"] != few_steps(options_of(seed=7), 4)["weights"]


@pytest.fixture(scope="module")
def with_mass() -> float:
    """Return the weights after a few steps with a config whose transport has mass, so that its options have an effect."""
    return few_steps(options_of("demo_tau2_lam015"), 2)["weights"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("ot__lambda_ot", 0.5),
        ("ot__window_size", 20),
        ("ot__topk_src_episodes", 1),
        ("ot__bc_src_weight", 0.2),
        ("ot__sharpness", 0.0),
        ("ot__cutoff", 0.9),
        ("ot__loss_config__reg", 0.3),
        ("ot__loss_config__tau_src", 3.0),
        ("ot__loss_config__tau_tgt", 3.0),
        ("ot__loss_config__features__0__use_learned_embed", False),
        ("ot__loss_config__features__1__weight_embed", 0.4),
        ("ot__loss_config__features__2__weight_label", 0.1),
        ("ot__loss_config__features__3__weight_label", 0.0001),
        ("ot__loss_config__features__3__use_learned_embed", True),
        ("policy__kl_weight", 1.0),
        ("policy__chunk_size", 4),
        ("policy__dim_model", 16),
        ("policy__latent_dim", 4),
        ("policy__dim_feedforward", 64),
        ("policy__dropout", 0.3),
        ("batch_size", 20),
        ("dataset__repo_id", "demo/other"),
        ("dataset__src_episodes", 30),
        ("dataset__tgt_episodes", 4),
    ],
)
def test_every_option_of_the_objective_changes_what_is_trained(with_mass: float, path: str, value: Any) -> None:
    changed = options_of("demo_tau2_lam015", **{path: value})
    if path.endswith("features__3__use_learned_embed"):
        changed.ot.loss_config.features[3].weight_embed = 0.1
    assert few_steps(changed, 2)["weights"] != with_mass


def test_a_feature_with_embedding_and_label_both_off_stops_the_training(tmp_path: Path) -> None:
    options = options_of(ot__loss_config__features__3__weight_label=0.0, steps=1, output_dir=str(tmp_path / "out"))
    with pytest.raises(ValueError, match="`action`: learned embedding and label cost are both disabled"):
        train(Request(options, None), start_wandb)


def test_a_feature_that_the_data_lacks_is_named() -> None:
    with pytest.raises(KeyError, match=r"ot feature `observation\.depth` is not in the data set"):
        few_steps(options_of(ot__loss_config__features__0__key="observation.depth"), 1)


def test_the_policys_preset_replaces_the_optimizer_unless_told_otherwise(tmp_path: Path) -> None:
    def rate(**changes: Any) -> float:
        options = options_of(
            steps=1,
            policy__optimizer_lr=3e-4,
            optimizer__lr=7e-4,
            save_checkpoint=False,
            output_dir=str(tmp_path / "out"),
            **changes,
        )
        train(Request(options, None), start_wandb)
        return options.optimizer.lr

    assert rate() == 3e-4
    assert rate(use_policy_training_preset=False) == 7e-4


def test_batches_are_the_same_with_workers_and_after_a_resume() -> None:
    import torch
    from torch.utils.data import DataLoader

    options = options_of(steps=6)
    task = make_task("demo/x", 20, 3)
    whole = list(DataLoader(PairedBatches(task, options, 0), batch_size=None))
    rest = list(DataLoader(PairedBatches(task, options, 4), batch_size=None, num_workers=1))
    assert len(whole) == 6
    assert len(rest) == 2
    for left, right in zip(whole[4:], rest, strict=True):
        for side in ("source", "target"):
            assert all(torch.equal(left[side][key], right[side][key]) for key in left[side])


def test_source_episodes_are_drawn_from_the_nearest_only() -> None:
    task = make_task("demo/x", 30, 3)
    flat = source_odds(task, 5, 0.0, 0.0)
    assert (np.count_nonzero(flat, axis=1) == 5).all()
    assert np.allclose(flat.sum(axis=1), 1)
    sharp = source_odds(task, 5, 10.0, 0.01)
    assert ((sharp > 0) <= (flat > 0)).all()
    assert (sharp.max(axis=1) > flat.max(axis=1)).all()


def test_evaluation_leaves_the_random_stream_alone() -> None:
    import torch
    from autoloop.demo.model import ChunkPolicy

    options = options_of()
    policy = ChunkPolicy(options.policy)
    held_out = as_tensors(take_all(make_task("demo/x", 4, 2).held_out, options.policy.chunk_size), "cpu")
    before = torch.get_rng_state()
    assert evaluate(policy, held_out, 10.0) == evaluate(policy, held_out, 10.0)
    assert torch.equal(before, torch.get_rng_state())
    assert policy.training


def test_a_resumed_training_ends_where_an_unbroken_one_does(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    out = tmp_path / "out"
    train(Request(options_of(steps=6, save_freq=3, policy__dropout=0.1, output_dir=str(out)), None), start_wandb)
    unbroken = load_file(out / "checkpoints" / "000006" / "pretrained_model" / "model.safetensors")
    kept = out / "checkpoints" / "000003" / "pretrained_model" / "train_config.json"
    again = read_request([f"--config_path={kept}", "--resume=true"])
    (out / "checkpoints" / "000006" / "pretrained_model" / "model.safetensors").unlink()
    train(again, start_wandb)
    resumed = load_file(out / "checkpoints" / "last" / "pretrained_model" / "model.safetensors")
    assert all(torch.equal(unbroken[name], resumed[name]) for name in unbroken)
