"""Write the folders beside this file, each with the package of that name: `python write.py NAME FOLDER`, in a Python that
has the package.

Versions: torch 2.13, tensorboardX 2.6.5, lightning 2.6.6, transformers and keras of November 2026, trackio 0.43, mlflow
3.17, swanlab 0.10. Host names in file names were shortened.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any


def torch(folder: Path) -> None:
    """A run restarted from step 20, `add_scalars`, `add_hparams`, scalars as tensors, and long texts."""
    from torch.utils.tensorboard import SummaryWriter

    for begin in (0, 20):
        with SummaryWriter(str(folder / "runs" / "exp")) as writer:
            for step in range(begin, begin + 30, 10):
                writer.add_scalar("train/loss", begin + 1 / (step + 1), step)
                writer.add_scalar("val/acc", step / 100, step, new_style=True)
                writer.add_scalars("both", {"a": step, "b": -step}, step)
                writer.add_text("note", "x" * 5000, step)
            if begin:
                writer.add_hparams({"lr": 0.1, "layers": 3, "act": "relu", "bias": True}, {"hparam/acc": 0.5}, run_name=".")


def tensorboardx(folder: Path) -> None:
    from tensorboardX import SummaryWriter

    with SummaryWriter(str(folder / "logs")) as writer:
        for step in range(3):
            writer.add_scalar("loss", 1 / (step + 1), step)
        for value in (3.0, 2.0, 1.0):
            writer.add_scalar("unnumbered", value)


def lightning(folder: Path) -> None:
    """Both of its loggers; the first validation makes CSVLogger rewrite its file."""
    import lightning
    import torch
    from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(2, 1)

        def training_step(self, batch: Any, index: int) -> Any:
            loss = self.layer(batch[0]).square().mean()
            self.log("train_loss", loss)
            return loss

        def validation_step(self, batch: Any, index: int) -> None:
            self.log("val_loss", self.layer(batch[0]).square().mean())

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    torch.manual_seed(0)
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.randn(16, 2)), batch_size=2)
    trainer = lightning.Trainer(
        max_epochs=3,
        accelerator="cpu",
        logger=[CSVLogger(folder, flush_logs_every_n_steps=4), TensorBoardLogger(folder, name="boards")],
        log_every_n_steps=2,
        enable_checkpointing=False,
        enable_progress_bar=False,
    )
    trainer.fit(Module(), data, data)


def transformers(folder: Path) -> None:
    import torch
    import transformers

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(2, 1)

        def forward(self, x: Any, labels: Any = None) -> Any:
            out = self.layer(x)
            return {"loss": (out - labels).square().mean(), "logits": out}

    torch.manual_seed(0)
    data = [{"x": torch.randn(2), "labels": torch.zeros(1)} for _ in range(16)]
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(folder / "runs")
    arguments = transformers.TrainingArguments(
        output_dir=str(folder),
        max_steps=20,
        logging_steps=5,
        eval_strategy="steps",
        eval_steps=10,
        save_steps=10,
        report_to=["tensorboard"],
        use_cpu=True,
        disable_tqdm=True,
    )
    trainer = transformers.Trainer(model=Model(), args=arguments, train_dataset=data, eval_dataset=data)
    trainer.train()
    trainer.save_state()


def keras(folder: Path) -> None:
    os.environ["KERAS_BACKEND"] = "torch"
    import keras
    import numpy

    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(loss="mse", metrics=["mae"])
    numbers = numpy.random.default_rng(0).normal(size=(16, 2)).astype("float32")
    logger = keras.callbacks.CSVLogger(str(folder / "training.log"))
    model.fit(numbers, numbers[:, :1], epochs=4, validation_split=0.5, callbacks=[logger], verbose=0)


def trackio(folder: Path) -> None:
    os.environ["TRACKIO_DIR"] = str(folder / "trackio")
    import trackio

    run = trackio.init(project="exp", name="one", config={"lr": 0.1, "steps": 30})
    for step in range(0, 30, 10):
        run.log({"train/loss": 1 / (step + 1), "train/global_step": step, "nan": float("nan"), "nested": {"a": step}})
    run.finish()


def mlflow(folder: Path) -> None:
    _mlflow(f"sqlite:///{folder}/mlflow.db")


def mlflow_files(folder: Path) -> None:
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    _mlflow(f"file:{folder}/mlruns")


def _mlflow(address: str) -> None:
    import mlflow

    mlflow.set_tracking_uri(address)
    mlflow.create_experiment("exp", artifact_location="artifacts")
    mlflow.set_experiment("exp")
    with mlflow.start_run(run_name="one"):
        mlflow.log_params({"lr": 0.1, "act": "relu"})
        for step in range(0, 30, 10):
            mlflow.log_metric("train/loss", 1 / (step + 1), step=step)
            mlflow.log_metric("nan", float("nan"), step=step)
        for value in (3.0, 2.0, 1.0):
            mlflow.log_metric("unnumbered", value)


def swanlab(folder: Path) -> None:
    import swanlab

    run = swanlab.init(project="exp", logdir=str(folder / "swanlog"), mode="offline", config={"lr": 0.1})
    for step in range(0, 30, 10):
        swanlab.log({"train/loss": 1 / (step + 1), "val/acc": step}, step=step)
    swanlab.log({"train/loss": 7.0})
    del run
    swanlab.finish()


if __name__ == "__main__":
    target = Path(sys.argv[2]).resolve()
    target.mkdir(parents=True, exist_ok=True)
    globals()[sys.argv[1]](target)
