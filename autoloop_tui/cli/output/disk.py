"""Disk usage and files that can be freed, for display."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from autoloop.disk import free_below
from autoloop.text.plural import plural
from autoloop.text.values import size_text

from autoloop_tui.cli.output import printing

if TYPE_CHECKING:
    from autoloop.engine.rounds.keeping import RunFolders
    from autoloop.keeping import Choice, Trash
    from autoloop.model import Loop
    from autoloop.store import Store

    from autoloop_tui.cli.documents.past import FreeingDocument, UsageDocument

LARGEST = 20
"""Maximum number of runs shown per loop if there are several loops."""


class RunUsage(NamedTuple):
    of: RunFolders
    size: int
    files: int
    checkpoints: int
    """The number of checkpoints."""
    held: int
    """The size of the checkpoints in bytes."""


@dataclass(frozen=True)
class Usages:
    """Disk usage by loop (newest first) and run (largest first). `home`: bytes under `.autoloop` without the trash."""

    loops: Sequence[tuple[Loop, Sequence[RunUsage]]]
    home: int
    trash: int
    free: int | None

    @classmethod
    def of(cls, store: Store, found: Sequence[RunFolders], trash: Trash) -> Usages:
        from autoloop.keeping import measure

        seen: set[tuple[int, int]] = set()
        runs: dict[int, list[RunUsage]] = defaultdict(list)
        loops = {each.loop.id: each.loop for each in found}
        for each in found:
            usage, checkpoints = each.usage(seen), each.checkpoints()
            held = sum(checkpoint.usage.size for checkpoint in checkpoints)
            runs[each.loop.id].append(RunUsage(each, usage.size, usage.files, len(checkpoints), held))
        ordered = [(loops[loop], sorted(members, key=lambda run: -run.size)) for loop, members in runs.items()]
        free = None
        with contextlib.suppress(OSError):
            free = free_below(store.places.project)
        return cls(
            ordered, measure(store.places.home, seen).size - measure(trash.folder, seen).size, trash.usage().size, free
        )

    def document(self) -> UsageDocument:
        return {
            "loops": [
                {
                    "loop": loop.name,
                    "size": sum(run.size for run in runs),
                    "checkpoints_size": sum(run.held for run in runs),
                    "runs": [
                        {
                            "run": run.of.run.id,
                            "name": run.of.run.name,
                            "state": run.of.run.state.value,
                            "folders": [printing.encodable(folder) for folder in run.of.folders],
                            "size": run.size,
                            "files": run.files,
                            "checkpoints": run.checkpoints,
                            "checkpoints_size": run.held,
                        }
                        for run in runs
                    ],
                }
                for loop, runs in self.loops
            ],
            "autoloop": self.home,
            "trash": self.trash,
            "free": self.free,
        }

    def text(self) -> str:
        rows: list[list[object]] = []
        for loop, runs in self.loops:
            held, count = sum(run.held for run in runs), sum(run.checkpoints for run in runs)
            total = sum(run.size for run in runs)
            rows.append([loop.name, plural(len(runs), "run"), "", size_text(total), _held(count, held)])
            shown = [run for run in runs if run.size][: LARGEST if len(self.loops) > 1 else None]
            rows += [
                [
                    "",
                    printing.printable(run.of.run.name),
                    run.of.run.state.value,
                    size_text(run.size),
                    _held(run.checkpoints, run.held),
                ]
                for run in shown
            ]
            if left := [run for run in runs if run.size][len(shown) :]:
                rest = size_text(sum(run.size for run in left))
                rows.append(["", f"{len(left)} more: --loop {loop.name} lists them", "", rest, ""])
        table = printing.table(["loop", "run", "state", "size", "checkpoints"], rows, texts=(1, 0), cells=printing.across())
        free = f", and {size_text(self.free)} are free on this disk" if self.free is not None else ""
        last = f".autoloop uses {size_text(self.home)}, the trash {size_text(self.trash)}{free}."
        return "\n".join([table, "", *printing.wrapped(last, printing.across())])


class Plan(NamedTuple):
    """The checkpoints that would be freed. `trash`: bytes already in the trash."""

    choices: Sequence[Choice]
    trash: int
    days: float
    note: str | None = None
    """A remark on the selection."""

    @property
    def size(self) -> int:
        return sum(checkpoint.usage.size for choice in self.choices for checkpoint in choice.go)

    def document(self) -> FreeingDocument:
        return {
            "size": self.size,
            "trash": self.trash,
            "note": self.note,
            "runs": [
                {
                    "run": choice.run.id,
                    "name": choice.run.name,
                    "go": [{"path": printing.encodable(each.path), "size": each.usage.size} for each in choice.go],
                    "stay": [{"path": printing.encodable(each.path), "size": each.usage.size} for each in choice.stay],
                    "why": choice.why,
                }
                for choice in self.choices
            ],
        }

    def text(self) -> str:
        rows = [
            [
                printing.printable(choice.run.name),
                choice.run.id,
                _held(len(choice.go), sum(each.usage.size for each in choice.go)),
                _held(len(choice.stay), sum(each.usage.size for each in choice.stay)),
                choice.why,
            ]
            for choice in self.choices
            if choice.go or choice.stay
        ]
        if not rows:
            return "No run has a checkpoint."
        table = printing.table(["run", "id", "goes", "stays", "because"], rows, texts=(4, 0), cells=printing.across())
        if self.note:
            table += "\n\n" + "\n".join(printing.wrapped(self.note, printing.across()))
        went = sum(len(choice.go) for choice in self.choices)
        if not went:
            return f"{table}\n\nNo checkpoint can go to the trash."
        last = (
            f"{plural(went, 'checkpoint')} would go to the trash: {size_text(self.size)}, deleted {self.days:g} days later. "
            "Run `autoloop-tui disk --free --exec` to move them."
        )
        if self.trash:
            last += f" The trash now holds {size_text(self.trash)}."
        return "\n".join([table, "", *printing.wrapped(last, printing.across())])


def _held(count: int, size: int) -> str:
    return f"{count}: {size_text(size)}" if count else "–"
