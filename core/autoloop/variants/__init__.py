"""Edits that somebody wants, from request to checked config to file; recipes."""
