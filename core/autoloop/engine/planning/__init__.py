"""From what a user asked for to a loop in the store: plan, checks, limits, creation."""
