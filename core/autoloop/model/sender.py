"""The origin of a request: user account, parent programs, terminal, coding agent."""

import msgspec

from autoloop.model.actor import Actor


class Sender(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Stored with each request. The client determines it about itself, so it is a record, not proof."""

    user: str
    terminal: str | None = None
    """The client's terminal, if any."""
    agent: str | None = None
    """The coding agent that started it or that it acts for."""
    programs: list[str] = []
    """Its ancestor programs, nearest first."""

    @property
    def is_person(self) -> bool:
        """Whether a person typed it, as far as is known: at a terminal, without an agent."""
        return self.terminal is not None and self.agent is None

    @property
    def actor(self) -> Actor:
        """As the author of a proposal, or who decided one."""
        if self.agent is not None:
            return Actor.agent(self.agent)
        return Actor.person(self.user) if self.is_person else Actor.script(self.user)

    @property
    def origin(self) -> str:
        """`/dev/pts/3, below bash, tmux`: the origin, to trace a decision."""
        below = f"below {', '.join(self.programs)}" if self.programs else ""
        through = f"through {self.agent}" if self.agent is not None else ""
        return ", ".join(part for part in (self.terminal or "no terminal", through, below) if part)

    @property
    def words(self) -> str:
        """`ada`, `ada without a terminal` or `claude-code for ada`."""
        if self.agent is not None:
            return f"{self.agent} for {self.user}"
        return self.user if self.terminal is not None else f"{self.user} without a terminal"
