"""A LightningCLI application with a random regression problem."""

import torch
from lightning import LightningModule
from lightning.pytorch.cli import LightningCLI
from torch.utils.data import DataLoader, TensorDataset


class Regression(LightningModule):
    def __init__(self, lr: float = 0.01, width: int = 8) -> None:
        super().__init__()
        self.lr = lr
        self.network = torch.nn.Sequential(torch.nn.Linear(4, width), torch.nn.ReLU(), torch.nn.Linear(width, 1))

    def training_step(self, batch, _):
        inputs, target = batch
        loss = torch.nn.functional.mse_loss(self.network(inputs), target)
        self.log("train_loss", loss)
        self.log("lr", self.optimizers().param_groups[0]["lr"])
        return loss

    def validation_step(self, batch, _):
        inputs, target = batch
        self.log("val_loss", torch.nn.functional.mse_loss(self.network(inputs), target))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.lr)

    def data(self):
        inputs = torch.randn(64, 4)
        return DataLoader(TensorDataset(inputs, inputs.sum(1, keepdim=True)), batch_size=8)

    train_dataloader = val_dataloader = data


LightningCLI(Regression)
