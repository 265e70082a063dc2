"""Colour themes: read, checked for contrast, and read again when a file changes."""
