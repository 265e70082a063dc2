"""The screen of rounds and their runs."""
