"""Determine why an attempt failed, by matching its exit record and log against a table of causes."""
