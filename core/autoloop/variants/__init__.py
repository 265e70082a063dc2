"""Edits that somebody wants, from the request to the checked config and its file; recipes.

`check` is the one way from a request to a variant, for the engine, the command line, the console and users' scripts.
No I/O but in `files`.
"""
