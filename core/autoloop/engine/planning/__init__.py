"""Turns a user's request into a loop in the store: plan, checks, limits, creation."""
