"""The command `cnnrnn predict`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Column, Table

from cnnrnn.cli.options import (
    EMBEDDED,
    RAY,
    BatchSizeOption,
    BeamOption,
    DeviceOption,
    EmbeddedCheckpointOption,
    EngineOption,
    JsonOption,
    PredictionPrecisionOption,
)
from cnnrnn.cli.output import STDOUT, Unwritten, console, report_failures, user_errors, write_output
from cnnrnn.utils.errors import UserError
from cnnrnn.utils.progress import image_progress, notes

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence

    from cnnrnn.decoding.trace import Trace
    from cnnrnn.inference.config import InferenceConfig

_ALL_COLUMNS = 100  # letters of a terminal in which the table has all its columns


def predict(
    images: Annotated[
        list[str],
        typer.Argument(metavar="IMAGE_OR_FOLDER...", show_default=False, help="Image files, and folders of them."),
    ],
    checkpoint: EmbeddedCheckpointOption = EMBEDDED,
    beam: BeamOption = 8,
    batch_size: BatchSizeOption = 16,
    json_file: JsonOption = None,
    engine: EngineOption = None,
    precision: PredictionPrecisionOption = "float32",
    device: DeviceOption = None,
    engine_ray: Annotated[
        bool,
        typer.Option(
            "--engine-ray",
            help="Predict with Ray on all cores or machines, into parquet files under --out; takes URIs such as "
            "s3://bucket/prefix and parquet files with a column 'path', too. The same command again continues a run.",
            rich_help_panel=RAY,
        ),
    ] = False,
    out: Annotated[
        str | None, typer.Option("--out", help="Folder or URI of the parquet files.", rich_help_panel=RAY)
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="Processes that predict.", show_default="one a GPU, or one a core", rich_help_panel=RAY
        ),
    ] = None,
    shard_size: Annotated[int, typer.Option(min=1, help="Images in a parquet file.", rich_help_panel=RAY)] = 10_000,
    address: Annotated[
        str, typer.Option(help="Address of a Ray cluster, such as auto; local starts one.", rich_help_panel=RAY)
    ] = "local",
) -> None:
    """Label images. One that can't be read is reported and skipped; the exit code is then 1."""
    with user_errors():
        if engine_ray:
            if out is None or json_file is not None:
                raise UserError("--engine-ray writes parquet files: name their folder by --out, and leave --json away")
            from cnnrnn.inference.config import InferenceConfig

            config = InferenceConfig(beam, batch_size, engine, precision, device)
            _predict_with_ray(images, out, checkpoint, config, shard_size, workers, address)
            return
        if out is not None:
            raise UserError("--out is for --engine-ray; take --json FILE, or add --engine-ray")
        from cnnrnn.inference.predictor import Predictor, find_images

        paths, others = find_images([Path(name) for name in images])
        print_left_out(others)
        predictor = Predictor(
            checkpoint, beam=beam, batch_size=batch_size, engine=engine, precision=precision, device=device
        )
        results: list[dict[str, Any]] = []
        errors: dict[str, str] = {}
        folder = _common_folder(paths)
        columns: list[Column | str] = [
            Column("image", overflow="fold"),
            "best path",
            "p(path)",
            "labels, by probability",
            "coverage",
        ]
        table = Table(*(columns if console.width >= _ALL_COLUMNS else columns[:-1]))
        with image_progress() as bar:
            task = bar.add_task("predicting", total=len(paths), remark="")
            for path, result in predictor.predict(paths):
                bar.advance(task)
                if isinstance(result, str):
                    errors[str(path)] = result
                    results.append({"image": str(path), "error": result})
                else:
                    results.append({"image": str(path), **result.summary()})
                    cells = _table_row(path if folder is None else path.relative_to(folder), result)
                    table.add_row(*cells[: len(table.columns)])
        unwritten = Unwritten()
        with unwritten.collected():  # files first: printing may fail
            write_output(json_file, results)
        if json_file != STDOUT and table.row_count:
            if folder is not None:
                console.print(f"In {escape(str(folder))}:", soft_wrap=True)
            console.print(table)
        unwritten.report()
        report_failures(errors, len(paths))


def _predict_with_ray(
    images: list[str],
    out: str,
    checkpoint: Path,
    config: InferenceConfig,
    shard_size: int,
    workers: int | None,
    address: str,
) -> None:
    from cnnrnn.inference import ray_predict
    from cnnrnn.inference.sources import absolute, list_images

    failed = 0
    found, others = list_images(images)
    print_left_out(others)
    with ray_predict.cluster(address), image_progress() as bar:
        plan = ray_predict.prepare(found, absolute(out), checkpoint, config, shard_size, workers)
        there = -(-len(found) // shard_size) - len(plan.parts)
        notes.print(
            f"{len(found)} images; {there} parts are there, {len(plan.parts)} to make; workers: {plan.workers}, "
            f"cores of each: {plan.run.cores}, engine: {plan.run.settings.engine}",
            soft_wrap=True,
            highlight=False,
        )
        left = sum(min(shard_size, len(found) - number * shard_size) for number in plan.parts)
        task = bar.add_task("predicting", total=left, remark="")
        for done, unread in ray_predict.predict(plan):
            failed += unread
            bar.update(task, advance=done, remark=f"{failed} errors" if failed else "")
    console.print(f"The parts are in {escape(out)}", soft_wrap=True)
    if failed:
        notes.print(f"{failed} of {left} images could not be read; the column error says why")
        raise typer.Exit(1)


def print_left_out(others: Counter[str]) -> None:
    """What else is in the folders: a whole kind of image may be among it."""
    from cnnrnn.inference.predictor import suffix_counts

    if others:
        notes.print(f"[yellow]left out[/], no image by its suffix: {escape(suffix_counts(others))}", soft_wrap=True)


def _common_folder(paths: Sequence[Path]) -> Path | None:
    """The folder that all of several images are in, which is then written once."""
    folders = {path.parent for path in paths}
    return folders.pop() if len(paths) > 1 and len(folders) == 1 else None


def _table_row(path: Path, trace: Trace) -> tuple[str, ...]:
    best = trace.paths[0]
    likely = [(p, label) for label, p in zip(trace.labels, trace.probabilities.tolist(), strict=True) if p >= 0.01]
    probable = ", ".join(f"{label} {p:.0%}" for p, label in sorted(likely, reverse=True)[:5])
    names = " → ".join(trace.choices(best))
    return escape(str(path)), escape(names), f"{best.prob:.0%}", escape(probable), f"{trace.coverage:.0%}"
