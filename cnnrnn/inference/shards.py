"""Predictions of very many images as a folder of parquet files, each written atomically.

`manifest.json` records the settings of the run, `images.parquet` lists the images, and `part-00042.parquet` has
the results of its rows 42 · size … 43 · size − 1, one row per image, in order, even if several workers wrote it.
So every image is in the output exactly once, and a resumed run only writes the missing parts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any
from uuid import uuid4

import pyarrow
import pyarrow.fs
import pyarrow.parquet

from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data.loader import batches_by_threads
from cnnrnn.decoding.trace import Trace
from cnnrnn.inference.predictor import Predictor
from cnnrnn.inference.sources import COLUMN, located, open_source
from cnnrnn.utils.errors import UserError
from cnnrnn.utils.files import escape_surrogates, json_text, unescape_surrogates

MANIFEST, LIST = "manifest.json", "images.parquet"
FORMAT = "cnnrnn-predictions"
_OBJECT_STORES = ("s3", "gcs", "abfs")  # pyarrow's names of those that show an object when it is whole
_TRIES = 3  # to make a part, when its worker dies each time
_READERS = 4  # threads per core that read and open images: a store is waited for longer than a disk


@dataclass(frozen=True)
class Settings:
    """What the results depend on."""

    weights_sha256: str
    beam: int
    engine: str
    shard_size: int
    precision: str = "float32"
    temperature: float = 1.0  # of decoding; the checkpoint's, beside its weights
    calibration: list[float] | None = None  # the checkpoint's; a list as in JSON


def part(number: int) -> str:
    return f"part-{number:05d}.parquet"


def begin(folder: str, images: Sequence[str], settings: Settings) -> list[int]:
    """The numbers of the parts that are to be made; in a new folder, its manifest and list are written.

    Only one run at a time may write into a folder. Raises UserError if it was made with other images or settings.
    """
    manifest: dict[str, Any] = {
        "format": FORMAT,
        **asdict(settings),
        "images": len(images),
        "list_sha256": hashlib.sha256("\0".join(images).encode(errors="surrogateescape")).hexdigest(),
    }
    existing = _names(folder)
    if MANIFEST in existing:
        _compare(folder, manifest)
    elif odd := sorted(name for name in existing if name.endswith(".parquet") and name != LIST):
        raise UserError(f"{folder} holds {odd[0]} and no {MANIFEST}; name an empty folder")
    else:
        rows = pyarrow.table({COLUMN: pyarrow.array(map(escape_surrogates, images), pyarrow.string())})
        _put(folder, LIST, _parquet(rows, row_group_size=settings.shard_size))  # a row group is a part's images
        made_with = {name: version(name) for name in ("cnnrnn", "torch", "pyarrow")}
        _put(folder, MANIFEST, json_text(manifest | {"made_with": made_with}).encode())
    remove_stale(folder)
    parts = -(-len(images) // settings.shard_size)
    return [number for number in range(parts) if part(number) not in existing]


def remove_stale(folder: str) -> None:
    """Remove partial files of workers that died, and the attempt counts of parts."""
    filesystem, base = located(folder)
    for name in _names(folder):
        if name.startswith(".part-"):
            filesystem.delete_file(f"{base}/{name}")


def predict_part(
    folder: str,
    number: int,
    predictor: Predictor,
    cores: int,
) -> tuple[int, int]:
    """Make a part: how many images it has, and how many of them could not be read.

    Raises UserError if a worker has died of it `_TRIES` times.
    """
    _count_try(folder, number)
    filesystem, base = located(folder)
    with filesystem.open_input_file(f"{base}/{LIST}") as file:
        sources = pyarrow.parquet.ParquetFile(file).read_row_group(number)[COLUMN].to_pylist()
    paths = [unescape_surrogates(source) for source in sources]
    backbone, config = predictor.model.backbone, predictor.config
    image_batches = batches_by_threads(paths, open_source, backbone.pixels, config.batch_size, _READERS * cores)
    results = predictor.predict_batches(image_batches)
    rows = [_row(sources[index], result) for index, result in results]
    assert len(rows) == len(sources)
    _put(folder, part(number), _parquet(pyarrow.Table.from_pylist(rows, _schema(predictor.checkpoint, config.beam))))
    return len(rows), sum("error" in row for row in rows)


def _count_try(folder: str, number: int) -> None:
    """Ray retries a part on one worker after the other without limit: attempts are counted in the output folder."""
    filesystem, base = located(folder)
    marks = [f"{base}/.{part(number)}.try-{count}" for count in range(_TRIES)]
    free = [info.path for info in filesystem.get_file_info(marks) if info.type == pyarrow.fs.FileType.NotFound]
    if not free:
        raise UserError(f"{_TRIES} workers died making {part(number)}: of too little memory, or of one of its images")
    filesystem.open_output_stream(free[0]).close()


def _row(source: str, result: Trace | str) -> dict[str, Any]:
    """The names are those of `cnnrnn predict --json`, but what is by label comes without the labels."""
    if isinstance(result, str):
        return {"image": source, "error": result}
    paths = [
        {"labels": result.names(path.tokens), "probability": path.prob, "log_prob": path.log_prob}
        for path in result.paths
    ]
    return {
        "image": source,
        "labels": paths[0]["labels"],
        "probability": paths[0]["probability"],
        "marginals": result.marginals,
        "paths": paths,
        "coverage": result.coverage,
        "auxiliary": result.auxiliary,
        "probabilities": result.calibrated,
    }


def _schema(checkpoint: Checkpoint, beam: int) -> pyarrow.Schema:
    """Missing values are null. The labels of lists of numbers are in the metadata, as JSON."""
    text, number, labels = pyarrow.string(), pyarrow.float64(), pyarrow.list_(pyarrow.string())
    by_label = pyarrow.list_(pyarrow.float32())
    path = pyarrow.struct({"labels": labels, "probability": number, "log_prob": number})
    columns = {
        "image": text,
        "labels": labels,
        "probability": number,
        "marginals": by_label,
        "paths": pyarrow.list_(path),
        "coverage": number,
        "auxiliary": by_label,
        "probabilities": by_label,
        "error": text,
    }
    known = {"vocabulary": checkpoint.vocabulary.labels, "weights_sha256": checkpoint.weights_hash, "beam": beam}
    return pyarrow.schema(columns, {name: json.dumps(value) for name, value in known.items()})


def _compare(folder: str, wanted: dict[str, Any]) -> None:
    filesystem, base = located(folder)
    with filesystem.open_input_file(f"{base}/{MANIFEST}") as file:
        try:
            # Older runs don't know of these.
            defaults = {name: getattr(Settings, name) for name in ("precision", "temperature", "calibration")}
            found = {**defaults, **json.loads(file.read())}
            changes = [f"{key}: {found.get(key)} → {value}" for key, value in wanted.items() if found.get(key) != value]
        except (ValueError, TypeError):
            changes = [f"{MANIFEST} can't be read"]
    if changes:
        raise UserError(f"{folder} was made with something else ({'; '.join(changes)}); name another folder")


def _names(folder: str) -> list[str]:
    """What the folder holds; it is made if it isn't there."""
    filesystem, base = located(folder)
    filesystem.create_dir(base, recursive=True)
    return [info.base_name for info in filesystem.get_file_info(pyarrow.fs.FileSelector(base))]


def _parquet(table: pyarrow.Table, **options: Any) -> pyarrow.Buffer:
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(table, sink, compression="zstd", **options)
    return sink.getvalue()


def _put(folder: str, name: str, data: bytes | pyarrow.Buffer) -> None:
    """Write a file atomically, even if another process writes it at the same time."""
    filesystem, base = located(folder)
    target = f"{base}/{name}"
    path = target if filesystem.type_name in _OBJECT_STORES else f"{base}/.{name}.{uuid4().hex}"
    with filesystem.open_output_stream(path) as file:
        file.write(data)
    if path != target:
        filesystem.move(path, target)
