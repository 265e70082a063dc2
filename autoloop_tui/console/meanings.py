"""The meaning of each key on every screen, pane and dialog. A new action must use a key with that meaning, or a free key.
`tests/test_architecture.py` compares this table with all bindings, `tests/test_documents.py` with docs/console.md."""

from __future__ import annotations

from typing import NamedTuple


class Meaning(NamedTuple):
    """`keys` are Textual key names separated by spaces; `names` are the names of the actions that do it (`slots.stop` →
    `stop`)."""

    keys: str
    means: str
    names: str


MEANINGS = (
    Meaning("h j k l left down up right", "move", "left down up right"),
    Meaning("g home", "to the first", "first"),
    Meaning("G end", "to the last; in a log, follow", "last follow"),
    Meaning("ctrl+d pagedown", "half a page down", "page-down page_down"),
    Meaning("ctrl+u pageup", "half a page up", "page-up page_up"),
    Meaning("J shift+down", "scroll the other part down", "detail-down"),
    Meaning("K shift+up", "scroll the other part up", "detail-up"),
    Meaning("tab", "next part, next field; complete a path", "next-part complete"),
    Meaning("shift+tab", "previous field", "up"),
    Meaning("ctrl+n", "next field", "down"),
    Meaning("ctrl+x", "remove a row while editing", "drop"),
    Meaning("ctrl+s", "save or send", "save"),
    Meaning("1", "the slot or page with that number", "charts"),
    Meaning("2", "likewise for 2, and so on", "log"),
    Meaning("3", "likewise for 3", "config"),
    Meaning("4", "likewise for 4", "launch"),
    Meaning("enter", "open, choose or start the selected item; close a message", "open back start"),
    Meaning("q", "back; on the first screen, quit", "back no"),
    Meaning("escape", "back, without quitting", "back escape no"),
    Meaning("ctrl+c", "leave a dialog", "back"),
    Meaning("s", "Slots", "slots"),
    Meaning("p", "Proposals", "proposals"),
    Meaning("r", "Rounds", "rounds"),
    Meaning("c", "Compare", "compare"),
    Meaning("W", "the finish page", "finish"),
    Meaning("at", "Agents: what each person, agent and rule did and spent", "agents"),
    Meaning("i", "why: what it is waiting for, and what would end the wait", "explain"),
    Meaning("question_mark f1", "help", "help"),
    Meaning("colon ctrl+p", "palette", "palette"),
    Meaning("T", "next theme", "next-theme"),
    Meaning("L", "log", "log"),
    Meaning("m", "charts (metrics)", "charts"),
    Meaning("I", "logs of all slots, merged", "logs"),
    Meaning("M", "all runs of a round in one chart", "round-chart"),
    Meaning("d", "differences: against the base, between runs", "config differences"),
    Meaning("slash", "search or filter", "search filter"),
    Meaning("n", "next match; in a question, no", "next no"),
    Meaning("N", "previous match", "previous"),
    Meaning("ampersand f", "only matches; only this run", "filter only"),
    Meaning("exclamation_mark", "last error", "error"),
    Meaning("Z", "break long lines", "wrap"),
    Meaning("F", "follow or pause", "freeze"),
    Meaning("V", "open in $PAGER", "pager"),
    Meaning("y", "copy the command on the last line, or the line of a log; in a question, yes", "copy yes"),
    Meaning("Y", "logarithmic value axis", "log-y"),
    Meaning("w", "smoothing", "smooth"),
    Meaning("comma", "read the values at a step, to the left", "read_left"),
    Meaning("full_stop", "read the values at a step, to the right", "read_right"),
    Meaning("o", "sort by a column", "sort"),
    Meaning("O", "reverse the order", "reverse"),
    Meaning("z", "expand or collapse replicates", "fold"),
    Meaning("b", "by lineage, as a tree", "tree"),
    Meaning("asterisk", "this loop, or every loop of the project", "loops"),
    Meaning("space", "mark; pin a chart", "mark pin"),
    Meaning("U", "clear the marks", "clear"),
    Meaning("C", "one curve alone", "isolate"),
    Meaning("a", "approve", "approve"),
    Meaning("A", "approve marked, or all", "approve-marked"),
    Meaning("x", "stop, reject or remove the selected item (asks)", "stop reject"),
    Meaning("X", "reject marked, or all", "reject-marked"),
    Meaning("u", "undo the last decision", "undo"),
    Meaning("e", "edit: a proposal, the queue", "edit queue"),
    Meaning("E", "edit in $EDITOR", "edit-all"),
    Meaning("v", "propose a variant of a run", "variant"),
    Meaning("D", "duplicate a proposal", "duplicate"),
    Meaning("t", "retry a failed run", "retry"),
    Meaning("plus", "extend an ended run", "extend"),
    Meaning("less_than_sign", "earlier in the queue", "earlier"),
    Meaning("greater_than_sign", "later in the queue", "later"),
    Meaning("S", "start: the next round or a plan; asks unless the round is about to start", "start"),
    Meaning("H", "hold or release the next round", "hold"),
    Meaning("B", "hold or release all agents", "hold-agents"),
    Meaning("P", "pause or resume the queue, or a replay", "pause"),
    Meaning("left_square_bracket", "replay: previous event", "replay-previous"),
    Meaning("right_square_bracket", "replay: next event", "replay-next"),
    Meaning("left_curly_bracket", "replay: slower", "replay-slower"),
    Meaning("right_curly_bracket", "replay: faster", "replay-faster"),
    Meaning("R", "restart the engine", "engine"),
    Meaning("Q", "stop the whole loop (asks)", "stop-loop"),
)
"""In the order of docs/console.md."""

DIGITS = "0123456789"
"""Digit keys choose the item with that number; screens bind them without an id."""

BY_KEY = {key: meaning for meaning in MEANINGS for key in meaning.keys.split()}
