"""The one error that people can put right."""

from __future__ import annotations


class UserError(Exception):
    """Something a person can put right. Its text is one sentence: what is wrong, where, and what to do."""
