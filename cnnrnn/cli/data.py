"""The commands `cnnrnn data …`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cnnrnn.cli.data_source import DataSource, reads_data
from cnnrnn.cli.options import JsonOption, OutputFile
from cnnrnn.cli.output import STDOUT, Unwritten, console, user_errors, write_output
from cnnrnn.utils.errors import UserError
from cnnrnn.utils.files import write_text
from cnnrnn.utils.progress import image_progress, notes

if TYPE_CHECKING:
    from cnnrnn.data.check import Report

data = typer.Typer(help="Look at a data set before training.", no_args_is_help=True)
_COLORS = {"error": "bold red", "warning": "yellow", "note": "dim"}
_MOST_LABELS = 40  # lines of the table of labels


@data.callback()
def _group() -> None:
    """Look at a data set before training."""


@data.command()
@reads_data
def check(
    data: DataSource,
    html: Annotated[
        Path | None,
        OutputFile("--html", help="A page of thumbnails with their labels."),
    ] = None,
    write: Annotated[
        Path | None,
        OutputFile("--write", help="A plain CSV: image, labels, split; every image once."),
    ] = None,
    json_file: JsonOption = None,
) -> None:
    """Say what SOURCE is taken for, count its images and labels, and name everything that is odd.

    Every image is opened. The exit code is 1 if training on it would be wrong.
    """
    with user_errors():
        from cnnrnn.data import check as reports

        if not data.is_own:
            raise UserError("published data sets need no check; give the file or folder of your own")
        source = data.source
        with image_progress() as bar:
            total = sum(map(len, source.samples.values()))
            task = bar.add_task("opening images", total=total, remark="")
            report = reports.check(source, lambda images: bar.advance(task, images))
        unwritten = Unwritten()
        if html is not None:
            with unwritten.collected():
                write_text(html, reports.page(report))
        if write is not None:
            with unwritten.collected():
                write_text(write, reports.plain_table(source, write.parent))
        with unwritten.collected():
            if json_file != STDOUT:
                _print(report)
        with unwritten.collected():
            write_output(json_file, report.as_json())
        unwritten.report()
        if not report.ok:
            raise typer.Exit(1)


def _print(report: Report) -> None:
    source = report.source
    sizes = ", ".join(f"{len(samples)} {name}" for name, samples in source.samples.items()) or "none"
    console.print(f"{escape(source.name)}: {escape(source.kind)}", soft_wrap=True)
    console.print(f"images: {sizes}; labels: {len(source.labels)}", soft_wrap=True)
    per_image = ", ".join(f"{count}: {images}" for count, images in report.labels_per_image().items())
    console.print(f"images by number of labels: {per_image}", soft_wrap=True)
    counts = report.label_counts()
    order = sorted(counts, key=lambda label: -sum(counts[label].values()))
    table = Table("label", *source.samples)
    for label in order if len(order) <= _MOST_LABELS else [*order[: _MOST_LABELS // 2], *order[-_MOST_LABELS // 2 :]]:
        table.add_row(escape(label), *(str(counts[label][name]) for name in source.samples))
    console.print(table)
    if len(order) > _MOST_LABELS:
        console.print(
            f"the {_MOST_LABELS // 2} most frequent and the {_MOST_LABELS // 2} rarest of {len(order)} labels"
        )
    for found in report.findings:
        color = _COLORS[found.level]
        notes.print(f"[{color}]{found.level}:[/] {escape(found.message)}", soft_wrap=True)
    for path, error in report.unreadable.items():
        notes.print(f"[yellow]unreadable[/] {escape(str(path))}: {escape(error)}", soft_wrap=True)
    notes.print(_verdict(report), soft_wrap=True)


def _verdict(report: Report) -> str:
    if not report.ok:
        return "[bold red]Training on this would be wrong.[/]"
    if "train" in report.source.samples:
        learned, labels = report.learned(), len(report.source.labels)
        return "Ready to train." if learned == labels else f"Ready to train, with {learned} of {labels} labels."
    return f"Ready to evaluate with --split {next(iter(report.source.samples))}; there is no image to train on."
