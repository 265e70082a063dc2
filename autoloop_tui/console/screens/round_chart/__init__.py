"""All runs of a round in one chart."""
