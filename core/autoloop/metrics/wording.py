"""Derive from a metric's name its better direction, and how well it represents its run.

Names are compared word by word, never by substring: `acc` in `val_acc` is accuracy, in `accum` it is not.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

Direction = Literal["low", "high"]

_HIGHER = """
acc accuracy accuracies ap auc auprc auroc bleu chrf dice elbo f1 iou map meteor miou mrr ndcg precision psnr r2 recall
return returns rew reward rewards rouge score scores ssim success successes top1 top5
"""
_LOWER = """
bpb bpc cer cost costs crossentropy err error errors fid l1 loss losses lpips mae mape mse nll perplexity ppl rmse wer xent
"""
_OTHER = """
coef coefficient count grad norm num rejected scale scaler std stddev steps target threshold time var variance weight weights
"""
HIGHER, LOWER = frozenset(_HIGHER.split()), frozenset(_LOWER.split())
OTHER = frozenset(_OTHER.split())
"""Words for properties of a loss or score; a metric with one of them has no better direction."""

_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_HELD_OUT = frozenset(("val", "valid", "validation", "eval", "evaluation", "test", "dev", "heldout", "offline"))
_BOOKKEEPING = re.compile(
    "epochs?|steps?|iters?|iterations?|lr|rate|time|runtime|seconds?|sec|s|ms|duration|samples|tokens|memory|mem|gpu|cpu|fps"
    "|throughput|mfu"
)


@lru_cache(4096)
def words_of(name: str) -> tuple[str, ...]:
    """The words of a metric's name in lower case, in order: `eval/mAP50` has `eval`, `ap`; `valLoss` has `val`, `loss`.

    A number at the end of a word is dropped unless the word is known with it (`f1`, `l1`).
    """
    found: list[str] = []
    for token in re.split(r"[^A-Za-z0-9]+", name):
        whole = "ap" if token.startswith("mAP") else token.lower()
        for word in (whole, whole.rstrip("0123456789")):
            if word in HIGHER or word in LOWER:
                found.append(word)
                break
        else:
            found += [part.lower() for part in _PARTS.findall(token)]
    return tuple(found)


def direction_of(name: str) -> Direction | None:
    """The better direction according to the name alone; None if unknown. The last word with a known direction counts."""
    words = words_of(name)
    if not OTHER.isdisjoint(words):
        return None
    for place, word in reversed(list(enumerate(words))):
        if word == "map" and "".join(words[place + 1 :]).strip("0123456789"):
            continue  # an attention map, not a mean average precision
        if word in HIGHER:
            return "high"
        if word in LOWER:
            return "low"
    return None


def rank_of(name: str) -> int:
    """How well a metric represents its run, from 0 (best) to 5: a held-out loss, a training loss, other held-out metrics,
    other metrics with a known direction, the rest, counters."""
    words, direction = words_of(name), direction_of(name)
    held_out = not _HELD_OUT.isdisjoint(words)
    if direction == "low" and (held_out or "loss" in words):
        return 0 if held_out else 1
    if direction is None and any(map(_BOOKKEEPING.fullmatch, words)):
        return 5
    return 2 if held_out else 3 if direction else 4
