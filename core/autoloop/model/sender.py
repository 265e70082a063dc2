"""From where a request came: whose account, below which programs, at a terminal or not, through which coding agent."""

import msgspec

from autoloop.model.actor import Actor


class Sender(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Kept with each request. It is what the client found out about itself: a record, and no proof."""

    user: str
    terminal: str | None = None
    """The terminal that the client had; None if it had none."""
    agent: str | None = None
    """The coding agent that it was started by or speaks for."""
    programs: list[str] = []
    """The programs that it descends from, the nearest first."""

    @property
    def is_person(self) -> bool:
        """Whether a person typed it, as far as can be known: at a terminal, and through no agent."""
        return self.terminal is not None and self.agent is None

    @property
    def actor(self) -> Actor:
        """As the author of a proposal, or who decided one."""
        if self.agent is not None:
            return Actor.agent(self.agent)
        return Actor.person(self.user) if self.is_person else Actor.script(self.user)

    @property
    def origin(self) -> str:
        """`/dev/pts/3, below bash, tmux`: where it came from, for who asks how a decision came about."""
        below = f"below {', '.join(self.programs)}" if self.programs else ""
        through = f"through {self.agent}" if self.agent is not None else ""
        return ", ".join(part for part in (self.terminal or "no terminal", through, below) if part)

    @property
    def words(self) -> str:
        """`ada`, `ada without a terminal` or `claude-code for ada`."""
        if self.agent is not None:
            return f"{self.agent} for {self.user}"
        return self.user if self.terminal is not None else f"{self.user} without a terminal"
