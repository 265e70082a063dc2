"""Screens whose deferred calls are dropped when they close.

A call that a screen defers (until after a refresh, or with a timer) may come due after the screen has left the stack.
Textual then runs it from whichever screen is on top, while the widgets it looks for are being removed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from textual.message_pump import MessagePump
from textual.screen import Screen
from textual.timer import Timer


class StackedScreen(MessagePump):
    """A mixin before Screen or ModalScreen: deferred calls are dropped once the screen has left the stack."""

    put_off = False
    """Whether a call has been deferred until after a refresh since this was last reset."""

    def call_after_refresh(self, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> bool:
        self.put_off = True
        return super().call_after_refresh(self._while_standing(callback), *args, **kwargs)

    def set_timer(self, delay: float, callback: Callable[..., Any] | None = None, **options: Any) -> Timer:
        return super().set_timer(delay, callback and self._while_standing(callback), **options)

    def set_interval(self, interval: float, callback: Callable[..., Any] | None = None, **options: Any) -> Timer:
        return super().set_interval(interval, callback and self._while_standing(callback), **options)

    @property
    def stands(self) -> bool:
        """Whether the screen is on the stack with all its widgets and the app is not about to exit."""
        screen = cast("Screen[Any]", self)  # it is mixed into a Screen
        ending = not (self.app.is_running and screen.is_attached)  # is_attached is false once the app has been asked to exit
        return not ending and screen.is_mounted and screen in self.app.screen_stack

    def _while_standing(self, callback: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args, **kwargs: callback(*args, **kwargs) if self.stands else None
