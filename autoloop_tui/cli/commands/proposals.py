"""Commands on proposals: list, approve, reject, undo, edit, propose, start or hold the next round."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

from autoloop.model import Loop, NoteTarget, Proposal, ProposalStatus, Run, UserError
from autoloop.protocol import Approve, Edit, Hold, Propose, Reject, Request, Start, Undo, Variant
from autoloop.store import Store
from msgspec import UNSET

from autoloop_tui import cli, client
from autoloop_tui.cli.output import printing

LISTED = 20
"""Above this count, proposal numbers are not listed individually."""


def proposals(*, loop: cli.parameters.LoopName = None, round: int | None = None, json: cli.parameters.AsJson = False) -> int:
    """List the proposals of a loop, with changes, reasons and decisions.

    Parameters
    ----------
    round
        Only those made from this round.
    """
    from autoloop_tui.cli.output.proposals import proposal_document, proposal_text, records_of, results_of, senders_of

    with client.opened(loop) as (store, found):
        listed = store.proposals(found.id, round)
        runs = store.runs(found.id)
        results = results_of(store, found, runs)
        records = records_of(store, found) if listed else {}
        senders = senders_of(store, listed)
        if json:
            documents = [proposal_document(each, results.of(each), records, senders) for each in listed]
            print(printing.answer("proposals", {"proposals": documents}))
            return 0
        if not listed:
            print("No proposals yet: with --decide, they are made when a round ends.")
            return 0
        by_id, book = {run.id: run for run in runs}, results.book
        remarks = [note for note in store.notes(found.id) if note.target is NoteTarget.PROPOSAL]
        texts = (
            proposal_text(each, by_id[each.base_run], results.of(each), book, records, senders, remarks) for each in listed
        )
        print("\n\n".join(texts))
    return 0


def approve(
    numbers: list[str] | None = None,
    /,
    *,
    all_: cli.parameters.AllPending = False,
    note: str | None = None,
    loop: cli.parameters.LoopName = None,
) -> int:
    """Approve proposals for the next round.

    Parameters
    ----------
    numbers
        Proposal numbers. 3@1a2b3c4d, as printed by `proposals`, approves 3 only if it has not changed.
    note
        The reason, kept with the proposal.
    """
    tags = dict(map(_tag, numbers or []))

    def request(known: list[Proposal]) -> Approve:
        return Approve(proposals=[each.id for each in known], note=note, seen=[each.approval_hash for each in known])

    return _each("approve", [*tags], loop, all_, request, tags)


def _tag(word: str) -> tuple[int, str]:
    """Split `3@1a2b3c4d` into number and hash; the hash is empty if missing. UserError if the word is neither."""
    number, at, hash_ = word.removeprefix("#").partition("@")
    if not number.isdecimal() or not number.isascii() or (at and not re.fullmatch("[0-9a-f]{8,64}", hash_)):
        raise UserError(
            f'"{word}" is not a proposal; give a number, or number and hash as in `autoloop-tui proposals` (3@1a2b3c4d).'
        )
    return int(number), hash_


def reject(
    numbers: cli.parameters.Proposals = None,
    /,
    *,
    all_: cli.parameters.AllPending = False,
    reason: str | None = None,
    loop: cli.parameters.LoopName = None,
) -> int:
    """Reject proposals, optionally with a reason.

    Parameters
    ----------
    reason
        The reason, kept with the proposal.
    """
    return _each("reject", numbers, loop, all_, lambda known: Reject(proposals=[each.id for each in known], note=reason))


def undo(numbers: list[int] | None = None, /, *, loop: cli.parameters.LoopName = None) -> int:
    """Undo the last decision, or those on the given proposals, before the round starts.

    Parameters
    ----------
    numbers
        Proposal numbers; by default, those of the last approve or reject.
    """
    if numbers:
        return _each("undo", numbers, loop, False, lambda known: Undo(proposals=[each.id for each in known]))
    with client.opened(loop) as (store, found):
        return printing.print_answer(client.ask(store, found, Undo()))


def edit(
    number: int,
    /,
    *,
    changes: Annotated[list[str] | None, cli.parameters.Many] = None,
    reason: str | None = None,
    expect: str | None = None,
    kill_if: str | None = None,
    loop: cli.parameters.LoopName = None,
) -> int:
    """Change a proposal's edits, reason or expectation; it then needs a new decision.

    Parameters
    ----------
    number
        The proposal's number.
    changes
        Edits as path@op=value; they replace all current edits.
    reason
        New reason.
    expect
        New expectation: a metric and lower or higher; "" removes it.
    kill_if
        New condition that stops its run; "" removes it.
    """
    if not changes and reason is None and expect is None and kill_if is None:
        raise UserError("Nothing to change: give --changes path@op=value …, --reason, --expect or --kill-if.")
    with client.opened(loop) as (store, found):
        _check(store, found, number)
        request = Edit(
            proposal=number,
            edits=changes or store.proposal(number).edits,
            kill_criterion=UNSET if kill_if is None else kill_if,
            reason=UNSET if reason is None else reason,
            expect=UNSET if expect is None else expect,
        )
        printing.print_answer(client.ask(store, found, request))
        return _notes(store.proposal(number))


def propose(
    run: str | None = None,
    /,
    *,
    base: str | None = None,
    changes: Annotated[list[str] | None, cli.parameters.Many] = None,
    reason: str | None = None,
    expect: str | None = None,
    kill_if: str | None = None,
    recipe: str | None = None,
    loop: cli.parameters.LoopName = None,
) -> int:
    """Propose a variant of a run, or all variants of a recipe, for the next round.

    Parameters
    ----------
    run
        Id or name of the base run.
    base
        The same as a flag, or the path of the run's config.
    changes
        Edits as path@op=value.
    reason
        The reason, kept with the proposal.
    expect
        The expected effect, a metric and lower or higher: "eval_l1 lower".
    kill_if
        Stop its run when this live-rule condition holds: "eval_l1.last > 0.2 and steps > 500". Approved with the proposal.
    recipe
        Take the variants from a recipe instead of --changes: a built-in name (pi-unlock) or a .toml file.
    """
    from autoloop.variants.files import load_recipe
    from autoloop.variants.request import VariantRequest

    if run is not None and base is not None:
        raise UserError("The base is named twice: omit --base.")
    wanted = run or base
    if recipe is not None and (changes or reason or expect):
        raise UserError("A recipe defines the changes and reasons; omit --changes, --reason and --expect.")
    if recipe is not None:
        read = load_recipe(recipe)
        wanted = wanted or read.base
        asked = read.variants
    elif changes:
        asked = [VariantRequest(reason=reason or "by hand", edits=changes)]
    else:
        raise UserError("Nothing to change: give --changes path@op=value …, or --recipe.")
    if wanted is None:
        raise UserError("No base run: name one with --base; `autoloop-tui runs` lists them.")
    with client.opened(loop) as (store, found):
        chosen = _base(store, found, wanted)
        known = {proposal.id for proposal in store.proposals(found.id)}
        variants = [
            Variant(edits=each.edits, reason=each.reason, expect=expect, kill_criterion=kill_if or "") for each in asked
        ]
        said = client.ask(store, found, Propose(run=chosen.id, variants=variants))
        printing.print_answer(said)
        made = [p for p in store.proposals(found.id) if p.id not in known and p.base_run == chosen.id]
        if recipe is None:
            return _notes(made[-1])
        from autoloop.engine.planning.kept_metrics import metrics_of

        from autoloop_tui.cli.output.proposals import proposal_text

        book = metrics_of(store.places, found)
        print("\n" + "\n\n".join(proposal_text(proposal, chosen, None, book) for proposal in made))
        print(f"\nApprove them: autoloop-tui approve {_as_arguments(store, found, made)}")
    return 0


def _as_arguments(store: Store, loop: Loop, made: list[Proposal]) -> str:
    """Return the numbers as arguments; `--all` in place of very many, if no other proposal is pending."""
    numbers = [proposal.id for proposal in made]
    pending = {each.id for each in store.proposals(loop.id) if each.status is ProposalStatus.PENDING}
    if len(numbers) > LISTED and pending <= set(numbers):
        return "--all"
    return " ".join(map(str, numbers))


def _base(store: Store, loop: Loop, wanted: str) -> Run:
    """Return the run with this id or name, else the newest run that used this config file."""
    path = os.path.normpath(Path.cwd() / Path(wanted).expanduser())
    runs = store.runs(loop.id)
    given = [run for run in runs if run.source_path == path]
    if given and wanted not in (word for run in runs for word in (run.id, run.name)):
        return given[-1]
    if "/" not in wanted and not wanted.endswith(".json"):
        return store.find_run(loop, wanted)
    raise UserError(
        f"No run of {loop.name} used the config {wanted}; name a run (`autoloop-tui runs` lists them), or train variants "
        f"of it in a separate loop: `autoloop-tui generate --base-cfg {wanted} … --exec`."
    )


def start(*, loop: cli.parameters.LoopName = None) -> int:
    """Start the next round now, with the approved proposals."""
    with client.opened(loop) as (store, found):
        return printing.print_answer(client.ask(store, found, Start()))


def hold(*, off: bool = False, loop: cli.parameters.LoopName = None) -> int:
    """Keep the next round from starting automatically.

    Parameters
    ----------
    off
        Let it start automatically again.
    """
    with client.opened(loop) as (store, found):
        return printing.print_answer(client.ask(store, found, Hold(held=not off)))


def _each(
    word: str,
    numbers: list[int] | None,
    loop: str | None,
    every: bool,
    request: Callable[[list[Proposal]], Request],
    hashes: Mapping[int, str] = {},
) -> int:
    """Decide on all numbers in one request. Valid ones are decided even if others fail; failures are reported together at
    the end.

    `hashes`: the hash prefixes that some proposals must have, by number.
    """
    with client.opened(loop) as (store, found):
        if every:
            numbers = [p.id for p in store.proposals(found.id) if p.status is ProposalStatus.PENDING]
            if not numbers:
                raise UserError(f"{found.name} has no pending proposal; `autoloop-tui proposals` lists them all.")
        if not numbers:
            raise UserError(f"Give proposal numbers, as in `autoloop-tui {word} 1 2`, or --all.")
        numbers = list(dict.fromkeys(numbers))
        present = {proposal.id: proposal for proposal in store.proposals(found.id)}
        known = [present[number] for number in numbers if number in present]
        problems = [_no_proposal(found, number, [*present]) for number in numbers if number not in present]
        changed = [each for each in known if not each.approval_hash.startswith(hashes.get(each.id, ""))]
        problems += [
            f"Proposal {each.id} is now {each.tag}; review it again (`autoloop-tui proposals`)." for each in changed
        ]
        known = [each for each in known if each not in changed]
        if known:
            try:
                printing.print_answer(client.ask(store, found, request(known)))
            except UserError as error:
                problems.insert(0, str(error))
        if problems:
            raise UserError(" ".join(problems))
    return 0


def _check(store: Store, loop: Loop, number: int) -> None:
    """Raise UserError if the loop has no proposal with this number. This needs no engine."""
    numbers = [proposal.id for proposal in store.proposals(loop.id)]
    if number not in numbers:
        raise UserError(_no_proposal(loop, number, numbers))


def _no_proposal(loop: Loop, number: int, numbers: list[int]) -> str:
    there = f"it has {min(numbers)} to {max(numbers)}" if numbers else "it has none yet"
    return f"{loop.name} has no proposal {number}; {there} (`autoloop-tui proposals` lists them)."


def _notes(proposal: Proposal) -> int:
    """Print the notes on the edits just given, such as a new key that may be a typo."""
    for note in proposal.notes:
        print(printing.printable(f"note: {note}"))
    return 0
