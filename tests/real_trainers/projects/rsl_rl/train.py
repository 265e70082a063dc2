"""PPO of rsl-rl that keeps a point at the origin. Like Isaac Lab's script, it takes argparse flags, then overrides."""

import argparse
import os

import torch
from omegaconf import OmegaConf
from rsl_rl.env import VecEnv
from rsl_rl.runners import OnPolicyRunner
from tensordict import TensorDict

CONFIG = {
    "seed": 1,
    "max_iterations": 10,
    "num_steps_per_env": 8,
    "save_interval": 100,
    "obs_groups": {"actor": ["policy"], "critic": ["policy"]},
    "algorithm": {"class_name": "PPO", "learning_rate": 0.001, "schedule": "fixed", "num_learning_epochs": 1},
    "actor": {
        "class_name": "MLPModel",
        "hidden_dims": [16],
        "distribution_cfg": {"class_name": "GaussianDistribution", "init_std": 1.0},
    },
    "critic": {"class_name": "MLPModel", "hidden_dims": [16]},
}


class Point(VecEnv):
    num_envs, num_actions, max_episode_length, device, cfg = 8, 2, 20, "cpu", {}

    def __init__(self):
        self.place = torch.randn(self.num_envs, 2)
        self.episode_length_buf = torch.zeros(self.num_envs, dtype=torch.long)

    def get_observations(self):
        return TensorDict({"policy": self.place.clone()}, batch_size=[self.num_envs])

    def step(self, actions):
        self.place = self.place + 0.1 * actions
        self.episode_length_buf += 1
        done = self.episode_length_buf >= self.max_episode_length
        self.place[done] = torch.randn(int(done.sum()), 2)
        self.episode_length_buf[done] = 0
        return self.get_observations(), -self.place.norm(dim=1), done.long(), {"time_outs": done}


parser = argparse.ArgumentParser()
parser.add_argument("--task", required=True)
parser.add_argument("--headless", action="store_true")
arguments, overrides = parser.parse_known_args()
agent = OmegaConf.create({"agent": {**CONFIG, "experiment_name": "point"}})
agent = OmegaConf.to_container(OmegaConf.merge(agent, OmegaConf.from_dotlist(overrides)))["agent"]
torch.manual_seed(agent["seed"])
folder = os.path.join("logs", "rsl_rl", agent.pop("experiment_name"), "2026-01-01_00-00-00")
OnPolicyRunner(Point(), agent, log_dir=folder, device="cpu").learn(agent["max_iterations"])
