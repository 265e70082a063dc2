"""Data for the Proposals screen."""
