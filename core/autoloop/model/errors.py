"""The one error that users can put right."""


class UserError(Exception):
    """Something a user can put right. Its text is one sentence: what is wrong, where, and what to do.

    `example`: lines to copy that would be right; empty if there are none.
    """

    def __init__(self, text: str, example: str = "") -> None:
        super().__init__(text)
        self.example = example
