"""Images of folders, object stores and parquet files: listing and opening them.

A source is a local path or a URI, such as s3://bucket/key. What stands after :// is taken as it is, without
percent-decoding, as the stores' own tools print it. pyarrow knows file, s3, gs, abfs and hdfs; of others, fsspec's
package has to be installed. Passwords and endpoints come from the environment, as for any tool of the store.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath

import pyarrow.fs
import pyarrow.parquet
from PIL import Image

from cnnrnn.data.images import SUFFIXES, ImageError, is_image_name, open_image
from cnnrnn.data.paths import is_hidden
from cnnrnn.inference.predictor import find_images
from cnnrnn.utils.errors import UserError, summarize_error

MAX_BYTES = 200_000_000  # of an image's file in a store: 24 megapixels of 16 bits, not compressed, have 144 MB
COLUMN = "path"  # of a parquet file that lists images
RETRY_PAUSES = (1.0, 4.0)  # seconds to wait before each retry


def is_uri(source: str) -> bool:
    return "://" in source


def absolute(source: str) -> str:
    """The source in a form that is valid in any working directory."""
    return source if is_uri(source) else str(Path(source).absolute())


def located(source: str) -> tuple[pyarrow.fs.FileSystem, str]:
    """A source's file system and the path in it. Raises UserError if there is none for its scheme."""
    if not is_uri(source):
        return pyarrow.fs.LocalFileSystem(), absolute(source)
    scheme, _, rest = source.partition("://")
    filesystem = _filesystem(scheme, rest.partition("/")[0])
    wrapped = getattr(filesystem, "handler", None)  # fsspec's
    return filesystem, wrapped.fs._strip_protocol(source) if wrapped is not None else rest


@lru_cache
def _filesystem(scheme: str, bucket: str) -> pyarrow.fs.FileSystem:
    """Of pyarrow, or of fsspec for what pyarrow doesn't know."""
    root = f"{scheme}://{bucket}/"
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if scheme == "s3" and endpoint:  # which pyarrow doesn't look at
        return pyarrow.fs.S3FileSystem(endpoint_override=endpoint)
    try:
        return pyarrow.fs.FileSystem.from_uri(root)[0]
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError):
        pass
    import fsspec

    try:
        return pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(fsspec.core.url_to_fs(root)[0]))
    except (ImportError, ValueError) as error:
        raise UserError(f"{scheme}:// can't be read: {summarize_error(error)}") from None


def list_images(sources: Sequence[str]) -> tuple[list[str], Counter[str]]:
    """The sources of all images, each once: of a folder or a prefix every image in it and below, sorted; of a
    parquet file its column `path`, in which what is no URI starts at the file's folder; an image as named.

    The counter has the files that are left out, by suffix. Raises UserError if there is no image, or something can't
    be listed.
    """
    images: list[str] = []
    others: Counter[str] = Counter()
    for source in sources:
        found, left_out = _expand(source)
        images += found
        others += left_out
    if not images:
        raise UserError(f"no images ({', '.join(SUFFIXES)}) in {', '.join(sources)}")
    return list(dict.fromkeys(images)), others


def _expand(source: str) -> tuple[list[str], Counter[str]]:
    if source.endswith(".parquet"):
        return _listed(source), Counter()
    if not is_uri(source):
        paths, others = find_images([Path(source)])
        return [str(path.absolute()) for path in paths], others
    filesystem, path = located(source)
    if (info := filesystem.get_file_info(path)).type == pyarrow.fs.FileType.NotFound:
        raise UserError(f"{source} is not there; check the name, and who may read it")
    if info.is_file:
        return [source], Counter()
    inside = filesystem.get_file_info(pyarrow.fs.FileSelector(path, recursive=True))
    base, root = source.rstrip("/"), path.rstrip("/")
    below = sorted(file.path.removeprefix(root) for file in inside if file.is_file)
    names = [name for name in below if not any(map(is_hidden, PurePosixPath(name).parts))]
    others = Counter(PurePosixPath(name).suffix.lower() for name in names if not is_image_name(name))
    return [base + name for name in names if is_image_name(name)], others


def _listed(source: str) -> list[str]:
    filesystem, path = located(source)
    try:
        column = pyarrow.parquet.read_table(path, columns=[COLUMN], filesystem=filesystem)[COLUMN]
        images = column.cast(pyarrow.string()).drop_null().to_pylist()
    except (pyarrow.ArrowException, KeyError, OSError) as error:
        raise UserError(f"{source} is no parquet file with a column '{COLUMN}': {summarize_error(error)}") from None
    folder = absolute(source).rpartition("/")[0]
    return [image if is_uri(image) or image.startswith("/") else f"{folder}/{image}" for image in images]


def open_source(source: str, max_side: int | None = None) -> Image.Image:
    """`open_image` of a local path or a URI. Raises ImageError, also if a store still fails after the retries."""
    return open_image(_read(source) if is_uri(source) else Path(source), max_side)


def _read(uri: str) -> bytes:
    """Read from a store in up to three attempts, since network errors are often temporary."""
    for pause in (*RETRY_PAUSES, None):
        try:
            filesystem, path = located(uri)
            with filesystem.open_input_file(path) as file:
                if file.size() > MAX_BYTES:
                    raise ImageError(f"more than {MAX_BYTES // 10**6} MB; make it smaller first")
                return file.read()
        except FileNotFoundError:
            raise ImageError("there is no such file; check the path") from None
        except (OSError, pyarrow.ArrowException) as error:
            if pause is None:
                raise ImageError(f"the store doesn't give it ({summarize_error(error)})") from None
            time.sleep(pause)
    raise AssertionError  # the last attempt returns or raises
