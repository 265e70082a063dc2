"""The Textual console: a client of the store that paints snapshots and sends requests."""
