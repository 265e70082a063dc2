"""Colour themes: reading, contrast checks, and reloading when a file changes."""
