"""The one kind of error whose message is written for the person at the keyboard."""


class UserError(ValueError):
    """What is wrong, where, and what to do next, in one line; shown as it is, without a traceback."""
