"""`UserError`, whose message is shown to the user without a traceback."""


class UserError(ValueError):
    """The message says in one line what is wrong, where, and what to do next."""


def summarize_error(error: BaseException) -> str:
    """The first line of an error's message, or the name of its type if the message is empty."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
