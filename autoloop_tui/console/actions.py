"""All actions of the console. An action that is not listed here cannot be bound, shown in help or found in the palette."""

from __future__ import annotations

import msgspec
from textual.binding import Binding, BindingType


class Action(msgspec.Struct, frozen=True):
    """An action. `id` is `<scope>.<name>`; its method is `action_<name>` of the scope's screen, with dashes as underscores.

    `keys` are Textual key names, separated by commas; `command` is the equivalent shell command, with `{…}` filled in by the
    screen.
    """

    id: str
    keys: str
    description: str
    hint: str = ""
    """The word shown in the hint bar; empty: no hint."""
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
    "finish": "Finish page",
    "agents": "Agents",
    "run": "Run",
    "logs": "Logs of all slots",
    "round": "All runs of a round in one chart",
    "grid": "Charts",
    "log": "Log",
    "queue": "The queue",
    "pick": "Choosing a run",
    "question": "A question",
    "field": "A line to type in",
    "values": "Editing values",
    "told": "An answer",
    "plan": "A plan",
    "welcome": "Welcome",
}


def _walks(scope: str, down: str, up: str) -> list[Action]:
    """Return the actions that move through a list."""
    return [
        Action(f"{scope}.down", "j,down", down),
        Action(f"{scope}.up", "k,up", up),
        Action(f"{scope}.first", "g,home", "First"),
        Action(f"{scope}.last", "G,end", "Last"),
        Action(f"{scope}.page-down", "ctrl+d,pagedown", "Half a page down"),
        Action(f"{scope}.page-up", "ctrl+u,pageup", "Half a page up"),
    ]


