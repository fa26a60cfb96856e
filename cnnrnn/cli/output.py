"""What every command prints and writes."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.markup import escape

from cnnrnn.utils.errors import UserError
from cnnrnn.utils.files import json_text, write_text
from cnnrnn.utils.progress import notes
from cnnrnn.utils.resources import embedded_checkpoint
from cnnrnn.utils.streams import is_unicode, write_stdout

if TYPE_CHECKING:
    from cnnrnn.cli.data_source import DataSource
    from cnnrnn.data import Split

console = Console()
STDOUT = Path("-")  # as the file of an option


@contextmanager
def user_errors() -> Iterator[None]:
    """Expected failures end the command with one line and exit code 2, without a traceback.

    A reader that has gone, as in `cnnrnn … | head`, ends it with exit code 1 and without a line.
    """
    try:
        yield
    except BrokenPipeError:
        raise typer.Exit(1) from None
    except (UserError, OSError) as error:
        notes.quiet = False
        print_error(error)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        notes.print("Interrupted.")
        raise typer.Exit(130) from None


def print_error(error: Exception) -> None:
    """One line."""
    message = str(error)
    if isinstance(error, OSError) and error.strerror:
        message = error.strerror if error.filename is None else f"{os.fsdecode(error.filename)}: {error.strerror}"
    notes.print(f"[bold red]cnnrnn:[/] {escape(message)}", soft_wrap=True)


def print_split_warnings(*splits: Split) -> None:
    """The size of each split, and what looks odd in it, each once, before training or evaluation begins."""
    printed: set[str] = set()
    for split in splits:
        notes.print(f"{escape(split.name)}: {len(split.samples)} images, {len(split.labels)} labels", soft_wrap=True)
        for warning in split.warnings:
            if warning not in printed:
                notes.print(f"  [yellow]{escape(warning)}[/]", soft_wrap=True)
            printed.add(warning)


def load_and_describe(data: DataSource, name: str) -> Split:
    """The split `name` of a data set, after `print_split_warnings` of it."""
    split = data.split(name)
    print_split_warnings(split)
    return split


def chosen_checkpoint(named: Path | None, record: bool) -> Path:
    """The checkpoint to evaluate: the embedded one where none was named.

    Raises UserError if something is to be recorded and none was named, or a zip.
    """
    if record and named is None:
        raise UserError("--record writes into the checkpoint: name it by --checkpoint")
    if record and named is not None:
        from cnnrnn.checkpoint import recordable_folder

        recordable_folder(named)
    return named or embedded_checkpoint()


def command_line() -> str:
    return shlex.join(["cnnrnn", *sys.argv[1:]])


def report_failures(errors: dict[str, str], total: int) -> None:
    """Print which images were skipped and why; exit with code 1 if there are any."""
    for path, why in errors.items():
        notes.print(f"[yellow]skipped[/] {escape(path)}: {escape(why)}", soft_wrap=True)
    if errors:
        notes.print(f"{len(errors)} of {total} images could not be read")
        raise typer.Exit(1)


def write_output(target: Path | None, data: Any) -> None:
    """JSON to a file, to standard output for "-", or nowhere."""
    if target is None:
        return
    if target == STDOUT:
        write_stdout(json_text(data, ascii_only=not is_unicode()))
    else:
        write_text(target, json_text(data))


class Unwritten:
    """Outputs that could not be written. The others are written and printed all the same, so nothing else is lost."""

    def __init__(self) -> None:
        self.errors: list[Exception] = []

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Writes one output. A failure is kept for `report`."""
        try:
            yield
        except (UserError, OSError) as error:
            self.errors.append(error)

    def report(self) -> None:
        """Call this last: prints one line for each output that is missing, and then exits with code 2.

        Standard output whose reader has gone is not worth a line: code 1.
        """
        errors = [error for error in self.errors if not isinstance(error, BrokenPipeError)]
        for error in errors:
            print_error(error)
        if self.errors:
            raise typer.Exit(2 if errors else 1)
