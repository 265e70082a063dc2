"""`nvidia-smi` of a test host: two cards with the state set by a test (`gpus.json` beside this file).

Standard library only. It answers `-L`, `--query-gpu=…` and `--query-compute-apps=…` as CSV without units.
"""

import json
import os
import sys

CARD = {
    "name": "NVIDIA Test 24GB",
    "memory.total": "24576",
    "memory.used": "3",
    "memory.free": "24573",
    "utilization.gpu": "0",
    "temperature.gpu": "40",
    "power.draw": "30.00",
}


def main(words: "list[str]") -> int:
    given = dict(word.lstrip("-").partition("=")[::2] for word in words)
    try:
        with open(os.path.join(os.path.dirname(__file__), "gpus.json"), encoding="utf-8") as file:
            state = json.load(file)
    except FileNotFoundError:
        state = {}
    cards = [
        {**CARD, "index": str(index), "uuid": f"GPU-{index}", "pci.bus_id": f"00000000:0{index + 1}:00.0", **own}
        for index, own in ((index, state.get("cards", {}).get(str(index), {})) for index in range(2))
    ]
    if "L" in given:
        lines = [f"GPU {card['index']}: {card['name']} (UUID: {card['uuid']})" for card in cards]
    elif "query-gpu" in given:
        lines = [", ".join(card.get(key.strip(), "[N/A]") for key in given["query-gpu"].split(",")) for card in cards]
    elif "query-compute-apps" in given:
        keys = given["query-compute-apps"].split(",")
        lines = [", ".join(app.get(key.strip(), "[N/A]") for key in keys) for app in state.get("apps", [])]
    else:
        print(f"Unknown option: {' '.join(words)}", file=sys.stderr)
        return 2
    if "noheader" not in given.get("format", "noheader"):
        lines.insert(0, (given.get("query-gpu") or given.get("query-compute-apps") or "").replace(",", ", "))
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