ACTIONS = (
    # Everywhere
    Action("app.slots", "s", "Slots: what is running", "slots", "autoloop-tui status"),
    Action("app.proposals", "p", "Proposals: decide what runs next", "proposals", "autoloop-tui proposals"),
    Action("app.rounds", "r", "Rounds: every run of every round", "rounds", "autoloop-tui runs"),
    Action("app.compare", "c", "Compare the marked runs", "compare", "autoloop-tui runs --json"),
    Action("app.finish", "W", "Finish page: the result of the loop", "result", "autoloop-tui status"),
    Action("app.agents", "at", "Agents: what each did and spent", "", "autoloop-tui agents"),
    Action("app.hold-agents", "B", "Hold or release all agents", "", "autoloop-tui agents --hold"),
    Action("app.logs", "I", "Logs of all slots in the order of time", "all logs", "autoloop-tui logs"),
    Action("app.help", "question_mark,f1", "Help", "help", "autoloop-tui --help"),
    Action("app.back", "q", "Back; on Slots: quit (the loop continues)", "back"),
    Action("app.escape", "escape", "Back"),
    Action("app.palette", "colon,ctrl+p", "Command palette"),
    Action("app.explain", "i", "Explain what this waits for", "why", "autoloop-tui explain {run}"),
    Action("app.copy", "y", "Copy the command on the last line (in a log, the line)"),
    Action("app.replay-previous", "left_square_bracket", "Replay: previous event", "event"),
    Action("app.replay-next", "right_square_bracket", "Replay: next event", "event"),
    Action("app.replay-slower", "left_curly_bracket", "Replay: slower"),
    Action("app.replay-faster", "right_curly_bracket", "Replay: faster"),
    Action("app.next-theme", "T", "Next theme", "", "autoloop-tui themes"),
    Action("app.pause", "P", "Pause or resume the queue, or a replay", "", "autoloop-tui pause"),
    Action("app.engine", "R", "Restart the engine of the loop", "restart", "autoloop-tui resume"),
    Action("app.stop-loop", "Q", "Stop the whole loop (asks)", "", "autoloop-tui stop"),
    # Slots
    *_walks("slots", "Next slot", "Previous slot"),
    Action("slots.open", "enter", "Open the run", "open", "autoloop-tui logs {run}"),
    Action("slots.log", "L", "Show the log", "log", "autoloop-tui logs -f {run}"),
    Action("slots.charts", "m", "Show the charts", "charts", "autoloop-tui runs --json"),
    Action("slots.config", "d", "Compare the config with its base", "diff"),
    Action("slots.log-y", "Y", "Toggle logarithmic axis"),
    Action("slots.left", "h,left", "Previous metrics in the charts"),
    Action("slots.right", "l,right", "Next metrics in the charts"),
    Action("slots.next-part", "tab", "Next part: slots, log"),
    Action("slots.stop", "x", "Stop the run (asks)", "stop", "autoloop-tui stop {run}"),
    Action("slots.retry", "t", "Retry a failed run", "retry", "autoloop-tui retry {run}"),
    Action("slots.queue", "e", "Reorder the queue", "queue", "autoloop-tui move {run}"),
    # Proposals
    *_walks("proposals", "Next proposal", "Previous proposal"),
    Action("proposals.approve", "a", "Approve", "approve", "autoloop-tui approve {proposal}"),
    Action("proposals.reject", "x", "Reject, with a reason", "reject", "autoloop-tui reject {proposal} --reason '…'"),
    Action("proposals.edit", "e", "Edit a value in place", "edit", "autoloop-tui edit {proposal} --changes {edits}"),
    Action("proposals.start", "S", "Start the round (asks)", "start", "autoloop-tui start"),
    Action("proposals.open", "enter", "Toggle proposal details", "more"),
    Action("proposals.edit-all", "E", "Edit all in $EDITOR", "", "autoloop-tui edit {proposal} --changes {edits}"),
    Action("proposals.variant", "v", "Propose a variant", "variant", "autoloop-tui propose {base} --changes …"),
    Action("proposals.duplicate", "D", "Duplicate", "", "autoloop-tui propose {base} --changes {edits}"),
    Action("proposals.undo", "u", "Undo the last decision", "undo", "autoloop-tui undo"),
    Action("proposals.mark", "space", "Mark"),
    Action("proposals.approve-marked", "A", "Approve marked, or all pending (asks)", "", "autoloop-tui approve --all"),
    Action("proposals.reject-marked", "X", "Reject marked, or all pending (asks)", "", "autoloop-tui reject --all"),
    Action("proposals.hold", "H", "Hold or release the automatic start", "hold", "autoloop-tui hold"),
    Action("proposals.detail-down", "J,shift+down", "Scroll the proposal down"),
    Action("proposals.detail-up", "K,shift+up", "Scroll the proposal up"),
    Action("proposals.left", "h,left", "Previous metric of the evidence"),
    Action("proposals.right", "l,right", "Next metric of the evidence"),
    Action("proposals.clear", "U", "Clear the marks"),
    Action("proposals.log-y", "Y", "Toggle logarithmic axis"),
    # Rounds
    *_walks("rounds", "Next run", "Previous run"),
    Action("rounds.left", "h,left", "Previous metrics"),
    Action("rounds.right", "l,right", "Next metrics"),
    Action("rounds.open", "enter", "Open the run", "open", "autoloop-tui logs {run}"),
    Action("rounds.mark", "space", "Mark for Compare", "mark"),
    Action("rounds.clear", "U", "Clear the marks"),
    Action("rounds.filter", "slash", "Filter", "filter"),
    Action("rounds.sort", "o", "Sort by a column, from a menu", "sort"),
    Action("rounds.reverse", "O", "Reverse the order"),
    Action("rounds.fold", "z", "Expand or collapse replicates", "seeds"),
    Action("rounds.tree", "b", "Toggle lineage tree", "tree"),
    Action("rounds.loops", "asterisk", "This loop, or all loops of the project", "loops", "autoloop-tui status --all"),
    Action("rounds.round-chart", "M", "All runs of the round in one chart", "one chart", "autoloop-tui plot"),
    Action("rounds.retry", "t", "Retry a failed run", "retry", "autoloop-tui retry {run}"),
    Action("rounds.variant", "v", "Propose a variant of the run", "variant", "autoloop-tui propose {run} --changes …"),
    # Compare
    *_walks("compare", "Down", "Up"),
    Action("compare.next-part", "tab", "Next part: parameters, metrics, chart", "parts"),
    Action("compare.left", "h,left", "Previous metric"),
    Action("compare.right", "l,right", "Next metric"),
    Action("compare.differences", "d", "Differences only, or everything", "all/diff"),
    Action("compare.isolate", "C", "Show one curve, the next, then all", "alone"),
    Action("compare.log-y", "Y", "Toggle logarithmic axis", "log-y"),
    Action("compare.clear", "U", "Clear the marks", "clear"),
    # Finish page
    Action("finish.down", "j,down", "Down"),
    Action("finish.up", "k,up", "Up"),
    Action("finish.open", "enter", "Open the best run", "open", "autoloop-tui runs"),
    Action("finish.variant", "v", "Propose a variant of it", "variant", "autoloop-tui propose {run} --changes …"),
    Action("finish.extend", "plus", "Extend it to more steps", "extend", "autoloop-tui extend {run} --steps {steps}"),
    Action("finish.compare", "c", "Compare it with the baseline", "compare", "autoloop-tui runs --json"),
    # Agents
    Action("agents.down", "j,down", "Down"),
    Action("agents.up", "k,up", "Up"),
    # Run
    Action("run.next-part", "tab", "Next part: charts, log, config, launch", "parts"),
    Action("run.charts", "1,m", "Charts", "", "autoloop-tui runs --json"),
    Action("run.log", "2,L", "Log", "", "autoloop-tui logs {run}"),
    Action("run.config", "3,d", "Config and its changes", "", "autoloop-tui runs --json"),
    Action("run.launch", "4", "Command, attempts, exit code, environment"),
    Action("run.log-y", "Y", "Toggle logarithmic axis", "log-y"),
    Action("run.smooth", "w", "Toggle smoothing", "smooth"),
    Action("run.stop", "x", "Stop the run (asks)", "stop", "autoloop-tui stop {run}"),
    Action("run.retry", "t", "Retry a failed run", "retry", "autoloop-tui retry {run}"),
    Action("run.extend", "plus", "Extend an ended run to more steps", "extend", "autoloop-tui extend {run} --steps {steps}"),
    Action("run.variant", "v", "Propose a variant of it", "variant", "autoloop-tui propose {run} --changes …"),
    Action("run.round-chart", "M", "All runs of its round in one chart", "one chart", "autoloop-tui plot"),
    # All runs of a round
    Action("round.down", "j,down", "Next run"),
    Action("round.up", "k,up", "Previous run"),
    Action("round.left", "h,left", "Previous metric"),
    Action("round.right", "l,right", "Next metric"),
    Action("round.only", "f", "Only this run, or all", "alone"),
    Action("round.log-y", "Y", "Toggle logarithmic axis", "log-y"),
    Action("round.open", "enter", "Open the run", "open", "autoloop-tui logs {run}"),
    # Dialogs
    Action("queue.down", "j,down", "Next run"),
    Action("queue.up", "k,up", "Previous run"),
    Action("queue.earlier", "less_than_sign", "Move the run up", "", "autoloop-tui move {run}"),
    Action("queue.later", "greater_than_sign", "Move the run down", "", "autoloop-tui move {run}"),
    Action("queue.stop", "x", "Remove the run (asks)", "", "autoloop-tui stop {run}"),
    Action("queue.back", "q,escape", "Back"),
    *_walks("pick", "Next run", "Previous run"),
    Action("pick.open", "enter", "Choose this run"),
    Action("pick.back", "q,escape,ctrl+c", "Back"),
    Action("question.yes", "y", "Yes"),
    Action("question.no", "n,q,escape", "No"),
    Action("question.left", "h,left", "The other button"),
    Action("question.right", "l,right", "The other button"),
    Action("field.back", "escape,ctrl+c", "Cancel"),
    Action("values.down", "down,ctrl+n", "Next line, next completion"),
    Action("values.up", "up,shift+tab", "Previous line, previous completion"),
    Action("values.complete", "tab", "Complete the path, or next line"),
    Action("values.drop", "ctrl+x", "Remove the row"),
    Action("values.save", "ctrl+s", "Save, or send the new proposal"),
    Action("values.back", "escape,ctrl+c", "Cancel (asks if you typed something)"),
    Action("told.back", "q,escape,enter", "Back"),
    Action("plan.down", "j,down", "Down"),
    Action("plan.up", "k,up", "Up"),
    Action("plan.left", "h,left", "Left"),
    Action("plan.right", "l,right", "Right"),
    Action("plan.page-down", "ctrl+d,pagedown", "Half a page down"),
    Action("plan.page-up", "ctrl+u,pageup", "Half a page up"),
    Action("plan.start", "S,enter", "Run the plan (asks)"),
    Action("plan.back", "q,escape", "Leave"),
    Action("welcome.down", "j,down", "Next"),
    Action("welcome.up", "k,up", "Previous"),
    Action("welcome.start", "enter", "Start the selected entry; a plan asks first"),
    Action("welcome.back", "q,ctrl+c", "Quit"),
)

