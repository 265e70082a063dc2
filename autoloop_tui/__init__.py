"""The console and the command line of Auto Loop: clients of the core that make no decisions themselves."""
