"""The command `cnnrnn`. Heavy modules are imported by the command that uses them, so that --help is instant."""

from __future__ import annotations

import json
import shlex
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from cnnrnn.utils.device import resolve_device
from cnnrnn.utils.errors import UserError
from cnnrnn.utils.files import json_text, markdown_table, write_text
from cnnrnn.utils.progress import TrainingProgress, image_progress, notes
from cnnrnn.utils.resources import embedded_checkpoint

if TYPE_CHECKING:
    from cnnrnn.data import Sample, Split
    from cnnrnn.decoding.trace import Trace
    from cnnrnn.evaluation.reports import EvaluationReport
    from cnnrnn.inference.config import InferenceConfig

app = typer.Typer(
    help="CNN-RNN multi-label image classification (Wang et al., CVPR 2016): train it, use it, watch it decode.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console()

EMBEDDED = embedded_checkpoint()

CheckpointOption = Annotated[Path, typer.Option("--checkpoint", help="Folder of a trained model.")]
BeamOption = Annotated[int, typer.Option("--beam", min=1, max=256, help="Paths kept at every step.")]
DatasetOption = Annotated[
    str,
    typer.Option(
        "--dataset",
        help="voc2007, voc2012, voc0712, coco2014, coco2017, nuswide81, nuswide1000, table or scenes.",
    ),
]
RootOption = Annotated[
    Path,
    typer.Option("--root", help="Folder of the data set, such as the one that holds VOCdevkit; for table the file."),
]
SeparatorOption = Annotated[str, typer.Option("--separator", help="Between the labels in a cell of a CSV table.")]
DownloadOption = Annotated[bool, typer.Option("--download", help="Fetch what is missing under --root.")]
JsonOption = Annotated[str | None, typer.Option("--json", help="Write JSON to this file; - for standard output.")]
DeviceOption = Annotated[str | None, typer.Option("--device", help="cpu, cuda, mps …; default: a GPU if there is one.")]
Engine = Literal["torch", "compile", "openvino", "onnxruntime"]
ENGINE_HELP = "Of the backbone. compile (torch.compile) takes a minute to start; it is meant for a GPU."
EngineOption = Annotated[
    Engine | None, typer.Option(help=ENGINE_HELP, show_default="the fastest that is installed; torch on a GPU")
]
PrecisionOption = Annotated[
    Literal["float32", "bfloat16"],
    typer.Option(help="That the backbone computes in. bfloat16 is faster where the hardware has it, and less exact."),
]


def _apply_preset(ctx: typer.Context, name: str | None) -> str | None:
    """A preset gives the other options new defaults, so whatever is typed beside it wins."""
    from cnnrnn.training.recipes import PRESETS

    if name is not None and name not in PRESETS:
        raise typer.BadParameter(f"no preset '{name}'; choose one of {', '.join(PRESETS)}")
    ctx.default_map = PRESETS.get(name or "", {})
    return name


@app.command()
def train(
    dataset: DatasetOption,
    root: RootOption,
    out: Annotated[Path, typer.Option("--out", help="Folder of the run; gets best/ and last/.")],
    download: DownloadOption = False,
    separator: SeparatorOption = ";",
    train_split_name: Annotated[str, typer.Option("--train-split", help="train or trainval.")] = "train",
    val_fraction: Annotated[
        float, typer.Option(min=0, max=0.9, help="Hold out this share of train instead of reading a val split.")
    ] = 0.0,
    preset: Annotated[
        str | None,
        typer.Option(
            callback=_apply_preset,
            is_eager=True,
            help="paper: VGG-16 fc7, embedding 64, LSTM 512, RMSprop, frozen. Other options given win over it.",
        ),
    ] = None,
    head: Annotated[
        Literal["cnn-rnn", "sigmoid"], typer.Option(help="sigmoid: the baseline, one independent unit per label.")
    ] = "cnn-rnn",
    loss: Annotated[Literal["bce", "asymmetric"], typer.Option(help="Of --head sigmoid.")] = "bce",
    backbone: Annotated[str, typer.Option(help="Any CNN of timm, by name.")] = "tf_efficientnet_lite0",
    pretrained: Annotated[bool, typer.Option(help="Start from ImageNet weights.")] = True,
    image_size: Annotated[int | None, typer.Option(min=32, help="Pixels.", show_default="the backbone's own")] = None,
    embedding: Annotated[int, typer.Option(min=1, help="Size of the label space.")] = 64,
    hidden: Annotated[int, typer.Option(min=1, help="Size of the recurrence.")] = 512,
    order: Annotated[
        str, typer.Option(help="Of the labels in a sequence: frequent, rare, random, or fixed:FILE, a label a line.")
    ] = "frequent",
    activation: Annotated[Literal["tanh", "relu"], typer.Option(help="h of equation 3.")] = "tanh",
    cell: Annotated[
        Literal["lstm", "paper"], typer.Option(help="Recurrence; paper is equation 2 as printed.")
    ] = "lstm",
    spatial: Annotated[
        bool,
        typer.Option(
            "--spatial/--pooled",
            help="Score labels at every place of the image, and where they stand out; pooled is the paper's way.",
        ),
    ] = False,
    auxiliary: Annotated[
        float,
        typer.Option(min=0, help="Weight of an auxiliary sigmoid per label, a regulariser; 0 for none."),
    ] = 0.0,
    mixup: Annotated[
        float, typer.Option(min=0, help="Mix half of the batches' images, by Beta(MIXUP, MIXUP) shares; 0 for none.")
    ] = 0.0,
    dropout: Annotated[float, typer.Option(min=0, max=0.95)] = 0.5,
    epochs: Annotated[int, typer.Option(min=1)] = 30,
    batch_size: Annotated[int, typer.Option(min=1, help="Of all processes together, under torchrun.")] = 64,
    lr: Annotated[float, typer.Option(min=0, help="Learning rate of the head.")] = 1e-3,
    backbone_lr: Annotated[float, typer.Option(min=0, help="Learning rate of the backbone; 0 keeps it frozen.")] = 0.0,
    trained_layers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Of the backbone, train its last layers only; the others' output is computed once per view.",
            show_default="all, if --backbone-lr is given",
        ),
    ] = None,
    views: Annotated[
        int, typer.Option(min=1, help="Of each image, for frozen layers: itself, mirrored, then random crops.")
    ] = 2,
    weight_decay: Annotated[float, typer.Option(min=0)] = 1e-2,
    optimizer: Annotated[Literal["adamw", "rmsprop"], typer.Option()] = "adamw",
    seed: Annotated[int, typer.Option()] = 0,
    precision: PrecisionOption = "float32",
    compile_layers: Annotated[
        bool,
        typer.Option("--compile", help="The layers of the backbone that are trained, by torch.compile: for a GPU."),
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on after the last finished epoch in --out; repeat the other options.")
    ] = False,
    device: DeviceOption = None,
) -> None:
    """Train a model on a data set's train split, validated on its val split."""
    from cnnrnn.training import distributed

    with user_errors(), distributed.started() as processes:
        from cnnrnn.data import Options, load_split
        from cnnrnn.training.config import TrainConfig
        from cnnrnn.training.initialize import new_checkpoint
        from cnnrnn.training.loop import train as run_training
        from cnnrnn.training.state import STATE

        console.quiet = notes.quiet = not processes.is_writer
        if not backbone_lr and (trained_layers or compile_layers):
            raise UserError("--trained-layers and --compile are for a backbone that is trained: give --backbone-lr")
        options = Options(download, separator)
        with processes.one_per_machine_first():
            train_split = load_split(dataset, root, train_split_name, options)
            if val_fraction:
                train_split, val_split = train_split.hold_out(val_fraction)
            else:
                val_split = load_split(dataset, root, "val", options)
        _print_remarks(train_split, val_split)
        settings: dict[str, Any] = {"dropout": dropout, "spatial": spatial}
        if head == "cnn-rnn":
            settings |= {
                "embedding_dim": embedding,
                "hidden_dim": hidden,
                "activation": activation,
                "cell": cell,
                "auxiliary": auxiliary > 0,
            }
        checkpoint = new_checkpoint(
            train_split,
            backbone,
            image_size,
            pretrained,
            seed,
            resolve_device(device, processes.local_rank if processes.count > 1 else None),
            head,
            order,
            **settings,
        )
        checkpoint.training["command"] = _command_line()
        config = TrainConfig(
            epochs=epochs,
            batch_size=batch_size,
            lr=lr,
            backbone_lr=backbone_lr,
            trained_layers=trained_layers,
            views=views,
            loss=loss,
            auxiliary=auxiliary if head == "cnn-rnn" else 0.0,
            mixup=mixup,
            weight_decay=weight_decay,
            optimizer=optimizer,
            seed=seed,
            precision=precision,
            compile_layers=compile_layers,
        )
        if resume and processes.by_torchrun and not (out / STATE).exists():
            notes.print(f"{escape(str(out))} holds no finished epoch to go on from: this is the first start")
        with TrainingProgress() as watcher:
            run = run_training(
                checkpoint, train_split, val_split, config, out, out.parent / "features", watcher, resume, processes
            )
        if run.interrupted:
            notes.print(f"Interrupted; the model so far is in {escape(str(out / 'last'))}. Go on with --resume")
            raise typer.Exit(130)
        if head == "cnn-rnn" and processes.is_writer:
            _project(out / "best", seed)
        console.print(
            f"Done: the best model is in {escape(str(out / 'best'))}, the last in {escape(str(out / 'last'))}"
        )


