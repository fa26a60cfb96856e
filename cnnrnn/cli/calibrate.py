"""The command `cnnrnn calibrate`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cnnrnn.cli.data_source import DataSource, reads_data
from cnnrnn.cli.options import (
    BatchSizeOption,
    BeamOption,
    CheckpointOption,
    DeviceOption,
    ExactEngineOption,
    PrecisionOption,
)
from cnnrnn.cli.output import Unwritten, console, load_and_describe, user_errors
from cnnrnn.utils.progress import image_progress

COLUMNS = {"OF1": "O-F1", "CF1": "C-F1", "exact_match": "exact match", "mAP": "mAP", "coverage": "coverage"}


@reads_data
def calibrate(
    checkpoint: CheckpointOption,
    data: DataSource,
    split: Annotated[str, typer.Option("--split", help="The split to choose on; not the one to report.")] = "val",
    beam: BeamOption = 8,
    batch_size: BatchSizeOption = 32,
    engine: ExactEngineOption = "torch",
    precision: PrecisionOption = "float32",
    device: DeviceOption = None,
) -> None:
    """Choose the temperature of decoding and fit the calibration of the probabilities, on a validation split.

    Both are written into the checkpoint. The sigmoid baseline has no temperature, and is only calibrated.
    """
    with user_errors():
        from cnnrnn.checkpoint import recordable_folder
        from cnnrnn.evaluation.record import record_choice
        from cnnrnn.evaluation.temperature import TOLERANCE, choose
        from cnnrnn.inference.predictor import Predictor
        from cnnrnn.models.sigmoid import SigmoidClassifier

        recordable_folder(checkpoint)
        predictor = Predictor(
            checkpoint, beam=beam, batch_size=batch_size, engine=engine, precision=precision, device=device
        )
        images = load_and_describe(data, split)
        with image_progress() as bar:
            task = bar.add_task(escape(images.name), total=len(images.samples), remark="")
            choice = choose(predictor, images, on_images=lambda images: bar.advance(task, images))
        unwritten = Unwritten()
        with unwritten.collected():
            record_choice(checkpoint, choice)
        is_baseline = isinstance(predictor.model, SigmoidClassifier)
        if is_baseline:
            heading, rows = "probabilities", {"as they were": choice.at_temperatures[1.0], "calibrated": choice.report}
        else:
            heading = "temperature"
            rows = {f"{temperature:g}": report for temperature, report in choice.at_temperatures.items()}
            rows[f"{choice.temperature:g}, calibrated"] = choice.report
        table = Table(heading, *COLUMNS.values(), "ECE ≥ 10 %", title=escape(images.name))
        for name, report in rows.items():
            values = [report[column] for column in COLUMNS]  # type: ignore[literal-required]
            values.append(report["calibration"]["ece_likely"])
            table.add_row(name, *(f"{value:.1f}" for value in values))
        console.print(table)
        unwritten.report()
        temperature = (
            f"The checkpoint's temperature is now {choice.temperature:g}, the highest whose mean of O-F1 and exact "
            f"match is within {TOLERANCE} points of the best. "
        )
        calibrated = "Its labels' probabilities are now calibrated."
        console.print(calibrated if is_baseline else temperature + calibrated, soft_wrap=True)
