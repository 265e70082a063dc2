"""Extract the one training command from a line typed into a shell."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence

import msgspec

from autoloop.adoption.known import wraps
from autoloop.model import UserError

_WHICH = re.compile(r"\$\(\s*(?:which|command -v)\s+([\w./-]+)\s*\)|`\s*(?:which|command -v)\s+([\w./-]+)\s*`")
_PROMPT = re.compile(r"^\S*[$%]\s+", re.MULTILINE)
_REDIRECTED = re.compile(r"(?<=\s)(?:\d?>&\d|\d?>>?\s*[^\s\"'>|&;]+|&>>?\s*[^\s\"'>|&;]+)")
_OPERATOR = re.compile(r"[;&|\n]+")
_VARIABLE = re.compile(r"\$(?:([A-Z_][A-Z0-9_]*)\b|\{([A-Z_][A-Z0-9_]*)\})")
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_SHELLS = ("bash", "sh", "zsh", "dash")
_DROPPED = ("nohup", "time", "exec", "command", "srun")
"""Command prefixes that are dropped: Auto Loop does their job, or they only matter to a shell."""
_ELSEWHERE = ("make", "just", "docker", "podman", "ssh", "sbatch", "qsub", "tmux", "screen", "salloc")
"""Programs that start a command written elsewhere, or on another machine."""
_PREPARES = ("source", ".", "conda", "module", "pip", "mkdir", "echo", "set", "ulimit", "unset", "rm", "git", "deactivate")


class ShellLine(msgspec.Struct, frozen=True, kw_only=True):
    """The variables set for the command, its words, and one sentence for each part of the line that was left out."""

    env: dict[str, str]
    words: list[str]
    left_out: list[str]


def read_line(typed: Sequence[str], environment: Mapping[str, str]) -> ShellLine:
    """Parse a line. `typed`: the words as split by the shell, or one word that holds a whole line. UserError if it is not
    exactly one command, or uses a variable that is not set."""
    if len(typed) != 1 or not re.search(r"\s", typed[0].strip()):
        return _command(list(typed), {}, [], environment)
    text = re.sub(r"\\\s*\n|\\\s*$", " ", typed[0].strip())
    text = _WHICH.sub(lambda match: match[1] or match[2], _PROMPT.sub("", text))
    left_out: list[str] = []
    if redirected := _REDIRECTED.findall(text):
        left_out.append(f"{' '.join(redirected)}: the output of each run goes to its log")
        text = _REDIRECTED.sub(" ", text)
    env: dict[str, str] = {}
    trains: list[str] = []
    for words in _segments(text, left_out):
        if words[0] == "cd":
            raise UserError(f"The command first changes to the folder {' '.join(words[1:])}: run `autoloop-tui init` there.")
        if words[0] == "export" or all(_ASSIGNMENT.fullmatch(word) for word in words):
            env |= {match[1]: match[2] for word in words if (match := _ASSIGNMENT.fullmatch(word))}
            continue
        if words[0] in _PREPARES and not wraps(words):
            left_out.append(f"{shlex.join(words)}: do that before you start Auto Loop")
            continue
        if trains:
            raise UserError(f"There are two commands, {trains[0]} … and {words[0]} …: give only the one that trains.")
        trains = words
    return _command([_expanded(word, {**environment, **env}) for word in trains], env, left_out, environment)


def _segments(text: str, left_out: list[str]) -> list[list[str]]:
    """The words of each command of a line."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=";&|\n")
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t\r", True, ""
    segments: list[list[str]] = [[]]
    comment = False
    try:
        words = list(lexer)
    except ValueError as error:
        raise UserError(f"The command cannot be parsed ({str(error).lower()}): fix its quotes.") from None
    for place, word in enumerate(words):
        comment = "\n" not in word and (comment or word.startswith("#"))
        if comment:
            continue
        if word == "|":
            left_out.append(f"{' '.join(words[place:])}: the output of each run goes to its log")
            break
        if _OPERATOR.fullmatch(word):
            segments.append([])
        else:
            segments[-1].append(word)
    return [segment for segment in segments if segment]


def _command(words: list[str], env: dict[str, str], left_out: list[str], environment: Mapping[str, str]) -> ShellLine:
    while words:
        first = os.path.basename(words[0])
        if match := _ASSIGNMENT.fullmatch(words[0]):
            env[match[1]] = match[2]
            words = words[1:]
        elif first == "env":
            words = words[1:]
        elif first in _DROPPED:
            left_out.append(f"{words[0]}: Auto Loop starts the command itself")
            words = words[1:]
            while first == "srun" and words and words[0].startswith("-"):
                words = words[1:]
        elif first in _SHELLS and (line := _given_line(words)) is not None:
            inner = read_line([f"{line} "], environment)
            return ShellLine(env=env | inner.env, words=inner.words, left_out=left_out + inner.left_out)
        elif first in _ELSEWHERE:
            raise UserError(f"{first} starts the training itself: give the command that it runs.")
        elif first in _SHELLS or (words[0].endswith(".sh") and not wraps([first, *words[1:]])):
            script = next((word for word in words if word.endswith(".sh")), words[0])
            raise UserError(f"{script} is a shell script: give the training command in it.")
        else:
            break
    if not words:
        raise UserError("No command given: write it after --, as in `autoloop-tui init -- python train.py --lr 1e-3`.")
    return ShellLine(env=env, words=words, left_out=left_out)


def _given_line(words: list[str]) -> str | None:
    """The line passed to `bash -c` (`-lc`), if any."""
    place = next((place for place, word in enumerate(words[1:], 1) if re.fullmatch(r"-\w*c", word)), None)
    return words[place + 1] if place is not None and place + 1 < len(words) else None


def _expanded(word: str, environment: Mapping[str, str]) -> str:
    """A word with its variables expanded as by a shell, because runs are started without one."""

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name not in environment:
            raise UserError(f"${name} in the command is not set: set it, or write its value.")
        return environment[name]

    word = _VARIABLE.sub(value, word)
    return os.path.expanduser(word) if word.startswith("~/") else word
