"""The one kind of error whose message is written for the person at the keyboard."""


class UserError(ValueError):
    """What is wrong, where, and what to do next, in one line; shown as it is, without a traceback."""


def summarize_error(error: BaseException) -> str:
    """What a library's error says, short enough for a message to a person; its kind where it says nothing."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
