"""The screen of runs side by side."""
