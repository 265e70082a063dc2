"""Data for the screen about runs side by side."""
