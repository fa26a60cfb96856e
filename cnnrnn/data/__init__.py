"""Data sets in their official layouts, one file per format, all read into the same two dataclasses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cnnrnn.data.split import Box, Boxes, DataError, Options, Sample, Split

__all__ = ["DATASETS", "OWN", "Box", "Boxes", "DataError", "Options", "Sample", "Split", "is_own", "load_split"]


Loader = Callable[[Path, str, Options], Split]  # root, split, options


def _voc(*years: str) -> Loader:
    def load(root: Path, split: str, options: Options) -> Split:
        from cnnrnn.data import voc

        return voc.load(root, years, split, options.download)

    return load


def _coco(year: str) -> Loader:
    def load(root: Path, split: str, options: Options) -> Split:
        from cnnrnn.data import coco

        return coco.load(root, year, split, options.download)

    return load


def _nuswide81(root: Path, split: str, options: Options) -> Split:
    from cnnrnn.data import nuswide

    return nuswide.load_concepts(root, split, options.download)


def _nuswide1000(root: Path, split: str, options: Options) -> Split:
    from cnnrnn.data import nuswide

    return nuswide.load_tags(root, split, options.download)


def _table(root: Path, split: str, options: Options) -> Split:
    from cnnrnn.data import table

    return table.load(root, split, options)


def _scenes(root: Path, split: str, options: Options) -> Split:
    from cnnrnn.data import scenes

    return scenes.load(root, split)


DATASETS: dict[str, Loader] = {
    "voc2007": _voc("2007"),
    "voc2012": _voc("2012"),
    "voc0712": _voc("2007", "2012"),
    "coco2014": _coco("2014"),
    "coco2017": _coco("2017"),
    "nuswide81": _nuswide81,
    "nuswide1000": _nuswide1000,
    "table": _table,
    "scenes": _scenes,
}


_NO_OPTIONS = Options()


OWN = "table"  # a person's own data set, whose kind is found
_OWN_KINDS = ("coco-json", "voc", "folders")  # which may be named, too


def is_own(dataset: str) -> bool:
    """Whether this names a person's own data set and not a published one."""
    return dataset == OWN or dataset in _OWN_KINDS


def load_split(dataset: str, root: Path, split: str, options: Options = _NO_OPTIONS) -> Split:
    """Read one split of a data set by name; no image is opened. Raises DataError."""
    dataset = OWN if is_own(dataset) else dataset
    if dataset not in DATASETS:
        raise DataError(f"no data set '{dataset}'; choose one of {', '.join(DATASETS)}")
    if dataset != OWN and (options.groups or options.boxes):
        raise DataError(f"files of groups and boxes are for the data set 'table'; {dataset} has its own layout")
    loaded = DATASETS[dataset](root, split, options)
    if not loaded.samples:
        raise DataError(f"{loaded.name} under {root} holds no images")
    return loaded
