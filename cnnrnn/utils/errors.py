"""Errors whose messages are written for the user."""

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """A one-line message with the problem, its location and the next step; shown without a traceback."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Within a message: "did you mean 'quick'? " for a name that is nearly a known one, otherwise nothing."""
    by_letters = {candidate.casefold(): candidate for candidate in known}
    near = difflib.get_close_matches(name.casefold(), by_letters, n=1, cutoff=0.7)
    return f"did you mean '{by_letters[near[0]]}'? " if near else ""


def summarize_error(error: BaseException) -> str:
    """The first line of an error's message, or the name of its type if the message is empty."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror  # without "[Errno 2]", and without the path, which the caller names
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
