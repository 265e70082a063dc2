"""A falling loss with nanoGPT's interface: defaults as globals, `--key=value` of exactly the default's type, and metrics
only on stdout, in nanoGPT's format."""

import json
import math
import os
import random
import sys
from ast import literal_eval

out_dir = "out"
eval_interval = 10
log_interval = 5
learning_rate = 6e-4
max_iters = 20
decay_lr = True
device = "cuda"
seed = 1337

for argument in sys.argv[1:]:
    key, _, text = argument.removeprefix("--").partition("=")
    if not argument.startswith("--") or key not in globals():
        raise ValueError(f"Unknown config key: {argument}")
    try:
        value = literal_eval(text)
    except (SyntaxError, ValueError):
        value = text
    assert type(value) is type(globals()[key]), f"{key}: {value!r}"
    globals()[key] = value

os.makedirs(out_dir, exist_ok=True)
random.seed(seed)
with open(os.path.join(out_dir, "rate.json"), "w", encoding="utf-8") as file:
    json.dump({"learning_rate": learning_rate, "device": device}, file)
loss = math.log(65)
for iteration in range(max_iters + 1):
    rate = learning_rate * (1 - iteration / max_iters if decay_lr else 1.0)
    if iteration % eval_interval == 0:
        print(f"step {iteration}: train loss {loss:.4f}, val loss {loss + 0.1:.4f}")
    loss -= rate * (1 + random.random())
    if iteration % log_interval == 0:
        print(f"iter {iteration}: loss {loss:.4f}, time {1.5:.2f}ms, mfu {-100:.2f}%")
