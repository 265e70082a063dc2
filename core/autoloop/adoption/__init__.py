"""Turn an existing training command into an equivalent `[trainer]` table: `adopt`.

Writes nothing, and runs nothing except a Hydra application's own printout of its config.
"""

from autoloop.adoption.adopt import Adoption, World, adopt
from autoloop.adoption.command import Command, read_command

__all__ = ["Adoption", "Command", "World", "adopt", "read_command"]
