"""Find the config values that set the number of steps and the seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autoloop.adoption.arguments import value_of
from autoloop.adoption.config_file import leaf_values
from autoloop.adoption.draft import Draft, put
from autoloop.adoption.known import known, plain
from autoloop.configs import Config


def assign_roles(draft: Draft, config: Config, *, in_file: bool) -> None:
    """Write their keys to the table; ask the user for those that are not found."""
    _steps(draft, leaf_values(config), in_file)
    _seed(draft, config, in_file)


def _steps(draft: Draft, values: Mapping[str, Any], in_file: bool) -> None:
    names = known().names
    whole = {key: value for key, value in values.items() if isinstance(value, int) and value is not True and value > 0}
    own = draft.trainer.steps if draft.trainer else ()
    key = _found(whole, (*own, *names.steps))
    if key is None and (key := _found(whole, names.epochs)):
        draft.say("steps", f"assuming that a step is an epoch: {key} is {whole[key]}")
    elif key:
        draft.say("steps", f"{key} is {whole[key]}")
    else:
        key = _asked(draft, "the number of steps", "max_steps", 1000, in_file)
        if key:
            draft.say("steps", f"{key} is {leaf_values(draft.base)[key]}")
        else:
            draft.say(
                "steps",
                'the number of steps is unknown, so progress is counted up to --steps; set steps = "KEY" in [trainer]',
            )
    if key:
        draft.table["steps"] = key


def _seed(draft: Draft, config: Config, in_file: bool) -> None:
    values = leaf_values(config)
    key = seed_key(config, draft.trainer.seed if draft.trainer else ())
    if key:
        variable = next((name for name, text in draft.env.items() if text == "{seed}"), "")
        as_flag = any(word.endswith("{seed}") for word in (*draft.words, *draft.flags.values()))
        passed = f", passed as {variable}" if variable else ", passed as a flag" if as_flag else ""
        both = f"; the trainer must also accept the key {key} in its config file" if passed and in_file else ""
        draft.say("seed", f"{key} is {values[key]}{passed}: --seeds varies it{both}")
    elif flag := next((flag.key for flag in draft.script.flags.values() if plain(flag.key) in _plain_seeds()), ""):
        where = draft.table.get("base", "the base")
        draft.say("seed", f'the script takes --{flag}: add "{flag}": 1 to {where}, and --seeds can vary it')
    elif variable := next((name for name in draft.env if plain(name.lower()) in _plain_seeds()), ""):
        draft.say("seed", f"{variable} is {draft.env[variable]} for every run, so --seeds cannot vary it")
    else:
        key = _asked(draft, "the seed", "seed", 1, in_file)
        if key:
            draft.say("seed", f"{key} is {leaf_values(draft.base)[key]}: --seeds varies it")
        else:
            draft.say("seed", "unknown, so --seeds cannot vary it; if the trainer takes a seed, add it to the base")
    if key and (key.rpartition(".")[2] != "seed" or sum(each.rpartition(".")[2] == "seed" for each in values) > 1):
        draft.table["seed"] = key


def seed_key(config: Config, own: Sequence[str] = ()) -> str | None:
    """The key of a config's seed; None without one. `own`: the names that the trainer uses."""
    values = leaf_values(config)
    whole = {key: value for key, value in values.items() if isinstance(value, int) and not isinstance(value, bool)}
    return _found(whole, (*own, *known().names.seed))


def _plain_seeds() -> set[str]:
    return {plain(name) for name in known().names.seed}


def _found(values: Mapping[str, Any], names: Sequence[str]) -> str | None:
    """The key that equals the first possible name; otherwise the key with that name as its last part."""
    for name in names:
        for key in values:
            if plain(key) == plain(name):
                return key
    for name in names:
        for key in values:
            if plain(key.rpartition(".")[2]) == plain(name):
                return key
    return None


def _asked(draft: Draft, what: str, name: str, value: int, in_file: bool) -> str | None:
    """Ask for the argument that sets `what` (`--seed 1`), add it to the base and return its key; None without an answer
    that gives a whole number.

    Asks nothing if the config is a file or was printed by the trainer.
    """
    if in_file or "dump" in draft.table or draft.base_file is None:
        return None
    dashed = str(draft.table.get("style", "dashed")).startswith("dashed")
    example = f"--{name} {value}" if dashed else f"{name}={value}"
    answer = draft.asked(f"Which argument sets {what}, with its value ({example})? (Enter: none)")
    words = answer.replace("=", " ").split()
    given = value_of(words[1:], python=False) if len(words) == 2 else None
    if type(given) is not int or not put(draft.base, key := words[0].lstrip("-"), given):
        return None
    from autoloop.configs import dump_config

    draft.base_file = draft.base_file[0], dump_config(draft.base)
    return key
