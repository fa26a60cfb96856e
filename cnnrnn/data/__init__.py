"""Data sets, read into a `Split` of `Sample`s (split.py): published ones in their official layouts, and a person's own.

Published data sets are read by voc.py, coco.py, nuswide.py and scenes.py; download.py fetches their archives. What a
person's own data set holds is found in this order:

1. read_rows.py finds the kind of a file or folder. A folder is searched for, in this order: VOC's XML; tables, JSON and
   COCO's JSON (annotation_files.py); YOLO's text files; a JSON file per image; a folder per label.
2. formats/ reads the annotations into rows of image, labels and split (`Row`, `Reading` and `Findings` in reading.py);
   its docstring says which module reads what. folder_column.py joins the folder and the name of a table's images.
3. split_lists.py takes the splits from lists such as train.txt, where the annotations tell none (row_images.py finds
   their images). labels_beside_folders.py looks for other labels beside a folder per label.
4. source.py gives numbers the names of --label-names (label_names.py), unites the spellings of a label (spelling.py),
   and makes the samples (collect.py): images are found (find_images.py), their rows joined, a share held out as val.
5. table.py adds groups of labels (groups.py) and boxes; check.py is the report of `cnnrnn data check`, for which
   readable.py opens all images; loader.py makes batches for training.

images.py opens every image, and paths.py lists the files below a folder.
"""

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
