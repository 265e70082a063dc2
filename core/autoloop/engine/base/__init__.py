"""Shared by all parts of the engine: the context, the event log, and access to runs and their configs."""
