"""The command `cnnrnn quantize`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cnnrnn.cli.data_source import DataSource, reads_data
from cnnrnn.cli.options import EMBEDDED, BatchSizeOption, BeamOption, EmbeddedCheckpointOption
from cnnrnn.cli.output import console, load_and_describe, user_errors
from cnnrnn.evaluation.reports import MAIN_METRICS
from cnnrnn.utils.errors import UserError
from cnnrnn.utils.progress import image_progress

if TYPE_CHECKING:
    from cnnrnn.data import Split
    from cnnrnn.evaluation.reports import EvaluationReport
    from cnnrnn.inference.predictor import Predictor

MAX_LOSS = 0.5  # points of mAP and of O-F1


@reads_data
def quantize(
    data: DataSource,
    checkpoint: EmbeddedCheckpointOption = EMBEDDED,
    split: Annotated[
        str, typer.Option("--split", help="The split on which int8 is compared with float32; not the one to report.")
    ] = "val",
    calibration_split: Annotated[
        str, typer.Option("--calibration-split", help="The split whose images calibrate the activations.")
    ] = "train",
    beam: BeamOption = 8,
    batch_size: BatchSizeOption = 32,
) -> None:
    """Make a checkpoint's int8 version, for `--precision int8`: the fastest on processors.

    It is kept in the user's cache, unless it loses more than half a point of mAP or of O-F1.
    """
    with user_errors():
        from cnnrnn.inference import int8
        from cnnrnn.inference.predictor import Predictor
        from cnnrnn.utils.cache import temporary_folder

        int8.check_installed(*int8.PACKAGES)
        predictor = Predictor(checkpoint, beam=beam, batch_size=batch_size, engine=int8.ENGINE, device="cpu")
        labeled = load_and_describe(data, split)
        calibrating = data.split(calibration_split)
        step = max(1, len(calibrating.samples) // int8.CALIBRATION_IMAGES)
        paths = [sample.image for sample in calibrating.samples[::step]][: int8.CALIBRATION_IMAGES]
        file = temporary_folder() / "int8" / "backbone.xml"
        with image_progress() as bar:
            task = bar.add_task("calibrating", total=len(paths), remark="")
            int8.quantize(predictor.checkpoint, paths, file, lambda images: bar.advance(task, images))
        exact = _evaluated(predictor, labeled, "float32")
        predictor.forward = int8.run(file)
        quantized = _evaluated(predictor, labeled, "int8")
        _print(labeled.name, exact, quantized)
        losses = {MAIN_METRICS[key]: exact[key] - quantized[key] for key in ("mAP", "OF1")}  # type: ignore[literal-required]
        if too_much := {name: loss for name, loss in losses.items() if not loss <= MAX_LOSS}:
            lost = " and ".join(f"{loss:.1f} points of {name}" for name, loss in too_much.items())
            raise UserError(
                f"int8 loses {lost}, more than {MAX_LOSS}: it was not kept. Calibrate it on images that are more like "
                f"those to predict, or take --precision float32"
            )
        int8.keep(predictor.checkpoint, file)
        kept = f"Kept for `--precision int8`, calibrated on {len(paths)} images of {escape(calibrating.name)}."
        console.print(kept, soft_wrap=True)


def _evaluated(predictor: Predictor, labeled: Split, name: str) -> EvaluationReport:
    from cnnrnn.evaluation.evaluate import evaluate

    with image_progress() as bar:
        task = bar.add_task(name, total=len(labeled.samples), remark="")
        return evaluate(predictor, labeled, on_image=lambda sample, result: bar.advance(task)).metrics


def _print(title: str, exact: EvaluationReport, quantized: EvaluationReport) -> None:
    table = Table("", *MAIN_METRICS.values(), title=escape(title))
    for name, report in (("float32", exact), ("int8", quantized)):
        table.add_row(name, *(f"{report[key]:.1f}" for key in MAIN_METRICS))  # type: ignore[literal-required]
    table.add_row("", *(f"{quantized[key] - exact[key]:+.1f}" for key in MAIN_METRICS))  # type: ignore[literal-required]
    console.print(table)
