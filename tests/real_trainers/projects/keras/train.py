"""Keras on torch: flags, and a CSV file in addition to the output of `fit`."""

import argparse
import os

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("--learning_rate", type=float, default=0.01)
parser.add_argument("--epochs", type=int, default=4)
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--out", required=True)
arguments = parser.parse_args()

keras.utils.set_random_seed(arguments.seed)
model = keras.Sequential([keras.layers.Dense(8, activation="relu"), keras.layers.Dense(1)])
model.compile(keras.optimizers.Adam(arguments.learning_rate), loss="mse")
inputs = np.random.default_rng(1).normal(size=(192, 4))
os.makedirs(arguments.out, exist_ok=True)


class Rate(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        logs["learning_rate"] = float(self.model.optimizer.learning_rate)


log = keras.callbacks.CSVLogger(os.path.join(arguments.out, "training.log"))
model.fit(inputs, inputs.sum(1), epochs=arguments.epochs, validation_split=0.25, callbacks=[Rate(), log])
