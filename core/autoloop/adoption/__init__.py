"""From the command with which somebody trains today to the `[trainer]` table that trains the same: `adopt`.

Starts nothing but a Hydra application's own print of its config, and writes nothing.
"""

from autoloop.adoption.adopt import Adoption, World, adopt
from autoloop.adoption.command import Command, read_command

__all__ = ["Adoption", "Command", "World", "adopt", "read_command"]
