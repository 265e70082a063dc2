"""A trainer whose config is decoded as in LeRobot. Tests only read it; if started, it fails with a message."""

import dataclasses

import draccus

print("this line must not get into any answer")


@dataclasses.dataclass
class Schedule:
    warmup: int
    decay: int = 100

    def __post_init__(self):
        if self.warmup > self.decay:
            raise ValueError(f"a warm-up of {self.warmup} steps is longer than the decay of {self.decay}")


@dataclasses.dataclass
class TrainPipelineConfig:
    dataset: str
    batch_size: int = 8
    steps: int = 100
    log_freq: int = 10
    eval_freq: int = 10
    output_dir: str = ""
    policy: dict = None
    job_name: str = ""
    wandb: dict = None
    schedule: Schedule = None


@draccus.wrap()
def train(cfg: TrainPipelineConfig):
    raise AssertionError


if __name__ == "__main__":
    train()
