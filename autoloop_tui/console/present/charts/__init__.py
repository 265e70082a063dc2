"""Charts of runs: what stands in each, and what is said of it."""
