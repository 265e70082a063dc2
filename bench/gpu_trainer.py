"""The training of `gpu.py`: a small network on one GPU, or what may go wrong there, as its config says.

    gpu_trainer.py CONFIG FOLDER

The config is JSON. `mode`: train, oom, fallback or leave; `seconds`: how long it trains; `gib`: memory that it holds beside;
`share`: the part of the GPU's memory that it may use. It writes metrics.jsonl, and to seen.json when it ran, on which
card, and who else was there before it began.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

WARM_UP = 2.0
"""Seconds that do not count for the speed."""
FELL_BACK = "CUDA is not available, training on the CPU"


def others() -> list[int]:
    """Bytes that others use of each card before this process has touched one; empty where nobody tells."""
    try:
        import pynvml

        pynvml.nvmlInit()
        count = pynvml.nvmlDeviceGetCount()
        return [pynvml.nvmlDeviceGetMemoryInfo(pynvml.nvmlDeviceGetHandleByIndex(card)).used for card in range(count)]
    except Exception:
        return []


def train(torch: Any, config: dict[str, Any], folder: Path) -> tuple[int, float]:
    """Steps and the seconds that they took, without the warm-up."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if share := config.get("share"):
        torch.cuda.set_per_process_memory_fraction(share)
    held = torch.zeros(int(config.get("gib", 0) * 2**30), dtype=torch.uint8, device=device)
    model = torch.nn.Sequential(*(layer for _ in range(4) for layer in (torch.nn.Linear(1024, 1024), torch.nn.ReLU())))
    model = model.to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    data = torch.randn(256, 1024, device=device)
    steps, begun, end = 0, time.perf_counter(), time.perf_counter() + config["seconds"] + WARM_UP
    counted = begun + WARM_UP
    first = 0
    with (folder / "metrics.jsonl").open("a") as rows:
        while (now := time.perf_counter()) < end:
            if now >= counted and not first:
                begun, first = now, steps
            loss = (model(data) - data).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            steps += 1
            if steps % 20 == 0:
                rows.write(json.dumps({"step": steps, "train/loss": loss.item()}) + "\n")
                rows.flush()
    took = time.perf_counter() - begun
    del held
    return steps - first, took


def main() -> int:
    config, folder = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    mode = config["mode"]
    seen = {"pid": os.getpid(), "begun": time.time(), "cards": os.environ.get("CUDA_VISIBLE_DEVICES"), "others": others()}
    if mode == "fallback":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    if mode == "hold":  # the helper that `leave` leaves behind
        Path(sys.argv[2], "held.json").write_text(json.dumps({"pid": os.getpid()}))
    import torch

    if mode == "fallback" and not torch.cuda.is_available():
        print(FELL_BACK, flush=True)
        time.sleep(120)
    if mode == "oom":
        torch.empty(10**13, dtype=torch.uint8, device="cuda")  # ten terabytes
    if mode == "leave":
        left = folder / "left.json"
        left.write_text(json.dumps({**config, "mode": "hold", "seconds": 60}))
        subprocess.Popen([sys.executable, __file__, str(left), str(folder / "left")], start_new_session=True)
        while not (folder / "left" / "metrics.jsonl").exists():
            time.sleep(0.1)
    steps, took = train(torch, config, folder)
    seen |= {"ended": time.time(), "steps_per_second": steps / took}
    (folder / "seen.json").write_text(json.dumps(seen))
    return 0


if __name__ == "__main__":
    sys.exit(main())
