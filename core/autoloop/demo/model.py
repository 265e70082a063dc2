"""The demo's policy: action chunking with a variational code, modelled on ACT; a step takes milliseconds on one core."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from autoloop.demo.domains import ACTION, ACTION_DIM, VIEW_DIM, VIEWS
from autoloop.demo.options import PolicyOptions


@dataclass(frozen=True)
class Pass:
    """One forward pass over one domain's batch. `embeds[key]` is [batch, dim_model], for cameras and for ACTION."""

    l1: Tensor
    kld: Tensor
    embeds: dict[str, Tensor]


class ChunkPolicy(nn.Module):  # type: ignore[misc]
    """Camera views -> the next `chunk_size` actions. Both domains share one set of weights.

    A side (one domain's batch) is {camera key: [batch, VIEW_DIM], ACTION: [batch, chunk, ACTION_DIM]}.
    """

    def __init__(self, options: PolicyOptions) -> None:
        super().__init__()
        wide, chunk = options.dim_model, options.chunk_size * ACTION_DIM
        self._shape = (options.chunk_size, ACTION_DIM)
        self._latent_dim = options.latent_dim
        self.cameras = nn.ModuleDict({name: _encoder(VIEW_DIM, wide) for name in VIEWS.values()})
        self.chunk_encoder = _encoder(chunk, wide)
        seen = wide * len(VIEWS)
        self.posterior = nn.Linear(wide + seen, 2 * options.latent_dim)
        self.decoder = nn.Sequential(
            nn.Linear(seen + options.latent_dim, options.dim_feedforward),
            nn.GELU(),
            nn.Dropout(options.dropout),
            nn.Linear(options.dim_feedforward, chunk),
        )

    def forward(self, side: Mapping[str, Tensor]) -> Pass:
        """Reconstruct the actions of `side` through a code sampled from the posterior (its mean when not training)."""
        embeds = self._look(side)
        seen = torch.cat(list(embeds.values()), dim=1)
        embeds[ACTION] = self.chunk_encoder(side[ACTION].flatten(1))
        mean, log_var = self.posterior(torch.cat([embeds[ACTION], seen], dim=1)).chunk(2, dim=1)
        code = mean + torch.randn_like(mean) * (log_var / 2).exp() if self.training else mean
        kld = (-0.5 * (1 + log_var - mean.square() - log_var.exp())).sum(dim=1).mean()
        return Pass((self._decode(seen, code) - side[ACTION]).abs().mean(), kld, embeds)

    def act(self, side: Mapping[str, Tensor]) -> Tensor:
        """The predicted actions, with the code at its prior mean: [batch, chunk, ACTION_DIM]."""
        seen = torch.cat(list(self._look(side).values()), dim=1)
        return self._decode(seen, seen.new_zeros(len(seen), self._latent_dim))

    def _look(self, side: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {key: self.cameras[name](side[key]) for key, name in VIEWS.items()}

    def _decode(self, seen: Tensor, code: Tensor) -> Tensor:
        actions: Tensor = self.decoder(torch.cat([seen, code], dim=1))
        return actions.unflatten(1, self._shape)


def _encoder(seen: int, wide: int) -> nn.Sequential:
    # Without affine parameters, the norm fixes the length of embeddings, so shrinking them cannot reduce the transport cost.
    return nn.Sequential(
        nn.Linear(seen, 2 * wide), nn.GELU(), nn.Linear(2 * wide, wide), nn.LayerNorm(wide, elementwise_affine=False)
    )
