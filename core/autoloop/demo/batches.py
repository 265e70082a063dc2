"""The batches of the demo: target frames, each paired with a source frame from similar episodes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from autoloop.demo.domains import ACTION, FRAMES, VIEWS, Episodes, Task, episode_distances
from autoloop.demo.options import TrainOptions

Side = dict[str, npt.NDArray[np.float32]]
"""Camera key -> [batch, VIEW_DIM], and ACTION -> the next actions [batch, chunk, ACTION_DIM]."""


class PairedBatches:
    """A map-style dataset for a DataLoader without automatic batching: item `i` is the whole batch of training step
    `first_step + i`.

    Each batch depends only on (seed, step), so it is the same with any number of workers and after a resume.
    """

    def __init__(self, task: Task, options: TrainOptions, first_step: int) -> None:
        self._task = task
        self._options = options
        self._first_step = first_step
        self._odds = source_odds(task, options.ot.topk_src_episodes, options.ot.sharpness, options.ot.cutoff)

    def __len__(self) -> int:
        return self._options.steps - self._first_step

    def __getitem__(self, index: int) -> dict[str, Side]:
        options = self._options
        if index >= len(self):
            raise IndexError(index)
        rng = np.random.default_rng([options.seed, self._first_step + index])
        size = options.batch_size
        episodes = rng.integers(len(self._task.target), size=size)
        frames = rng.integers(FRAMES, size=size)
        sources = (rng.random((size, 1)) > self._odds[episodes].cumsum(axis=1)).sum(axis=1)
        sources = np.minimum(sources, len(self._task.source) - 1)
        window = options.ot.window_size
        nearby = np.clip(frames + rng.integers(-window, window + 1, size=size), 0, FRAMES - 1)
        chunk = options.policy.chunk_size
        return {
            "target": take(self._task.target, episodes, frames, chunk),
            "source": take(self._task.source, sources, nearby, chunk),
        }


def take(recorded: Episodes, episodes: npt.NDArray[np.int64], frames: npt.NDArray[np.int64], chunk: int) -> Side:
    side: dict[str, Any] = {key: recorded.views[key][episodes, frames] for key in VIEWS}
    side[ACTION] = recorded.chunks(episodes, frames, chunk)
    return side


def take_all(recorded: Episodes, chunk: int) -> Side:
    """Every frame of every episode, in order."""
    episodes, frames = np.divmod(np.arange(len(recorded) * FRAMES), FRAMES)
    return take(recorded, episodes, frames, chunk)


def source_odds(task: Task, topk: int, sharpness: float, cutoff: float) -> npt.NDArray[np.float64]:
    """The probability of each source episode for each target episode: [target episode, source episode], rows sum to 1."""
    distances = episode_distances(task.source, task.target)
    nearest = np.sort(distances, axis=1)
    limit = nearest[:, min(topk, len(task.source)) - 1, None]
    weights = np.exp(-sharpness * (distances - nearest[:, :1]))
    weights[(distances > limit) | (weights < cutoff)] = 0.0
    # The nearest episode stays, regardless of sharpness and cutoff.
    weights[distances == nearest[:, :1]] = 1.0
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float64)
