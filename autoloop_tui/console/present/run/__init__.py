"""Data for the page of a run."""
