"""Data sets, read into a `Split` of `Sample`s (split.py): published ones in their official layouts, and a person's own.

Published data sets are read by voc.py, coco.py, nuswide.py and scenes.py; download.py fetches their archives. What a
person's own data set holds is found in this order:

1. read_rows.py finds the kind of a file or folder. A folder is searched for, in this order: VOC's XML; tables, JSON and
   COCO's JSON (annotation_files.py); YOLO's text files; a tool's JSON file per image; a folder per label; a file of
   labels beside each image; a list of images for each label (label_lists.py); lists without a header.
2. read_files.py reads one file, or one for each split, and formats/ the annotations into rows of image, labels and
   split (`Row`, `Reading` and `Findings` in reading.py); its docstring says which module reads what. Images that a
   table names by ids get the files of the table beside it (image_ids.py), and names their folder (folder_column.py).
3. split_lists.py takes the splits from lists such as train.txt, where the annotations tell none (row_images.py finds
   their images). labels_beside_folders.py looks for other labels beside a folder per label.
4. source.py gives numbers the names of --label-names (label_names.py), unites the spellings of a label (spelling.py),
   points out those that look like several (unsplit_labels.py), and makes the samples (collect.py): images are found
   (find_images.py), their rows joined, a share held out as val. unnamed_images.py tells of images that no row names.
5. table.py adds groups of labels (groups.py) and boxes; check.py is the report of `cnnrnn data check`, for which
   readable.py opens all images; loader.py makes batches for training.

images.py opens every image, and paths.py lists the files below a folder.
"""

from __future__ import annotations

from pathlib import Path

from cnnrnn.data.split import Box, Boxes, DataError, Options, Sample, Split
from cnnrnn.utils.errors import did_you_mean

__all__ = ["DATASETS", "OWN", "Box", "Boxes", "DataError", "Options", "Sample", "Split", "is_own", "load_split"]


_VOC_YEARS = {"voc2007": ("2007",), "voc2012": ("2012",), "voc0712": ("2007", "2012")}
_NO_OPTIONS = Options()
OWN = "table"  # a person's own data set, whose kind is found
_OWN_KINDS = ("coco-json", "voc", "folders")  # which may be named, too
DATASETS = (*_VOC_YEARS, "coco2014", "coco2017", "nuswide81", "nuswide1000", OWN, "scenes")


def is_own(dataset: str) -> bool:
    """Whether this names a person's own data set and not a published one."""
    return dataset == OWN or dataset in _OWN_KINDS


def load_split(dataset: str, root: Path, split: str, options: Options = _NO_OPTIONS) -> Split:
    """Read one split of a data set by name; no image is opened. Raises DataError."""
    dataset = OWN if is_own(dataset) else dataset
    if dataset not in DATASETS:
        raise DataError(
            f"no data set '{dataset}'; {did_you_mean(dataset, DATASETS)}choose one of {', '.join(DATASETS)}"
        )
    if dataset != OWN and (options.groups or options.boxes):
        raise DataError(f"files of groups and boxes are for the data set 'table'; {dataset} has its own layout")
    loaded = _load(dataset, root, split, options)
    if not loaded.samples:
        raise DataError(f"{loaded.name} under {root} holds no images")
    return loaded


def _load(dataset: str, root: Path, split: str, options: Options) -> Split:
    """Only the module of this data set is imported."""
    if dataset in _VOC_YEARS:
        from cnnrnn.data import voc

        return voc.load(root, _VOC_YEARS[dataset], split, options.download)
    if dataset.startswith("coco"):
        from cnnrnn.data import coco

        return coco.load(root, dataset.removeprefix("coco"), split, options.download)
    if dataset.startswith("nuswide"):
        from cnnrnn.data import nuswide

        load = nuswide.load_concepts if dataset == "nuswide81" else nuswide.load_tags
        return load(root, split, options.download)
    if dataset == "scenes":
        from cnnrnn.data import scenes

        return scenes.load(root, split)
    from cnnrnn.data import table

    return table.load(root, split, options)
