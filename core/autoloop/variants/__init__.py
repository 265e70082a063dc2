"""Variants: from requested edits to the checked config and its file; recipes.

The engine, the command line, the console and users' scripts all turn a request into a variant with `check`. No I/O except in
`files`.
"""
