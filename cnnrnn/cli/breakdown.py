"""The command `cnnrnn breakdown`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cnnrnn.cli.output import user_errors
from cnnrnn.utils.errors import UserError, summarize_error
from cnnrnn.utils.files import markdown_table
from cnnrnn.utils.streams import write_stdout


def breakdown(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", show_default=False, help="JSONL files of `evaluate --per-image`, of one split."
        ),
    ],
) -> None:
    """Where predictors differ: by the number of labels in an image, for pairs of labels, and in their metrics, with
    bootstrap intervals; as Markdown tables."""
    with user_errors():
        from cnnrnn.evaluation.breakdown import by_number_of_labels, check_same_images, strongest_pairs
        from cnnrnn.evaluation.evaluate import read_records
        from cnnrnn.evaluation.paired import differences, pair_evaluations
        from cnnrnn.evaluation.reports import MAIN_METRICS

        evaluations = {}
        for file, name in _short_names(files).items():
            try:
                evaluations[name] = read_records(file.read_text(encoding="utf-8").splitlines(), file.name)
            except (OSError, UnicodeDecodeError) as error:
                raise UserError(f"{file} can't be read: {summarize_error(error)}") from None
        check_same_images(evaluations)
        names = list(evaluations)
        by_count = [by_number_of_labels(evaluation) for evaluation in evaluations.values()]
        heads = [f"{name}: {column}" for name in names for column in ("predicted", "O-F1", "exact match")]
        rows = [
            [str(count), str(by_count[0][count].images)]
            + [f"{value:.1f}" for found in by_count for value in found[count][1:]]
            for count in by_count[0]
        ]
        write_stdout(markdown_table(["labels", "images", *heads], rows) + "\n")
        pairs = strongest_pairs(evaluations)
        rows = [[" + ".join(p.labels), str(p.images), *(f"{p.f1[name]:.1f}" for name in names)] for p in pairs]
        if pairs:
            mean = [f"{sum(pair.f1[name] for pair in pairs) / len(pairs):.1f}" for name in names]
            rows.append(["mean", "", *mean])
        text = markdown_table(["pair", "images with both", *(f"{name}: F1" for name in names)], rows)
        first, *others = names
        for other in others:
            found = differences(pair_evaluations(evaluations[first], evaluations[other]))
            rows = [
                [MAIN_METRICS[key], f"{one:.1f}", f"{two:.1f}", f"{two - one:+.1f}", f"{low:+.1f} to {high:+.1f}"]
                for key, (one, two, low, high) in found.items()
            ]
            heads = ["metric", first, other, "difference", "95 % interval (paired bootstrap)"]
            text += "\n" + markdown_table(heads, rows)
        write_stdout(text)


def _short_names(files: list[Path]) -> dict[Path, str]:
    """The names of files without suffix, with as many of their folders as it takes for all to differ."""
    paths = {file.absolute(): file for file in files}  # one that is given twice counts once
    for count in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.with_suffix("").parts[-count:]) for path in paths]
        if len({*names}) == len(names):
            return dict(zip(paths.values(), names, strict=True))
    return {file: str(file) for file in paths.values()}  # that differ in their suffix only
