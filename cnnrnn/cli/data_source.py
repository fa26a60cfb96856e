"""The parameters of commands that read a data set: SOURCE and how it is to be understood."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnnrnn.cli.options import DATA

if TYPE_CHECKING:
    from cnnrnn.data import Options, Split
    from cnnrnn.data.source import Source

OWN = "table"
_WITHOUT_TEST = ("voc2012", "coco2014", "coco2017")  # the labels of their test split are not public
Help = functools.partial(typer.Option, rich_help_panel=DATA)
_PARAMETERS: dict[str, tuple[Any, Any]] = {  # name: (annotation, default)
    "source": (
        Annotated[
            Path | None,
            typer.Argument(
                metavar="SOURCE",
                show_default=False,
                help="Your own data set: a CSV, TSV, Excel, parquet, JSON or JSONL table, COCO's JSON, an export of an "
                "annotation tool, a folder in VOC's or YOLO's layout, or one with a folder per label.",
            ),
        ],
        None,
    ),
    "dataset": (
        Annotated[
            str,
            Help(
                "--dataset",
                show_default="found in SOURCE",
                help="A published data set: voc2007, voc2012, voc0712, coco2014, coco2017, nuswide81, nuswide1000, or "
                "scenes, which is rendered.",
            ),
        ],
        OWN,
    ),
    "root": (
        Annotated[
            Path | None, Help("--root", help="SOURCE; of a published data set the folder, such as that of VOCdevkit.")
        ],
        None,
    ),
    "images": (
        Annotated[Path | None, Help("--images", help="Folder of the images.", show_default="that of the table")],
        None,
    ),
    "encoding": (
        Annotated[
            str | None,
            Help(
                "--encoding",
                show_default="found",
                help="Encoding of a table that is not UTF-8, such as cp1250 or shift_jis.",
            ),
        ],
        None,
    ),
    "separator": (
        Annotated[
            str | None, Help("--separator", help="Separates the labels in a cell of a table.", show_default="found")
        ],
        None,
    ),
    "image_column": (Annotated[str | None, Help("--image-column", help="Column of a table with the images.")], None),
    "label_column": (Annotated[str | None, Help("--label-column", help="Column of a table with the labels.")], None),
    "split_column": (Annotated[str | None, Help("--split-column", help="Column of a table with the splits.")], None),
    "label_names": (
        Annotated[
            Path | None,
            Help(
                "--label-names",
                help="Names of labels that are numbers or codes: one a line, or a table of both, such as words.txt.",
            ),
        ],
        None,
    ),
    "val_fraction": (
        Annotated[
            float | None,
            Help(
                "--val-fraction",
                min=0.01,
                max=0.9,
                show_default="0.2 where a source has no val split",
                help="Share of train that is held out as val.",
            ),
        ],
        None,
    ),
    "groups": (
        Annotated[
            Path | None,
            Help("--groups", help="The groups of the labels, for the label space: a CSV with label and group."),
        ],
        None,
    ),
    "boxes": (
        Annotated[Path | None, Help("--boxes", help="Boxes of a table's images, for maps: COCO's JSON.")],
        None,
    ),
    "download": (Annotated[bool, Help("--download", help="Fetch what is missing of a published data set.")], False),
}


@dataclass(frozen=True)
class DataSource:
    """What the parameters name. Nothing is read before it is asked for."""

    dataset: str
    path: Path
    options: Options
    val_fraction: float | None

    @property
    def is_own(self) -> bool:
        from cnnrnn.data import is_own

        return is_own(self.dataset)

    @functools.cached_property
    def source(self) -> Source:
        """All of a person's own data set, read once however many splits are asked for. Raises DataError."""
        from cnnrnn.data.source import read_source

        return read_source(self.path, self.options)

    def without_boxes(self) -> DataSource:
        """With all images, also those of which a file of boxes knows nothing."""
        return replace(self, options=replace(self.options, boxes=None))

    def arguments(self) -> list[str]:
        """The parameters that name this data set for another command, and the split of it to evaluate on."""
        if self.is_own:
            words = [str(self.path)] if self.dataset == OWN else [str(self.path), "--dataset", self.dataset]
            split = "test" if "test" in self.source.samples else "val"
        else:
            words = ["--dataset", self.dataset, "--root", str(self.path)]
            split = "val" if self.dataset in _WITHOUT_TEST else "test"
        for name in ("images", "encoding", "separator", "image_column", "label_column", "split_column", "label_names"):
            if (value := getattr(self.options, name)) is not None:
                words += [f"--{name.replace('_', '-')}", str(value)]
        if self.val_fraction is not None and self.is_own:
            words += ["--val-fraction", f"{self.val_fraction:g}"]
        return [*words, "--split", split]

    def split(self, name: str) -> Split:
        """Raises DataError."""
        from cnnrnn.data import load_split

        if self.is_own:
            from cnnrnn.data.table import select

            return select(self.source, self.path, name, self.options)
        return load_split(self.dataset, self.path, name, self.options)


def reads_data(command: Callable[..., None]) -> Callable[..., None]:
    """Replace the command's parameter `data: DataSource` by those from which it is made."""

    @functools.wraps(command)
    def wrapped(**values: Any) -> None:
        given = {name: values.pop(name) for name in _PARAMETERS}
        command(data=_source(**given), **values)

    own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != "data"]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in _PARAMETERS.items()
    ]
    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
    wrapped.__signature__ = inspect.Signature([*added[:1], *parameters, *added[1:]])  # type: ignore[attr-defined]
    wrapped.__annotations__ = {p.name: p.annotation for p in (*parameters, *added)}
    del wrapped.__wrapped__  # type: ignore[attr-defined]  # whose parameters are others
    return wrapped


def _source(
    source: Path | None, dataset: str, root: Path | None, val_fraction: float | None, **options: Any
) -> DataSource:
    from cnnrnn.data import Options

    if (source is None) == (root is None):
        raise typer.BadParameter("give the file or folder of the data set, once", param_hint="SOURCE")
    path = source or root
    assert path is not None
    chosen = Options(**options)
    if val_fraction is not None:
        chosen = replace(chosen, val_fraction=val_fraction)
    return DataSource(dataset, path, chosen, val_fraction)
