"""The commands, one function each. `catalogue.py` lists them; only the module of the called command is loaded."""