@app.command()
def evaluate(
    checkpoint: CheckpointOption,
    dataset: DatasetOption,
    root: RootOption,
    split: Annotated[str, typer.Option("--split", help="train, val, trainval or test.")] = "test",
    beam: BeamOption = 8,
    batch_size: Annotated[int, typer.Option(min=1)] = 32,
    min_positives: Annotated[
        int, typer.Option(min=1, help="A label with fewer positives in the split stays out of the means.")
    ] = 5,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Marginal from which a label counts as predicted.",
            show_default="the one chosen on the validation split in training, or 0.5",
        ),
    ] = None,
    json_file: JsonOption = None,
    per_image: Annotated[
        Path | None, typer.Option("--per-image", help="JSONL with every image's truth, paths and marginals.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="A report with plots and the worst mistakes, in one file.")
    ] = None,
    recurrence: Annotated[
        bool,
        typer.Option(
            "--recurrence/--without-recurrence",
            help="Without: the decoder forgets what it emitted; shows what the recurrence is worth.",
        ),
    ] = True,
    record: Annotated[
        bool, typer.Option("--record", help="Write the figures into the checkpoint's metrics and model card.")
    ] = False,
    download: DownloadOption = False,
    separator: SeparatorOption = ";",
    engine: Annotated[Engine, typer.Option(help=ENGINE_HELP)] = "torch",
    precision: PrecisionOption = "float32",
    device: DeviceOption = None,
) -> None:
    """Decode a split of a data set and compare with its labels."""
    with user_errors():
        from cnnrnn.checkpoint import chosen_threshold
        from cnnrnn.data import Options, load_split
        from cnnrnn.evaluation.evaluate import evaluate as run_evaluation
        from cnnrnn.evaluation.evaluate import image_record
        from cnnrnn.evaluation.record import record_evaluation
        from cnnrnn.evaluation.report import render_html
        from cnnrnn.inference.predictor import Predictor

        if record and not recurrence:
            raise UserError("figures without the recurrence are not the model's; leave --record away")
        predictor = Predictor(
            checkpoint, beam=beam, batch_size=batch_size, engine=engine, precision=precision, device=device,
            recurrence=recurrence,
        )  # fmt: skip
        data = load_split(dataset, root, split, Options(download, separator))
        _print_remarks(data)
        threshold = chosen_threshold(checkpoint) if threshold is None else threshold
        lines: list[str] = []
        with image_progress() as bar:
            task = bar.add_task(escape(data.name), total=len(data.samples), remark="")

            def each(sample: Sample, outcome: Trace | str) -> None:
                bar.advance(task)
                if per_image is not None:
                    lines.append(json.dumps(image_record(sample, outcome), ensure_ascii=False))

            evaluation = run_evaluation(predictor, data, min_positives, threshold, each)
        report = evaluation.metrics
        report["command"] = _command_line()
        if record:
            record_evaluation(checkpoint, data.name, report)
        if json_file != "-":
            _print_report(data.name, report)
        write_output(json_file, report)
        if per_image is not None:
            write_text(per_image, "".join(f"{line}\n" for line in lines))
        if html is not None:
            write_text(html, render_html(evaluation))
        _report_failures(report["errors"], len(data.samples))


