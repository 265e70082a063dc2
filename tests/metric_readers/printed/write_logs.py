"""Print the logs beside this file: `python write_logs.py NAME > NAME.txt 2>&1`, with the package installed.

Written with lightning 2.6.6, transformers 5.24, keras 3.15 on torch, stable-baselines3; lines with an address were removed.
"""

from __future__ import annotations

import os
import sys
from typing import Any


def lightning(bar: str) -> None:
    import lightning as pl
    import torch
    from lightning.pytorch.callbacks import RichProgressBar, TQDMProgressBar
    from lightning.pytorch.demos.boring_classes import RandomDataset

    class Model(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(32, 2)

        def training_step(self, batch: Any, _: int) -> Any:
            loss = self.layer(batch).pow(2).mean()
            self.log("train_loss", loss, prog_bar=True)
            return loss

        def validation_step(self, batch: Any, _: int) -> None:
            self.log("val_loss", self.layer(batch).pow(2).mean(), prog_bar=True)

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    def batches(rows: int) -> Any:
        return torch.utils.data.DataLoader(RandomDataset(32, rows), batch_size=4)

    torch.manual_seed(0)
    bars = {"tqdm": TQDMProgressBar, "rich": RichProgressBar}
    options = {"max_epochs": 3, "accelerator": "cpu", "logger": False, "enable_checkpointing": False}
    pl.Trainer(**options, callbacks=[bars[bar]()]).fit(Model(), batches(40), batches(8))


def transformers(disable_tqdm: bool) -> None:
    import torch
    from transformers import Trainer, TrainingArguments

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(4, 1)

        def forward(self, x: Any = None, labels: Any = None) -> Any:
            out = self.layer(x).squeeze(-1)
            return {"loss": ((out - labels) ** 2).mean(), "logits": out}

    random = torch.Generator().manual_seed(0)
    rows = [{"x": torch.randn(4, generator=random), "labels": torch.randn((), generator=random)} for _ in range(64)]
    arguments = TrainingArguments(
        output_dir="out",
        max_steps=40,
        per_device_train_batch_size=8,
        logging_steps=5,
        eval_strategy="steps",
        eval_steps=20,
        save_strategy="no",
        report_to=[],
        disable_tqdm=disable_tqdm,
        use_cpu=True,
    )
    Trainer(Model(), arguments, train_dataset=rows, eval_dataset=rows[:32]).train()


def keras(verbose: int) -> None:
    os.environ["KERAS_BACKEND"] = "torch"
    import keras
    import numpy as np

    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    x = np.random.default_rng(0).random((200, 4))
    y = x.sum(1)
    model.fit(x, y, batch_size=20, epochs=3, validation_split=0.2, verbose=verbose)
    model.evaluate(x, y, verbose=verbose)


def stable_baselines3() -> None:
    from stable_baselines3 import PPO

    options = {"n_steps": 64, "batch_size": 32, "n_epochs": 1, "device": "cpu", "seed": 0}
    PPO("MlpPolicy", "CartPole-v1", verbose=1, **options).learn(192)


if __name__ == "__main__":
    {
        "lightning": lambda: lightning("tqdm"),
        "lightning_rich": lambda: lightning("rich"),
        "transformers": lambda: transformers(False),
        "transformers_without_bars": lambda: transformers(True),
        "keras": lambda: keras(1),
        "keras_quiet": lambda: keras(2),
        "stable_baselines3": stable_baselines3,
    }[sys.argv[1]]()
