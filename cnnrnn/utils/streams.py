"""Standard output and error that take any text, whatever their encoding, and that may be closed at the other end."""

from __future__ import annotations

import codecs
import io
import os
import sys

_ERRORS = "cnnrnn.printable"  # name of the error handler
# Our own signs in ASCII. Anything else, such as a label in another script, is escaped and so keeps its value.
_ASCII = {
    "→": "->", "…": "...", "×": "x", "≥": ">=", "≤": "<=", "±": "+/-", "–": "-", "—": "-", "−": "-", "·": "|",
    "━": "-", "╸": "-", "╺": "-",
}  # fmt: skip


def _printable(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_ASCII.get(c) or c.encode("ascii", "backslashreplace").decode() for c in text), error.end


def accept_any_text() -> None:
    """From now on, what standard output and error can't encode is printed in ASCII instead of raising an error.

    Under LANG=C or on Windows they are not UTF-8, and a file name that is not UTF-8 has surrogates.
    """
    codecs.register_error(_ERRORS, _printable)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # None where it is closed from the start
            stream.reconfigure(errors=_ERRORS)


def is_unicode() -> bool:
    """Whether standard output can encode every character."""
    return (getattr(sys.stdout, "encoding", None) or "utf-8").lower().startswith("utf")


def write_stdout(text: str) -> None:
    """Raises OSError if the text can't be written; with standard output closed from the start it goes nowhere."""
    if sys.stdout is not None:
        sys.stdout.write(text)
        sys.stdout.flush()


def finish_stdout() -> None:
    """Call this last: what can't be printed, since the reader has gone or the disk is full, goes nowhere.

    Python would try again at exit, and complain.
    """
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
