"""`[hooks]`: what a loop tells others about itself, by commands and webhooks, without ever waiting for them."""

from autoloop.hooks.hook import Hook, HookName, check_hooks

__all__ = ["Hook", "HookName", "check_hooks"]
