"""The demo's data: one reaching task seen by three cameras, in a rich source domain and a scarce target domain.

A hand moves to a goal on a curved path and closes. Each camera is a fixed nonlinear map of hand and goal to `VIEW_DIM`
numbers. In the target domain every camera is rotated, scaled and shifted, as on another robot, and the few episodes come
from an unsteady hand.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

VIEWS: Mapping[str, str] = {
    "observation.images.third_person_cam_color": "img_third_person",
    "observation.images.side_cam_color": "img_side",
    "observation.images.ee_cam_color": "img_ee",
}
"""Camera key in the dataset -> its name in the metrics."""
ACTION = "action"

VIEW_DIM = 16
ACTION_DIM = 4
FRAMES = 40
HELD_OUT_EPISODES = 8
_CAMERA_NOISE = 0.05
_TURN = 0.1
"""Rotation of each camera between the domains (scale of the skew-symmetric matrix that generates it)."""
_OFFSET = 0.4
"""Shift of each camera's output between the domains (standard deviation per number)."""
_SHAKE = 1.0
"""Noise on the demonstrated target actions, in standard deviations of the source actions. Cloning only the few target
episodes learns the noise too; transport adds the information of the steady source."""


@dataclass(frozen=True)
class Episodes:
    """Recorded episodes: `views[key]` [episode, frame, VIEW_DIM], `actions` [episode, frame, ACTION_DIM]."""

    views: dict[str, Array]
    actions: Array

    def __len__(self) -> int:
        return len(self.actions)

    def chunks(self, episodes: npt.NDArray[np.int64], frames: npt.NDArray[np.int64], length: int) -> Array:
        """The next `length` actions from each frame, repeating the last one past the end: [n, length, ACTION_DIM]."""
        ahead = np.minimum(frames[:, None] + np.arange(length), FRAMES - 1)
        chunks: Array = self.actions[episodes[:, None], ahead]
        return chunks


@dataclass(frozen=True)
class Task:
    source: Episodes
    target: Episodes
    held_out: Episodes
    """Target episodes for offline evaluation, never trained on."""


def make_task(name: str, source_episodes: int, target_episodes: int) -> Task:
    """Generate the task for `name`; the same name and sizes give the same numbers."""
    seed = zlib.crc32(name.encode())
    cameras = np.random.default_rng([seed, 0])
    pictures = {key: (cameras.normal(size=(6, 24)), cameras.normal(size=(24, VIEW_DIM)) / 4) for key in VIEWS}
    shifts = {key: _camera_shift(cameras) for key in VIEWS}

    def record(stream: int, episodes: int, shifted: bool) -> Episodes:
        rng = np.random.default_rng([seed, stream])
        scene, actions = _reach(rng, episodes)
        views = {}
        for key, (spread, mix) in pictures.items():
            seen = np.tanh(scene @ spread) @ mix
            if shifted:
                turn, gain, offset = shifts[key]
                seen = gain * (seen @ turn) + offset
            views[key] = (seen + rng.normal(scale=_CAMERA_NOISE, size=seen.shape)).astype(np.float32)
        return Episodes(views, actions)

    source = record(1, source_episodes, False)
    scale = source.actions.std(axis=(0, 1))
    # No noise on the held-out actions: they measure the policy, not the demonstrator.
    target, held_out = record(2, target_episodes, True), record(3, HELD_OUT_EPISODES, True)
    shake = np.random.default_rng([seed, 4]).normal(scale=_SHAKE, size=target.actions.shape).astype(np.float32)
    return Task(
        Episodes(source.views, source.actions / scale),
        Episodes(target.views, target.actions / scale + shake),
        Episodes(held_out.views, held_out.actions / scale),
    )


def episode_distances(source: Episodes, target: Episodes) -> npt.NDArray[np.float64]:
    """The mean squared distances between action sequences, divided by their median: [target episode, source episode]."""
    gap = target.actions[:, None] - source.actions[None]
    distances = np.square(gap, dtype=np.float64).mean(axis=(2, 3))
    return np.asarray(distances / np.median(distances), dtype=np.float64)


def _reach(rng: np.random.Generator, episodes: int) -> tuple[npt.NDArray[np.float64], Array]:
    """Scenes [episode, frame, hand 3 + goal 3] and the expert's actions (velocity 3 + grip)."""
    hand = rng.uniform(-1, 1, size=(episodes, 3))
    goal = rng.uniform(-1, 1, size=(episodes, 3))
    side = np.array([0.0, 0.0, 1.0])
    scenes, actions = [], []
    for _ in range(FRAMES):
        way = goal - hand
        far = np.linalg.norm(way, axis=1, keepdims=True)
        # The curve makes the action a nonlinear function of the scene; a straight reach would need no network.
        velocity = 0.12 * way + 0.06 * np.cross(way, side) * np.tanh(far)
        grip = np.tanh(8 * (0.25 - far))
        scenes.append(np.concatenate([hand, goal], axis=1))
        actions.append(np.concatenate([velocity, grip], axis=1))
        hand = hand + velocity + rng.normal(scale=0.01, size=hand.shape)
    return np.stack(scenes, axis=1), np.stack(actions, axis=1).astype(np.float32)


def _camera_shift(rng: np.random.Generator) -> tuple[npt.NDArray[np.float64], float, npt.NDArray[np.float64]]:
    skew = np.triu(rng.normal(scale=_TURN / np.sqrt(VIEW_DIM), size=(VIEW_DIM, VIEW_DIM)), 1)
    skew = skew - skew.T
    # The Cayley transform of a skew-symmetric matrix is a rotation.
    eye = np.eye(VIEW_DIM)
    turn: npt.NDArray[np.float64] = np.linalg.solve(eye + skew, eye - skew).astype(np.float64)
    return turn, float(rng.uniform(0.7, 1.3)), rng.normal(scale=_OFFSET, size=VIEW_DIM)
