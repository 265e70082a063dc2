"""Screens whose delayed calls end with them.

What a screen puts off (until after a refresh, or by a timer) may come due when the screen has left the stack: Textual
calls it from whichever screen is on top then, while the widgets it looks for are taken down.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from textual.message_pump import MessagePump
from textual.screen import Screen
from textual.timer import Timer


class Standing(MessagePump):
    """Put before Screen or ModalScreen: what was put off is dropped once the screen has left the stack."""

    put_off = False
    """Something has been put off until after a refresh since this was last reset."""

    def call_after_refresh(self, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> bool:
        self.put_off = True
        return super().call_after_refresh(self._while_standing(callback), *args, **kwargs)

    def set_timer(self, delay: float, callback: Callable[..., Any] | None = None, **options: Any) -> Timer:
        return super().set_timer(delay, callback and self._while_standing(callback), **options)

    def set_interval(self, interval: float, callback: Callable[..., Any] | None = None, **options: Any) -> Timer:
        return super().set_interval(interval, callback and self._while_standing(callback), **options)

    @property
    def stands(self) -> bool:
        """Whether the screen is on the stack with all its widgets, and the app is not about to end."""
        screen = cast("Screen[Any]", self)  # which it is mixed into
        ending = not (self.app.is_running and screen.is_attached)  # attached: to an app that was not told to exit
        return not ending and screen.is_mounted and screen in self.app.screen_stack

    def _while_standing(self, callback: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args, **kwargs: callback(*args, **kwargs) if self.stands else None
