"""`[hooks]`: notifications about a loop by commands and webhooks, which the loop never waits for."""

from autoloop.hooks.hook import Hook, HookName, check_hooks

__all__ = ["Hook", "HookName", "check_hooks"]
