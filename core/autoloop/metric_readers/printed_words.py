"""Words that distinguish printed metrics from a trainer's other output. All are in lower case."""

from __future__ import annotations

import re


def _words(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


LEVELS = _words("info debug warning warn error critical notice trace")
HEADER = LEVELS | _words("learning training train starting start begin beginning main root epoch step of global")
"""The only words in a line that just announces a step or epoch."""
TRAINING = _words("train training trainer step steps iter iters iteration iterations epoch epochs finetuning")
"""First words in the label of a training's progress bar."""
NOT_BEFORE_STEP = _words("total max num number every warmup per save log eval of next last min early best")
AT_WORK = _words("downloading uploading loading saving processing extracting fetching mapping waiting reading writing")
PROSE = _words(
    "the a an of for to in at with is was are were and or from by on so this that these has have had will be been not no",
    "than then per if it we you your after before until using only all more",
)
SETTINGS = _words(
    "port pid ppid rank local_rank world_size seed version v_num line code exit status cuda cpu gpu npu xpu device devices",
    "eta elapsed remaining warning info debug note size examples samples workers num_workers batch_size host hosts id uid",
    "errno num number params parameters args processes threads nodes epochs max_steps num_epochs localhost signal date year",
)
"""Numbers with these names describe a run's setup or environment."""
SETTING_ENDS = ("port", "pid", "seed", "version")
MEASURES = re.compile(
    r"loss|acc(?:uracy|@|\b)|\blr\b|learning.rate|reward|return|score|ppl|perplexity|\bf1\b|auc|iou|bleu|rouge|[mr]se\b"
    r"|\bmae\b|psnr|ssim|norm|\bmfu\b|\btime\b|\bdata\b|\bkl\b|entropy|err(?:or)?\b|\b[wc]er\b|\bm?ap\b|\btop.?\d|prec"
    r"|recall|dice|\bbp[bcd]\b|\bnll\b|fps|tok|\bgrad|success|elbo|fid\b",
    re.IGNORECASE,
)
"""Names that count as metrics even without `:` or `=` after them."""
FILE = re.compile(
    r"\.(?:py|ipynb|json|ya?ml|toml|txt|log|out|err|pt|pth|ckpt|safetensors|bin|csv|tsv|np[yz]|sh|c|cc|cpp|cu|h|so|go|rs|js"
    r"|ts|zip|gz|tar|mp4|png|jpe?g|parquet|com|org|net|io|ai|local)$",
    re.IGNORECASE,
)
"""Endings of file and host names."""
