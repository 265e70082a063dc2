"""A loop of another machine on this console, over one SSH connection: what the console reads is sent here, what it asks for
is sent there. `serving.py` is the end beside the loop, the other modules are the end beside the person."""
