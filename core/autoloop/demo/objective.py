"""The unbalanced optimal-transport term between a source batch and a target batch.

The plan comes from POT's plain Sinkhorn scaling in float64. If the cost is far above `reg` and `tau`, the mass of the plan
underflows towards 0 and the term has no effect on training. The demo's first round shows this failure.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import ot
import torch
from torch import Tensor

from autoloop.demo.domains import ACTION, VIEWS
from autoloop.demo.options import FeatureOptions, LossOptions

COST_NAMES: Mapping[str, str] = {**VIEWS, ACTION: "action_lbl"}
"""Feature key -> the last part of its metric `train/ot_cost/<name>`."""
_MAX_ITERATIONS = 100
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Transport:
    """`loss` = <plan, cost>, with the plan held fixed. `costs`: the weighted mean of each term over all pairs, regardless of
    the plan."""

    loss: Tensor
    pi_sum: float
    pi_diag: float
    costs: dict[str, float]


def transport(
    options: LossOptions,
    source: Mapping[str, Tensor],
    target: Mapping[str, Tensor],
    source_embeds: Mapping[str, Tensor],
    target_embeds: Mapping[str, Tensor],
) -> Transport:
    """Raw features and learned embeddings of both batches, [n, …] each -> the transport term (float64).

    The gradient flows through the cost only: at the optimum, a change of the plan does not change the objective.
    """
    terms = {feature.key: _term(feature, source, target, source_embeds, target_embeds) for feature in options.features}
    if not terms:
        raise ValueError("ot.loss_config.features is empty: optimal transport needs at least one feature as its cost")
    cost = torch.stack(list(terms.values())).sum(dim=0)
    plan = torch.from_numpy(solve(cost.detach().cpu().numpy(), options)).to(cost.device)
    costs = {COST_NAMES[key]: float(term.detach().mean()) for key, term in terms.items()}
    return Transport((plan * cost).sum(), float(plan.sum()), float(plan.diagonal().sum()), costs)


def solve(cost: npt.NDArray[np.float64], options: LossOptions) -> npt.NDArray[np.float64]:
    """The plan [n, m] between uniform marginals."""
    rows, columns = cost.shape
    with np.errstate(all="ignore"), warnings.catch_warnings():
        # An underflowed plan is a valid result here, visible in ot_pi_sum; POT would warn at every step.
        warnings.filterwarnings("ignore", message="Numerical errors")
        plan = ot.unbalanced.sinkhorn_unbalanced(
            np.full(rows, 1 / rows),
            np.full(columns, 1 / columns),
            cost,
            reg=options.reg,
            reg_m=(options.tau_src, options.tau_tgt),
            method="sinkhorn",
            numItermax=_MAX_ITERATIONS,
            stopThr=_TOLERANCE,
        )
    return np.asarray(plan, dtype=np.float64)


def _term(
    feature: FeatureOptions,
    source: Mapping[str, Tensor],
    target: Mapping[str, Tensor],
    source_embeds: Mapping[str, Tensor],
    target_embeds: Mapping[str, Tensor],
) -> Tensor:
    if feature.key not in COST_NAMES:
        raise KeyError(f"ot feature `{feature.key}` is not in the data set, which has {', '.join(COST_NAMES)}")
    if not feature.use_learned_embed and feature.weight_label == 0:
        raise ValueError(f"ot feature `{feature.key}`: learned embedding and label cost are both disabled")
    cost = feature.weight_label * _squared(source[feature.key], target[feature.key])
    if feature.use_learned_embed:
        cost = cost + feature.weight_embed * _squared(source_embeds[feature.key], target_embeds[feature.key])
    return cost


def _squared(left: Tensor, right: Tensor) -> Tensor:
    """Squared Euclidean distances between all rows, float64."""
    return (left.flatten(1).double()[:, None] - right.flatten(1).double()[None]).square().sum(dim=2)
