"""Check that the files and folders named in a config exist, before any GPU time is spent."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from autoloop.configs import Config
from autoloop.model import LoopSpec
from autoloop.preflight.finding import Finding, error, warning

_DATA = frozenset({"src_root", "tgt_root", "pair_info_path"})
_WEIGHTS = re.compile(r"pretrained_(?:\w+_)?(?:path|dir|checkpoint)|pretrained_model_name_or_path|resume_from_checkpoint")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(?:/[\w.-]+)?(?:@[\w.-]+)?")
_WEIGHT_FILE = (".pt", ".pth", ".ckpt", ".bin", ".safetensors")


def missing_paths(name: str, config: Config, spec: LoopSpec) -> list[Finding]:
    """A finding for each missing path in the config `name`, resolved from the project. Paths that exist only on hosts are
    not checked."""
    found, cwd = [], spec.cwd
    away = [os.path.join(cwd, os.path.expanduser(path)) for host in spec.hosts for path in host.data]
    for keys, value in _named(config, ()):
        if "://" in value or os.path.exists(os.path.join(cwd, value)):
            continue
        if spec.apart and any(f"{os.path.join(cwd, value)}/".startswith(f"{path}/") for path in away):
            continue
        key, weights = ".".join(keys), bool(_WEIGHTS.fullmatch(keys[-1]))
        if weights and _is_hub_id(value, cwd):
            continue
        seen = value if os.path.isabs(value) else f"{value} (seen from {cwd})"
        text = f"{key} names {seen}, which does not exist"
        repository = (config.get("dataset") or {}).get("repo_id") if keys == ("dataset", "root") else None
        if isinstance(repository, str) and "/" in repository:
            advice = f"the trainer would download {repository} there; fix the path if the data is on this machine"
            found.append(warning(f"config {name}", text, advice))
        else:
            found.append(error(f"config {name}", text, "fix the path in the config"))
    return found


def _named(node: object, above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every value that is a path, judging by its key."""
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        keys = (*above, str(key))
        if isinstance(child, str) and child:
            if keys[-2:] == ("dataset", "root") or keys[-1] in _DATA or _WEIGHTS.fullmatch(keys[-1]):
                yield keys, child
        else:
            yield from _named(child, keys)


def _is_hub_id(value: str, cwd: str) -> bool:
    """Whether a value looks like `organisation/model`: not if its first part is an existing folder, or if it has the
    extension of a weights file."""
    if value.endswith(_WEIGHT_FILE) or not _HUB_ID.fullmatch(value):
        return False
    return "/" not in value or not os.path.isdir(os.path.join(cwd, value.partition("/")[0]))
