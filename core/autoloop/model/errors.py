"""The error type for mistakes that users can fix."""


class UserError(Exception):
    """A mistake that a user can fix. Its text is one sentence: what is wrong, where, and what to do. `example`: correct
    lines to copy, if any.
    """

    def __init__(self, text: str, example: str = "") -> None:
        super().__init__(text)
        self.example = example
