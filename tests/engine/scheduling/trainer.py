"""A trainer for tests that records with the real wandb: `trainer.py --config FILE --output_dir DIR`.

The block `trainer` of its config may contain `rows`, `wait_for` (a file that must exist before it continues after half of
its rows), `finish_timeout` (seconds that wandb may wait for its server at the end) and `says` (the error with which it
exits at once; `KEY` is replaced by its W&B key).
"""

import json
import os
import sys
import time

NAMES = ("train/loss", "train/l1_loss", "eval/offline_eval/avg_l1", "train/ot_pi_sum", "train/grad_norm")


def main():
    options = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=False))
    with open(options["--config"], encoding="utf-8") as file:
        config = json.load(file)
    asked = config.get("trainer", {})
    rows = asked.get("rows", 6)
    if word := asked.get("says"):
        raise RuntimeError(word.replace("KEY", os.environ.get("WANDB_API_KEY", "")))
    os.makedirs(options["--output_dir"])
    if "finish_timeout" in asked:
        os.environ["WANDB_FINISH_TIMEOUT"] = asked["finish_timeout"]
    import wandb

    run = wandb.init(config=config)
    for row in range(1, rows + 1):
        run.log({name: 1.0 / row for name in NAMES}, step=row * 5)
        print(f"{row * 5}/{rows * 5} [00:00<00:00, 100.0it/s]", flush=True)
        while row == rows // 2 and "wait_for" in asked and not os.path.exists(asked["wait_for"]):
            time.sleep(0.02)
    print("End of training", flush=True)
    run.finish()


if __name__ == "__main__":
    main()
