"""The Textual console: a client of the store that displays snapshots and sends requests."""
