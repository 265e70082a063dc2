"""A trainer for tests: `trainer.py --config FILE --output_dir DIR`. It uses only the standard library and takes
milliseconds.

It writes its history as JSON lines. The block `trainer` of its config may contain `wait_for` (a file that must exist before
it continues after the first step), `exit` (its exit code), `silent` (log no metric), `deaf` (ignore every signal but
SIGKILL), `tells` (an environment variable that it prints) and `noise` (the spread of the error between seeds).
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

ROWS = 4


def rows(config: dict[str, Any]) -> Iterator[dict[str, float]]:
    """Yield curves that depend on the config: a larger `reg` gives more OT mass and a lower error.

    Without OT, they are those of a classifier, which improves with `lr`; `names` in `trainer` selects the metrics to log.
    """
    if "ot" not in config:
        lr = config["lr"]
        for row in range(1, ROWS + 1):
            made = {"loss": 1.0 / (row + lr), "val/loss": 2.0 / (row + lr), "val/acc": row * lr / 10, "quality": row * lr}
            named = config.get("trainer", {}).get("names", made)
            yield {"_step": row * 5, **{name: value for name, value in made.items() if name in named}}
        return
    reg = config["ot"]["loss_config"]["reg"]
    luck = random.Random(config.get("seed")).gauss(0, config.get("trainer", {}).get("noise", 0.0))
    for row in range(1, ROWS + 1):
        yield {
            "_step": row * 5,
            "train/loss": 1.0 / (row * reg),
            "train/l1_loss": 0.5 / (row + reg),
            "train/ot_loss": 1e-3 * reg,
            "train/ot_pi_sum": reg**8,
            "train/grad_norm": 10.0 + row,
            "eval/offline_eval/avg_l1": 0.4 / (row + reg) + luck,
        }


def main() -> None:
    options = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=False))
    with open(options["--config"], encoding="utf-8") as file:
        config = json.load(file)
    asked = config.get("trainer", {})
    if asked.get("deaf"):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "tells" in asked:
        value = os.environ[asked["tells"]]
        print(f"it tells:\nthe {asked['tells']} is {value[:9]}", end="", flush=True)
        while "wait_for" in asked and not os.path.exists(asked["wait_for"]):
            time.sleep(0.01)
        print(f"{value[9:]}, and {value}", flush=True)
    os.makedirs(options["--output_dir"])
    with open(os.path.join(options["--output_dir"], "wandb-history.jsonl"), "w", encoding="utf-8", buffering=1) as file:
        for number, row in enumerate(rows(config), 1):
            if not asked.get("silent"):
                file.write(json.dumps(row) + "\n")
            print(f"{row['_step']}/{ROWS * 5} [00:00<00:00, 100.0it/s]", flush=True)
            while number == 1 and "wait_for" in asked and not os.path.exists(asked["wait_for"]):
                time.sleep(0.01)
    sys.exit(asked.get("exit", 0))


if __name__ == "__main__":
    main()