BY_ID = {action.id: action for action in ACTIONS}

CHANGING = frozenset(
    {
        *("app.hold-agents", "app.pause", "app.engine", "app.stop-loop", "slots.stop", "slots.retry"),
        *("queue.earlier", "queue.later", "queue.stop"),
        *("proposals.approve", "proposals.approve-marked", "proposals.reject", "proposals.reject-marked"),
        *("proposals.edit", "proposals.edit-all", "proposals.variant", "proposals.duplicate", "proposals.undo"),
        *("proposals.start", "proposals.hold", "rounds.retry", "rounds.variant"),
        *("run.stop", "run.retry", "run.extend", "run.variant"),
        *("finish.extend", "finish.variant"),
    }
)
"""Actions that send a command to the engine; disabled under `--readonly`."""

REPLAYING = ("app.replay-previous", "app.replay-next", "app.replay-slower", "app.replay-faster")
"""Actions available only in a replay."""

URGENT = ("app.engine", "app.replay-previous", "app.replay-next")
"""Actions whose hints come first when they are available, because they answer what the screen reports."""


def of_scope(scope: str) -> list[Action]:
    return [action for action in ACTIONS if action.scope == scope]


def bindings(scope: str) -> list[BindingType]:
    """Return the Textual bindings of a scope; a keymap remaps them by their ids."""
    return [
        Binding(action.keys, action.method, action.description, show=False, id=action.id, priority=scope == "values")
        for action in of_scope(scope)
    ]


def shown_key(keys: str) -> str:
    """Return the first key as it is displayed: `question_mark,f1` → `?`."""
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
        "at": "@",
        "plus": "+",
        "asterisk": "*",
        "left_square_bracket": "[",
        "right_square_bracket": "]",
        "left_curly_bracket": "{",
        "right_curly_bracket": "}",
        "comma": ",",
        "full_stop": ".",
        "less_than_sign": "<",
        "greater_than_sign": ">",
        "pagedown": "pgdn",
        "pageup": "pgup",
    }
    return names.get(first, first.replace("ctrl+", "^"))
