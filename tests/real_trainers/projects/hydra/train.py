"""A Hydra application: config groups, and TensorBoard files in the folder that Hydra creates."""

import hydra
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from torch.utils.tensorboard import SummaryWriter


@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(config: DictConfig) -> None:
    torch.manual_seed(config.seed)
    board = SummaryWriter(HydraConfig.get().runtime.output_dir)
    model = torch.nn.Linear(4, 1)
    optimizer = hydra.utils.instantiate(config.optimizer, model.parameters())
    inputs = torch.randn(64, 4)
    target = inputs.sum(1, keepdim=True)
    for step in range(1, config.trainer.steps + 1):
        loss = torch.nn.functional.mse_loss(model(inputs), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 10 == 0:
            board.add_scalar("train/loss", loss.item(), step)
            board.add_scalar("train/lr", optimizer.param_groups[0]["lr"], step)
    board.close()


main()
