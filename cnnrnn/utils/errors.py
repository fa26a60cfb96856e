"""Errors whose messages are written for the user."""


class UserError(ValueError):
    """A one-line message with the problem, its location and the next step; shown without a traceback."""


def summarize_error(error: BaseException) -> str:
    """The first line of an error's message, or the name of its type if the message is empty."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror  # without "[Errno 2]", and without the path, which the caller names
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
