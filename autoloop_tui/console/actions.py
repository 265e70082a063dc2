"""Every action of the console, once: what is not here cannot be bound, shown in help or found in the palette."""

from __future__ import annotations

from dataclasses import dataclass

from textual.binding import Binding, BindingType


@dataclass(frozen=True)
class Action:
    """`id` is `<scope>.<name>`: the method is `action_<name>` of the scope's screen (dots and dashes as underscores).

    `keys` are Textual's, with commas; `command` is what would do the same without the screen, `{…}` filled in by it.
    """

    id: str
    keys: str
    description: str
    hint: str = ""
    """The word in the hint bar; empty: not shown there."""
    command: str = ""

    @property
    def scope(self) -> str:
        return self.id.partition(".")[0]

    @property
    def method(self) -> str:
        return self.id.partition(".")[2].replace("-", "_")


SCOPES = {
    "app": "Everywhere",
    "slots": "Slots",
    "proposals": "Proposals",
    "rounds": "Rounds",
    "compare": "Compare",
    "run": "Run",
    "log": "Log",
}

ACTIONS = (
    # Everywhere
    Action("app.slots", "s", "Slots: what is running", "slots", "autoloop-tui status"),
    Action("app.proposals", "p", "Proposals: decide what runs next", "proposals", "autoloop-tui proposals"),
    Action("app.rounds", "r", "Rounds: every run of every round", "rounds", "autoloop-tui runs"),
    Action("app.compare", "c", "Compare the marked runs", "compare", "autoloop-tui runs --json"),
    Action("app.help", "question_mark,f1", "Help", "help", "autoloop-tui --help"),
    Action("app.back", "q", "Back; on Slots: quit (the loop continues)", "back"),
    Action("app.escape", "escape", "Back"),
    Action("app.palette", "colon,ctrl+p", "Command palette"),
    Action("app.next-theme", "T", "Next theme", "", "autoloop-tui themes"),
    Action("app.pause", "P", "Pause or resume the queue", "", "autoloop-tui pause"),
    Action("app.engine", "R", "Restart the engine of a stopped or orphaned loop", "", "autoloop-tui resume"),
    Action("app.stop-loop", "Q", "Stop the whole loop (asks)", "", "autoloop-tui stop"),
    # Slots
    Action("slots.down", "j,down", "Next slot"),
    Action("slots.up", "k,up", "Previous slot"),
    Action("slots.open", "enter", "Open the run", "open", "autoloop-tui logs {run}"),
    Action("slots.log", "l", "Show the log", "log", "autoloop-tui logs -f {run}"),
    Action("slots.charts", "m", "Show the charts", "charts", "autoloop-tui runs --json"),
    Action("slots.config", "d", "Show the config against its base", "diff"),
    Action("slots.log-y", "y", "Logarithmic value axis on or off"),
    Action("slots.next-metric", "n", "Next metrics in the charts"),
    Action("slots.stop", "x", "Stop the run (asks)", "stop", "autoloop-tui stop {run}"),
    Action("slots.queue", "e", "Reorder the queue", "queue", "autoloop-tui move {run}"),
    # Proposals
    Action("proposals.down", "j,down", "Next proposal"),
    Action("proposals.up", "k,up", "Previous proposal"),
    Action("proposals.first", "g,home", "First"),
    Action("proposals.last", "G,end", "Last"),
    Action("proposals.page-down", "ctrl+d,pagedown", "Half a page down"),
    Action("proposals.page-up", "ctrl+u,pageup", "Half a page up"),
    Action("proposals.approve", "a", "Approve", "approve", "autoloop-tui approve {proposal}"),
    Action("proposals.reject", "x", "Reject, with a reason", "reject", "autoloop-tui reject {proposal} --reason '…'"),
    Action("proposals.edit", "e", "Edit a value in place", "edit", "autoloop-tui edit {proposal} --changes {edits}"),
    Action("proposals.open", "enter", "The proposal alone, or the queue again", "more"),
    Action("proposals.edit-all", "E", "Edit all in $EDITOR", "", "autoloop-tui edit {proposal} --changes {edits}"),
    Action("proposals.new", "n", "New by hand", "new", "autoloop-tui propose {base} --changes …"),
    Action("proposals.duplicate", "d", "Duplicate", "", "autoloop-tui propose {base} --changes {edits}"),
    Action("proposals.undo", "u", "Undo the last decision", "undo", "autoloop-tui undo"),
    Action("proposals.mark", "space", "Mark"),
    Action("proposals.approve-marked", "A", "Approve the marked, else all pending (asks)", "", "autoloop-tui approve --all"),
    Action("proposals.reject-marked", "X", "Reject the marked, else all pending (asks)", "", "autoloop-tui reject --all"),
    Action("proposals.start", "S", "Start the round (asks)", "start", "autoloop-tui start"),
    Action("proposals.hold", "H", "Hold or release the automatic start", "hold", "autoloop-tui hold"),
    Action("proposals.detail-down", "J,shift+down", "Scroll the proposal down"),
    Action("proposals.detail-up", "K,shift+up", "Scroll the proposal up"),
    Action("proposals.left", "h,left", "Previous metric of the evidence"),
    Action("proposals.right", "l,right", "Next metric of the evidence"),
    Action("proposals.log-y", "y", "Logarithmic value axis on or off"),
    # Rounds
    Action("rounds.down", "j,down", "Next run"),
    Action("rounds.up", "k,up", "Previous run"),
    Action("rounds.first", "g,home", "First"),
    Action("rounds.last", "G,end", "Last"),
    Action("rounds.page-down", "ctrl+d,pagedown", "Half a page down"),
    Action("rounds.page-up", "ctrl+u,pageup", "Half a page up"),
    Action("rounds.left", "h,left", "Previous metrics"),
    Action("rounds.right", "l,right", "Next metrics"),
    Action("rounds.open", "enter", "Open the run", "open", "autoloop-tui logs {run}"),
    Action("rounds.mark", "space", "Mark for Compare", "mark"),
    Action("rounds.filter", "slash", "Filter", "filter"),
    Action("rounds.sort", "o", "Sort by the next column", "sort"),
    Action("rounds.reverse", "O", "Reverse the order"),
    Action("rounds.loops", "L", "This loop, or all loops of the project", "loops", "autoloop-tui status --all"),
    Action("rounds.retry", "t", "Retry a failed run", "", "autoloop-tui retry {run}"),
    Action("rounds.clone", "n", "Propose a variant of the run", "variant", "autoloop-tui propose {run} --changes …"),
    # Compare
    Action("compare.down", "j,down", "Down"),
    Action("compare.up", "k,up", "Up"),
    Action("compare.first", "g,home", "First"),
    Action("compare.last", "G,end", "Last"),
    Action("compare.page-down", "ctrl+d,pagedown", "Half a page down"),
    Action("compare.page-up", "ctrl+u,pageup", "Half a page up"),
    Action("compare.next-part", "tab", "Next part: parameters, metrics, chart", "parts"),
    Action("compare.left", "h,left", "Previous metric"),
    Action("compare.right", "l,right", "Next metric"),
    Action("compare.differences", "d", "Only what differs, or everything", "all/diff"),
    Action("compare.log-y", "y", "Logarithmic value axis on or off", "log-y"),
    Action("compare.clear", "X", "Clear the marks", "clear"),
    # Run
    Action("run.next-pane", "tab", "Next part: charts, log, config, launch", "parts"),
    Action("run.charts", "1,m", "Charts", "", "autoloop-tui runs --json"),
    Action("run.log", "2", "Log", "", "autoloop-tui logs {run}"),
    Action("run.config", "3,d", "Config and its changes", "", "autoloop-tui runs --json"),
    Action("run.launch", "4", "Command, attempts, exit, environment"),
    Action("run.left", "h,left,k,up", "Previous metric"),
    Action("run.right", "l,right,j,down", "Next metric"),
    Action("run.log-y", "y", "Logarithmic value axis on or off", "log-y"),
    Action("run.smooth", "w", "Smoothing on or off", "smooth"),
    Action("run.stop", "x", "Stop the run (asks)", "stop", "autoloop-tui stop {run}"),
    Action("run.retry", "t", "Retry a failed run", "retry", "autoloop-tui retry {run}"),
    Action("run.extend", "plus", "Extend an ended run to more steps", "extend", "autoloop-tui extend {run} --steps {steps}"),
    Action("run.clone", "n", "Propose a variant of it", "variant", "autoloop-tui propose {run} --changes …"),
)

BY_ID = {action.id: action for action in ACTIONS}


def of_scope(scope: str) -> list[Action]:
    return [action for action in ACTIONS if action.scope == scope]


def bindings(scope: str) -> list[BindingType]:
    """Textual's bindings of a scope; the ids are what a keymap remaps."""
    return [Binding(action.keys, action.method, action.description, show=False, id=action.id) for action in of_scope(scope)]


def shown_key(keys: str) -> str:
    """`question_mark,f1` → `?`."""
    first = keys.split(",")[0]
    names = {
        "question_mark": "?",
        "slash": "/",
        "colon": ":",
        "escape": "esc",
        "space": "space",
        "enter": "⏎",
        "exclamation_mark": "!",
        "ampersand": "&",
        "plus": "+",
        "pagedown": "pgdn",
        "pageup": "pgup",
    }
    return names.get(first, first.replace("ctrl+", "^"))
