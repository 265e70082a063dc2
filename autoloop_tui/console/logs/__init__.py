"""Logs that grow: their end, a search over them, and their text made safe to show."""
