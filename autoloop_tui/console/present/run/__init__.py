"""Data for the screen about one run."""
