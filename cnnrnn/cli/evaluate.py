"""The command `cnnrnn evaluate`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from cnnrnn.cli.data_source import DataSource, reads_data
from cnnrnn.cli.options import (
    METRICS,
    OUTPUT,
    BatchSizeOption,
    BeamOption,
    DeviceOption,
    ExactEngineOption,
    JsonOption,
    OutputFile,
    PredictionPrecisionOption,
    RecordedCheckpointOption,
)
from cnnrnn.cli.output import (
    STDOUT,
    Unwritten,
    chosen_checkpoint,
    command_line,
    console,
    load_and_describe,
    report_failures,
    user_errors,
    write_output,
)
from cnnrnn.utils.errors import UserError
from cnnrnn.utils.files import write_text
from cnnrnn.utils.progress import image_progress

if TYPE_CHECKING:
    from cnnrnn.data import Sample
    from cnnrnn.decoding.trace import Trace

SET_METRICS = ("OP", "OR", "OF1", "CP", "CR", "CF1")


@reads_data
def evaluate(
    data: DataSource,
    checkpoint: RecordedCheckpointOption = None,
    split: Annotated[str, typer.Option("--split", help="train, val, trainval or test.")] = "test",
    beam: BeamOption = 8,
    batch_size: BatchSizeOption = 32,
    min_positives: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Labels with fewer positives in the split are left out of the means.",
            show_default="5, or 1 if fewer than half of the labels that occur have so many",
            rich_help_panel=METRICS,
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Marginal from which a label counts as predicted.",
            show_default="the one chosen on the validation split in training, or 0.5",
            rich_help_panel=METRICS,
        ),
    ] = None,
    json_file: JsonOption = None,
    per_image: Annotated[
        Path | None,
        OutputFile("--per-image", help="JSONL with every image's truth, paths and probabilities."),
    ] = None,
    html: Annotated[
        Path | None,
        OutputFile("--html", help="A report with plots and the worst mistakes, in one file."),
    ] = None,
    recurrence: Annotated[
        bool,
        typer.Option(
            "--recurrence/--without-recurrence",
            help="Without it every step is decoded like the first one, which measures what the recurrence is worth.",
            rich_help_panel=METRICS,
        ),
    ] = True,
    record: Annotated[
        bool,
        typer.Option(
            "--record",
            help="Write the figures into the checkpoint's metrics and model card, and every image's prediction into a "
            "file beside them, which the dashboard opens.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    engine: ExactEngineOption = "torch",
    precision: PredictionPrecisionOption = "float32",
    device: DeviceOption = None,
) -> None:
    """Decode a split of a data set and compare with its labels."""
    with user_errors():
        from cnnrnn.checkpoint import chosen_threshold, shown_name
        from cnnrnn.evaluation.breakdown import object_sizes
        from cnnrnn.evaluation.evaluate import evaluate as run_evaluation
        from cnnrnn.evaluation.evaluate import image_record
        from cnnrnn.evaluation.record import record_evaluation
        from cnnrnn.evaluation.recorded import save_predictions
        from cnnrnn.evaluation.report import render_html
        from cnnrnn.inference.predictor import Predictor

        if record and not recurrence:
            raise UserError("figures without the recurrence are not the model's; leave --record away")
        if record and precision != "float32":
            raise UserError(
                f"the figures of a checkpoint are those in float32, not in {precision}; leave --record away"
            )
        folder = chosen_checkpoint(checkpoint, record)
        predictor = Predictor(
            folder, beam=beam, batch_size=batch_size, engine=engine, precision=precision, device=device,
            recurrence=recurrence,
        )  # fmt: skip
        images = load_and_describe(data.without_boxes(), split)
        kept = record or per_image is not None
        sizes = object_sizes(data.split(split) if data.options.boxes else images) if kept else {}
        threshold = chosen_threshold(folder) if threshold is None else threshold
        lines: list[str] = []
        with image_progress() as bar:
            task = bar.add_task(escape(images.name), total=len(images.samples), remark="")

            def on_image(sample: Sample, result: Trace | str) -> None:
                bar.advance(task)
                if per_image is not None:
                    lines.append(json.dumps(image_record(sample, result, sizes.get(sample.image)), ensure_ascii=False))

            evaluation = run_evaluation(predictor, images, min_positives, threshold, on_image, kept, sizes)
        report = evaluation.metrics
        report["command"], report["checkpoint"] = command_line(), shown_name(folder)
        unwritten = Unwritten()
        with unwritten.collected():
            write_output(json_file, report)
        if per_image is not None:
            with unwritten.collected():
                write_text(per_image, "".join(f"{line}\n" for line in lines))
        if html is not None:
            with unwritten.collected():
                write_text(html, render_html(evaluation))
        if record:
            with unwritten.collected():
                record_evaluation(folder, images.name, report)
                save_predictions(folder, evaluation, predictor.checkpoint.weights_hash)
        if json_file != STDOUT:
            _print_report(images.name, report)
        unwritten.report()
        report_failures(report["errors"], len(images.samples))


def _print_report(name: str, report: Mapping[str, Any]) -> None:
    from rich.columns import Columns

    from cnnrnn.evaluation.paper import MEASURED, QUOTED
    from cnnrnn.utils.style import first_few

    heads = {"marginals": "marginals", "auxiliary": "auxiliary head", "mix": "mean of both"}
    heads = {key: head for key, head in heads.items() if key in report}
    quoted = QUOTED.get(name, {})
    console.print(f"checkpoint: {escape(report['checkpoint'])}", highlight=False, soft_wrap=True)
    console.print(_label_set_table(name, report, heads, quoted))
    console.print(_summary(report), soft_wrap=True)
    never = [label for label, positives in report["positives"].items() if not positives]
    if 2 * len(never) > len(report["positives"]):
        console.print(
            f"[yellow]warning:[/] {len(never)} of the {len(report['positives'])} labels that the checkpoint knows "
            f"never occur in this split ({escape(first_few(never))}): each prediction of one counts as wrong",
            soft_wrap=True,
        )
    if heads:
        by_head = ", of ".join(f"the {head} {report[key]['mAP']:.1f}" for key, head in heads.items())
        console.print(f"mAP of {by_head}", soft_wrap=True)
    if other := {key: value for key, value in quoted.items() if key not in SET_METRICS}:
        figures = ", ".join(f"{key} {value:.1f}" for key, value in other.items())
        console.print(f"paper, quoted ({MEASURED}): {figures}", soft_wrap=True)
    console.print(Columns([escape(f"{label} {value:.1f}") for label, value in report["AP"].items()], title="AP"))


def _label_set_table(name: str, report: Mapping[str, Any], heads: dict[str, str], quoted: dict[str, float]) -> Table:
    """Precision, recall and F1 of the predicted label sets, beside what the paper reports."""
    from cnnrnn.evaluation.paper import MEASURED

    table = Table("", *SET_METRICS, title=f"{escape(name)}: {report['images']} images, {report['seconds']:.0f} s")
    for row, metrics in (
        ("best path", report),
        ("three most probable", report["top3"]),
        (f"of these, ≥ {report['threshold']:.2g}", report["top3_at_most"]),
        (f"probabilities ≥ {report['threshold']:.2g}", report["above_threshold"]),
        *((f"{head} ≥ {report['threshold']:.2g}", report[key]) for key, head in heads.items()),
    ):
        table.add_row(row, *(f"{metrics[metric]:.1f}" for metric in SET_METRICS))
    if "CF1" in quoted:
        table.add_row(f"paper, three best ({MEASURED}; quoted)", *(f"{quoted[metric]:.1f}" for metric in SET_METRICS))
    return table


def _summary(report: Mapping[str, Any]) -> str:
    from cnnrnn.utils.style import counted

    return (
        f"mAP {report['mAP']:.1f} (11-point {report['mAP_eleven_point']:.1f}, interpolated area "
        f"{report['mAP_area']:.1f}) over {report['labels_scored']} labels with "
        f"≥ {counted(report['min_positives'], 'positive')}, "
        f"MAP@10 {report['MAP@10']:.1f}; exact match (subset accuracy) {report['exact_match']:.1f} %, Hamming loss "
        f"{report['hamming_loss']:.2f} %, coverage {report['coverage']:.1f} %, "
        f"calibration error {report['calibration']['ece']:.2f} % "
        f"({report['calibration']['ece_likely']:.1f} % of probabilities ≥ 10 %)"
    )
