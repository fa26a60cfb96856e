"""The command `cnnrnn evaluate-maps`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from cnnrnn.cli.data_source import DataSource, reads_data
from cnnrnn.cli.options import (
    BACKBONE,
    OUTPUT,
    BeamOption,
    DeviceOption,
    JsonOption,
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
from cnnrnn.utils.device import resolve_device
from cnnrnn.utils.errors import UserError
from cnnrnn.utils.files import markdown_table
from cnnrnn.utils.progress import image_progress
from cnnrnn.utils.streams import write_stdout

if TYPE_CHECKING:
    from cnnrnn.evaluation.reports import MapsReport


@reads_data
def evaluate_maps(
    data: DataSource,
    checkpoint: RecordedCheckpointOption = None,
    split: Annotated[str, typer.Option("--split", help="train, val, trainval or test.")] = "test",
    methods: Annotated[str, typer.Option("--methods", help="Names with commas between them, or all.")] = "all",
    max_perturbation_images: Annotated[
        int,
        typer.Option(min=1, help="Images for what needs many passes: deletion, insertion, sanity check, mosaics."),
    ] = 100,
    image_size: Annotated[
        int | None,
        typer.Option(
            min=32, max=4096, help="Pixels, for finer maps.", show_default="the checkpoint's", rich_help_panel=BACKBONE
        ),
    ] = None,
    output_stride: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Pixels per location of the feature map, by dilation.",
            show_default="the network's own",
            rich_help_panel=BACKBONE,
        ),
    ] = None,
    beam: BeamOption = 8,
    json_file: JsonOption = None,
    record: Annotated[
        bool,
        typer.Option(
            "--record", help="Write the figures into the checkpoint's metrics and model card.", rich_help_panel=OUTPUT
        ),
    ] = False,
    device: DeviceOption = None,
) -> None:
    """Evaluate the attribution maps: every method's maps against the boxes of a data set's objects."""
    with user_errors():
        from cnnrnn.attribution.methods import METHODS
        from cnnrnn.checkpoint import Checkpoint, shown_name
        from cnnrnn.evaluation.maps import check_methods
        from cnnrnn.evaluation.maps import evaluate_maps as run_evaluation
        from cnnrnn.evaluation.record import record_maps

        if record and (image_size or output_stride):
            raise UserError("figures at another resolution are not the model's; leave --record away")
        folder = chosen_checkpoint(checkpoint, record)
        names = list(METHODS) if methods == "all" else [name.strip() for name in methods.split(",")]
        check_methods(names)
        loaded = Checkpoint.load(folder, resolve_device(device))
        loaded.model.backbone = loaded.model.backbone.at(image_size, output_stride)
        images = load_and_describe(data, split)
        with image_progress() as bar:
            task = bar.add_task(escape(images.name), total=len(images.samples), remark="")
            report = run_evaluation(loaded, images, names, beam, max_perturbation_images, lambda: bar.advance(task))
        report["command"], report["checkpoint"] = command_line(), shown_name(folder)
        unwritten = Unwritten()
        with unwritten.collected():
            write_output(json_file, report)
        if record:
            with unwritten.collected():
                record_maps(folder, images.name, report)
        if json_file != STDOUT:
            _print_report(report)
        unwritten.report()
        report_failures(report["errors"], len(images.samples))


def _print_report(report: MapsReport) -> None:
    from cnnrnn.evaluation.map_report import STEPS, few_sentence, legend, prefix_sentence, table

    console.print(f"checkpoint: {escape(report['checkpoint'])}\n", highlight=False, soft_wrap=True)
    write_stdout(markdown_table(*table(report)))  # too wide for a terminal's frames
    exact = "" if report["exact_set"] is None else f"exact match {report['exact_set']:.1f} %; "  # None: no image
    console.print(
        f"{report['steps']} steps, {report['steps_difficult']} of them difficult; {exact}"
        f"{report['seconds_to_decode']:.3f} s to decode an image.",
        *filter(None, [few_sentence(report)]),
        STEPS,
        legend(report),
        prefix_sentence(report),
        sep="\n",
        soft_wrap=True,
    )