@app.command()
def predict(
    images: Annotated[list[str], typer.Argument(metavar="IMAGE_OR_FOLDER...", show_default=False)],
    checkpoint: CheckpointOption = EMBEDDED,
    beam: BeamOption = 8,
    batch_size: Annotated[int, typer.Option(min=1)] = 16,
    json_file: JsonOption = None,
    engine: EngineOption = None,
    precision: PrecisionOption = "float32",
    device: DeviceOption = None,
    engine_ray: Annotated[
        bool,
        typer.Option(
            "--engine-ray",
            help="Millions, by Ray on all cores or machines, into parquet files under --out; takes URIs such as "
            "s3://bucket/prefix and parquet files with a column 'path', too. Constraints again, it goes on.",
        ),
    ] = False,
    out: Annotated[
        str | None, typer.Option("--out", help="With --engine-ray: folder or URI of the parquet files.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="With --engine-ray.", show_default="one a GPU, or one a core")
    ] = None,
    shard_size: Annotated[int, typer.Option(min=1, help="With --engine-ray: images in a parquet file.")] = 10_000,
    address: Annotated[
        str, typer.Option(help="With --engine-ray: of a cluster, such as auto; local starts one.")
    ] = "local",
) -> None:
    """Label images. One that can't be read is reported and skipped; the exit code is then 1."""
    with user_errors():
        if engine_ray:
            if out is None or json_file is not None:
                raise UserError("--engine-ray writes parquet files: name their folder by --out, and leave --json away")
            from cnnrnn.inference.config import InferenceConfig

            config = InferenceConfig(beam, batch_size, engine, precision, device)
            _predict_by_ray(images, out, checkpoint, config, shard_size, workers, address)
            return
        if out is not None:
            raise UserError("--out is for --engine-ray; take --json FILE, or add --engine-ray")
        from cnnrnn.inference.predictor import Predictor, find_images

        paths = find_images([Path(name) for name in images])
        predictor = Predictor(
            checkpoint, beam=beam, batch_size=batch_size, engine=engine, precision=precision, device=device
        )
        results: list[dict[str, Any]] = []
        errors: dict[str, str] = {}
        table = Table(
            Column("image", overflow="fold"), "best path", "p(path)", "labels, by marginal probability", "coverage"
        )
        with image_progress() as bar:
            task = bar.add_task("predicting", total=len(paths), remark="")
            for path, outcome in predictor.predict(paths):
                bar.advance(task)
                if isinstance(outcome, str):
                    errors[str(path)] = outcome
                    results.append({"image": str(path), "error": outcome})
                else:
                    results.append({"image": str(path), **outcome.summary()})
                    table.add_row(*_row(path, outcome))
        if json_file != "-" and table.row_count:
            console.print(table)
        write_output(json_file, results)
        _report_failures(errors, len(paths))


def _predict_by_ray(
    images: list[str],
    out: str,
    checkpoint: Path,
    config: InferenceConfig,
    shard_size: int,
    workers: int | None,
    address: str,
) -> None:
    from cnnrnn.inference import ray_predict as cluster
    from cnnrnn.inference.sources import absolute, list_images

    failed = 0
    with cluster.cluster(address), image_progress() as bar:
        found = list_images(images)
        plan = cluster.prepare(found, absolute(out), checkpoint, config, shard_size, workers)
        there = -(-len(found) // shard_size) - len(plan.parts)
        notes.print(
            f"{len(found)} images; {there} parts are there, {len(plan.parts)} to make; workers: {plan.workers}, "
            f"cores of each: {plan.run.cores}, engine: {plan.run.settings.engine}",
            soft_wrap=True,
            highlight=False,
        )
        left = sum(min(shard_size, len(found) - number * shard_size) for number in plan.parts)
        task = bar.add_task("predicting", total=left, remark="")
        for done, unread in cluster.predict(plan):
            failed += unread
            bar.update(task, advance=done, remark=f"{failed} errors" if failed else "")
    console.print(f"The parts are in {escape(out)}")
    if failed:
        notes.print(f"{failed} of {left} images could not be read; the column error says why")
        raise typer.Exit(1)


@app.command()
def serve(
    checkpoint: CheckpointOption = EMBEDDED,
    beam: BeamOption = 8,
    batch_size: Annotated[int, typer.Option(min=1, help="Images labelled together, at most.")] = 16,
    host: Annotated[
        str, typer.Option(help="There are no passwords: what isn't localhost needs a proxy.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    engine: EngineOption = None,
    precision: PrecisionOption = "float32",
    device: DeviceOption = None,
) -> None:
    """Label images over HTTP: `curl --data-binary @photo.jpg localhost:8000/predict`; /health says that it lives."""
    with user_errors():
        from cnnrnn.inference.predictor import Predictor
        from cnnrnn.inference.server import serve as run_server

        predictor = Predictor(
            checkpoint, beam=beam, batch_size=batch_size, engine=engine, precision=precision, device=device
        )
        notes.print(f"http://{host}:{port}/predict takes images; Ctrl-C ends it", highlight=False)
        run_server(predictor, host, port)


@app.command()
def explain(
    path: Annotated[Path, typer.Argument(metavar="IMAGE", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="Folder for one PNG per step and trace.json.")],
    checkpoint: CheckpointOption = EMBEDDED,
    method: Annotated[
        str | None,
        typer.Option(
            "--method",
            help="How the maps are made, such as grad-cam; a wrong name lists all.",
            show_default="the one that points best",
        ),
    ] = None,
    path_number: Annotated[int, typer.Option("--path", min=1, help="Which path: 1 is the best.")] = 1,
    beam: BeamOption = 8,
    device: DeviceOption = None,
) -> None:
    """Show where in an image each decoding step found its evidence: one overlay per step, and trace.json."""
    with user_errors():
        from cnnrnn.attribution.methods import DEFAULT_METHOD
        from cnnrnn.inference.predictor import Predictor

        predictor = Predictor(checkpoint, beam=beam, device=device)
        result = predictor(path)
        if path_number > len(result.paths):
            raise UserError(f"the search kept {len(result.paths)} paths; choose --path up to that or a wider --beam")
        explanation = predictor.explain(result, path_number - 1, method or DEFAULT_METHOD)
        files = explanation.save(out)
        trace, chosen = result.trace, result.trace.paths[path_number - 1]
        table = Table(
            "step", "label", "p(label | path so far)", "strongest evidence", Column("overlay", overflow="fold")
        )
        for step, (name, strength, file) in enumerate(
            zip(explanation.steps, explanation.strengths, files, strict=True)
        ):
            prob = trace.distribution(chosen, step)[chosen.token(step, trace.end)]
            evidence = f"{strength:.0%}" if strength > 0 else "no positive evidence"
            table.add_row(str(step + 1), escape(name), f"{prob:.1%}", evidence, escape(str(file)))
        method = explanation.explanation.method
        write_output(str(out / "trace.json"), {"image": str(path), "method": method, **trace.to_json()})
        console.print(table)


@app.command()
def evaluate_maps(
    checkpoint: CheckpointOption,
    dataset: DatasetOption,
    root: RootOption,
    split: Annotated[str, typer.Option("--split", help="train, val, trainval or test.")] = "test",
    methods: Annotated[str, typer.Option("--methods", help="Names with commas between them, or all.")] = "all",
    max_perturbation_images: Annotated[
        int,
        typer.Option(min=1, help="Images for what needs many passes: deletion, insertion, sanity check, mosaics."),
    ] = 100,
    image_size: Annotated[
        int | None, typer.Option(min=32, max=4096, help="Pixels, for finer maps.", show_default="the checkpoint's")
    ] = None,
    output_stride: Annotated[
        int | None,
        typer.Option(min=1, help="Pixels to a place of the map, by dilation.", show_default="the network's own"),
    ] = None,
    beam: BeamOption = 8,
    json_file: JsonOption = None,
    record: Annotated[
        bool, typer.Option("--record", help="Write the figures into the checkpoint's metrics and model card.")
    ] = False,
    download: DownloadOption = False,
    device: DeviceOption = None,
) -> None:
    """Do the maps point at the right thing? Every method's maps against the boxes of a data set's objects."""
    with user_errors():
        from cnnrnn.attribution.methods import METHODS
        from cnnrnn.checkpoint import Checkpoint
        from cnnrnn.data import Options, load_split
        from cnnrnn.evaluation.map_report import LEGEND, prefix_sentence, table
        from cnnrnn.evaluation.maps import evaluate_maps as run_evaluation
        from cnnrnn.evaluation.record import record_maps

        if record and (image_size or output_stride):
            raise UserError("figures at another resolution are not the model's; leave --record away")
        loaded = Checkpoint.load(checkpoint, resolve_device(device))
        loaded.model.backbone = loaded.model.backbone.at(image_size, output_stride)
        data = load_split(dataset, root, split, Options(download))
        _print_remarks(data)
        names = list(METHODS) if methods == "all" else [name.strip() for name in methods.split(",")]
        with image_progress() as bar:
            task = bar.add_task(escape(data.name), total=len(data.samples), remark="")
            report = run_evaluation(loaded, data, names, beam, max_perturbation_images, lambda: bar.advance(task))
        report["command"] = _command_line()
        if record:
            record_maps(checkpoint, data.name, report)
        if json_file != "-":
            sys.stdout.write(markdown_table(*table(report)))  # too wide for a terminal's frames
            console.print(
                f"{report['steps']} steps, {report['steps_difficult']} of them difficult; exact match "
                f"{report['exact_set']:.1f} %; {report['seconds_to_decode']:.3f} s to decode an image.",
                LEGEND,
                prefix_sentence(report),
                sep="\n",
            )
        write_output(json_file, report)
        _report_failures(report["errors"], len(data.samples))


@app.command()
def neighbours(
    checkpoint: CheckpointOption = EMBEDDED,
    k: Annotated[int, typer.Option("-k", min=1, help="Neighbours of each label.")] = 3,
    measure: Annotated[Literal["cosine", "inner"], typer.Option(help="Cosine or inner product.")] = "cosine",
    json_file: JsonOption = None,
) -> None:
    """Each label's nearest labels in the label space, as in the paper's table of nearest neighbours."""
    with user_errors():
        from cnnrnn.checkpoint import Checkpoint
        from cnnrnn.label_space.neighbors import nearest

        loaded = Checkpoint.load(checkpoint)
        found = nearest(loaded.rnn.label_vectors(), loaded.vocabulary.labels, k, measure)
        if json_file != "-":
            table = Table("label", f"nearest by {measure}")
            for label, near in found.items():
                table.add_row(escape(label), escape(", ".join(f"{name} {value:.2f}" for name, value in near)))
            console.print(table)
        write_output(json_file, {label: dict(near) for label, near in found.items()})


@app.command()
def project(
    checkpoint: CheckpointOption = EMBEDDED,
    seed: Annotated[int, typer.Option(help="Of UMAP.")] = 0,
) -> None:
    """Compute the maps of the label space that the dashboard draws, and put them into the checkpoint's folder."""
    with user_errors():
        console.print(f"The maps are in {escape(str(_project(checkpoint, seed)))}")


def _project(folder: Path, seed: int) -> Path:
    """Put the maps of the label space into a checkpoint's folder."""
    from cnnrnn.checkpoint import Checkpoint
    from cnnrnn.label_space import projection

    loaded = Checkpoint.load(folder)
    projection.record(folder, loaded.rnn.label_vectors(), loaded.weights_hash, seed)
    return folder / projection.PROJECTION


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", show_default=False, help="Folders of trainings.")],
) -> None:
    """Trainings side by side, as a Markdown table; seeds of one configuration as mean ± standard deviation."""
    with user_errors():
        from cnnrnn.evaluation.comparison import compare as run_comparison

        shared, rows = run_comparison(runs)
        columns = list(dict.fromkeys(column for row in rows for column in row))
        sys.stdout.write("Shared: " + ", ".join(f"{key} {value}" for key, value in shared.items()) + "\n\n")
        sys.stdout.write(markdown_table(columns, ([row.get(column, "") for column in columns] for row in rows)))


@app.command()
def bench(
    checkpoint: CheckpointOption = EMBEDDED,
    images: Annotated[
        Path | None, typer.Option(help="Folder of photographs for predict's line; it is left out without.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="Of these images.")] = 1000,
    only: Annotated[
        str,
        typer.Option(
            help="Parts, with commas between them: search, growth, vocabulary, checkpoint, folder, memory, cached, "
            "start."
        ),
    ] = "all",
    engine: EngineOption = None,
    json_file: JsonOption = None,
) -> None:
    """How fast is it here? Each line beside a reference, timed in turn in the same run."""
    with user_errors():
        from cnnrnn.bench import PARTS, run
        from cnnrnn.checkpoint import Checkpoint
        from cnnrnn.inference.predictor import find_images

        parts = PARTS if only == "all" else [part.strip() for part in only.split(",")]
        if unknown := set(parts) - set(PARTS):
            raise UserError(f"no part '{min(unknown)}'; choose from {', '.join(PARTS)}")
        paths = find_images([images])[:count] if images is not None else []
        lines = []
        for line in run(parts, Checkpoint.load(checkpoint), paths, engine):
            lines.append(line)
            notes.print(
                f"{line['what']} | {line['reference']}: {line['ratio']:.2f} ({line['goal']}) {line['remark']}",
                soft_wrap=True,
                markup=False,
            )
        if json_file != "-":
            columns = ["what", "seconds", "reference", "seconds", "ratio", "lowest … highest", "goal", ""]
            rows = [
                [
                    line["what"],
                    f"{line['seconds']:.3g}",
                    line["reference"],
                    f"{line['reference_seconds']:.3g}",
                    f"{line['ratio']:.2f}",
                    f"{line['spread'][0]:.2f} … {line['spread'][1]:.2f}",
                    f"{line['goal']}{'' if line['met'] else ', not met'}",
                    line["remark"],
                ]
                for line in lines
            ]
            sys.stdout.write(markdown_table(columns, rows))
        write_output(json_file, lines)


def main() -> None:
    warnings.filterwarnings("ignore", module=r"PIL\.")  # Pillow's remarks on odd metadata are for developers
    app()


@contextmanager
def user_errors() -> Iterator[None]:
    """Expected failures end as one line and exit code 2; nobody meets a traceback."""
    try:
        yield
    except (UserError, OSError) as error:
        notes.quiet = False
        notes.print(f"[bold red]cnnrnn:[/] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        notes.print("Interrupted.")
        raise typer.Exit(130) from None


def _print_remarks(*splits: Split) -> None:
    """What to know of the data before an hour is spent on it."""
    for split in splits:
        notes.print(f"{escape(split.name)}: {len(split.samples)} images, {len(split.labels)} labels")
        for remark in split.remarks:
            notes.print(f"  [yellow]{escape(remark)}[/]", soft_wrap=True)


def _command_line() -> str:
    return shlex.join(["cnnrnn", *sys.argv[1:]])


def _row(path: Path, trace: Trace) -> tuple[str, ...]:
    best = trace.paths[0]
    likely = [(p, label) for label, p in zip(trace.labels, trace.marginals.tolist(), strict=True) if p >= 0.01]
    marginals = ", ".join(f"{label} {p:.0%}" for p, label in sorted(likely, reverse=True)[:5])
    names = " → ".join(trace.choices(best))
    return escape(str(path)), escape(names), f"{best.prob:.0%}", escape(marginals), f"{trace.coverage:.0%}"


def _print_report(name: str, report: EvaluationReport) -> None:
    from rich.columns import Columns

    from cnnrnn.evaluation.paper import MEASURED, QUOTED

    columns = ("OP", "OR", "OF1", "CP", "CR", "CF1")
    ensemble = {}
    if "auxiliary" in report:
        ensemble = {"auxiliary head": report["auxiliary"], "ensemble": report["mix"]}
    sets = Table("", *columns, title=f"{escape(name)}: {report['images']} images, {report['seconds']:.0f} s")
    rows: list[tuple[str, Mapping[str, Any]]] = [
        ("best path", report),
        ("three best marginals", report["top3"]),
        (f"of these, ≥ {report['threshold']:.2g}", report["top3_at_most"]),
        (f"marginals ≥ {report['threshold']:.2g}", report["above_threshold"]),
        *((f"{what} ≥ {report['threshold']:.2g}", metrics) for what, metrics in ensemble.items()),
    ]
    for what, metrics in rows:
        sets.add_row(what, *(f"{metrics[column]:.1f}" for column in columns))
    quoted = QUOTED.get(name, {})
    if "CF1" in quoted:
        figures = (f"{quoted[column]:.1f}" for column in columns)
        sets.add_row(f"paper, three best ({MEASURED}; quoted)", *figures)
    console.print(sets)
    console.print(
        f"mAP {report['mAP']:.1f} (11-point {report['mAP_eleven_point']:.1f}, interpolated area "
        f"{report['mAP_area']:.1f}) over {report['labels_scored']} labels with ≥ {report['min_positives']} positives, "
        f"MAP@10 {report['MAP@10']:.1f}; exact match {report['exact_match']:.1f} %, Hamming loss "
        f"{report['hamming_loss']:.2f} %, coverage {report['coverage']:.1f} %, "
        f"calibration error {report['calibration']['ece']:.2f} % "
        f"({report['calibration']['ece_likely']:.1f} % of marginals ≥ 10 %)"
    )
    if ensemble:
        parts = (f"the {what} {metrics['mAP']:.1f}" for what, metrics in ensemble.items())
        console.print("mAP of " + ", of ".join(parts))
    if other := {key: value for key, value in quoted.items() if key not in columns}:
        console.print(f"paper, quoted ({MEASURED}): " + ", ".join(f"{key} {value:.1f}" for key, value in other.items()))
    console.print(Columns([escape(f"{label} {value:.1f}") for label, value in report["AP"].items()], title="AP"))


def _report_failures(errors: dict[str, str], total: int) -> None:
    """Says at the end what was skipped, and tells it to programs by exit code 1."""
    for path, why in errors.items():
        notes.print(f"[yellow]skipped[/] {escape(path)}: {escape(why)}", soft_wrap=True)
    if errors:
        notes.print(f"{len(errors)} of {total} images could not be read")
        raise typer.Exit(1)


def write_output(target: str | None, data: Any) -> None:
    """JSON to a file, to standard output for "-", or nowhere."""
    if target is None:
        return
    if target == "-":
        sys.stdout.write(json_text(data))
    else:
        write_text(Path(target), json_text(data))


if __name__ == "__main__":
    main()
