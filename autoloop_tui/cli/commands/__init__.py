"""The commands, one function each. `cli.py` names them and loads the module of the one that was called."""
