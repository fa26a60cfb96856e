"""The report on a person's own data set that `cnnrnn data check` shows."""

from __future__ import annotations

import csv
import html
import io
import json
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnrnn.data.formats.cells import Cells
from cnnrnn.data.formats.nothing_among_labels import quoted
from cnnrnn.data.images import ImageError, open_image
from cnnrnn.data.paths import relative_name
from cnnrnn.data.readable import check_images, copies
from cnnrnn.data.reading import Finding, Findings
from cnnrnn.data.source import Source
from cnnrnn.data.split import DataError, Sample
from cnnrnn.utils import webpage

RARE = 5  # a label with fewer images in train is called rare
_SHOWN = 200  # images of the page
_EACH = 4  # images of every label that the page shows first
_SIDE = 160  # pixels


@dataclass(frozen=True)
class Report:
    """What `SOURCE` holds. Training on it is wrong if a finding is an error."""

    source: Source
    findings: tuple[Finding, ...]
    unreadable: dict[Path, str]

    @property
    def ok(self) -> bool:
        return not any(finding.level == "error" for finding in self.findings)

    def learned(self) -> int:
        """How many labels have an image in train."""
        return len(_train_counts(self.source))

    def label_counts(self) -> dict[str, dict[str, int]]:
        """The images of every label, by split."""
        counts = {name: Counter(k for s in samples for k in s.labels) for name, samples in self.source.samples.items()}
        return {label: {name: count[label] for name, count in counts.items()} for label in self.source.labels}

    def labels_per_image(self) -> dict[int, int]:
        """How many images have 0, 1, 2 … labels."""
        return dict(sorted(Counter(len(s.labels) for split in self.source.samples.values() for s in split).items()))

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.source.kind,
            "images": {name: len(samples) for name, samples in self.source.samples.items()},
            "labels": self.label_counts(),
            "labels_per_image": {str(count): images for count, images in self.labels_per_image().items()},
            "unreadable": {str(path): error for path, error in self.unreadable.items()},
            "findings": [{"level": finding.level, "message": finding.message} for finding in self.findings],
            "ok": self.ok,
        }


def check(source: Source, on_images: Callable[[int], None] = lambda count: None) -> Report:
    """Open all images of a source and count what is odd."""
    known = {sample.image: (name, sample) for name, samples in source.samples.items() for sample in samples}
    checked = check_images(list(known), on_images)
    found = Findings(list(source.findings))
    unreadable = {path: result.error for path, result in checked.items() if result.error}
    if unreadable:
        shown = [f"{path.name}: {error}" for path, error in list(unreadable.items())[:3]]
        found.warning(f"{len(unreadable)} images can't be read and are left out of training", shown)
    if unreadable and len(unreadable) == len(checked):
        found.error("no image can be read")
    _tell_of_copies(known, copies(checked), found)
    rare = [label for label, counts in _train_counts(source).items() if 0 < counts < RARE]
    if rare:
        found.note(f"{len(rare)} labels have fewer than {RARE} images in train", rare)
    return Report(source, tuple(found.items), unreadable)


def _tell_of_copies(known: Mapping[Path, tuple[str, Sample]], groups: list[list[Path]], found: Findings) -> None:
    """Findings about files with the same content: in several splits, with different labels, and all others. `known` has
    the split and the sample of every image."""
    folder = Path(os.path.commonpath([path.absolute().parent for path in known])) if groups else Path()
    across, differing, same = [], [], []
    for group in groups:
        names = [relative_name(path.absolute(), folder) for path in group[:3]]
        if len({known[path][0] for path in group}) > 1:
            across.append(" = ".join(f"{known[path][0]}: {name}" for path, name in zip(group, names, strict=False)))
        elif len({frozenset(known[path][1].labels) for path in group}) > 1:
            differing.append(" = ".join(names))
        else:
            same.append(" = ".join(names))
    if across:
        found.error(f"{len(across)} images are in several splits, as files with the same content; leave one", across)
    if differing:
        found.warning(
            f"{len(differing)} images have other labels in a file with the same content; leave one", differing
        )
    if same:
        found.warning(f"{len(same)} images are in several files with the same content", same)


def _train_counts(source: Source) -> Counter[str]:
    return Counter(label for sample in source.samples.get("train", ()) for label in sample.labels)


def plain_table(source: Source, folder: Path) -> str:
    """A CSV with the columns image, labels and split, its paths relative to `folder` unless absolute."""
    cells = iter(_label_cells([tuple(sample.labels) for split in source.samples.values() for sample in split]))
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("image", "labels", "split"))
    for name, samples in source.samples.items():
        for sample in samples:
            image = sample.image
            if not image.is_absolute() or image.is_relative_to(folder.absolute()):
                image = Path(os.path.relpath(image.absolute(), folder.absolute()))
            writer.writerow((image.as_posix(), next(cells), name))
    return file.getvalue()


def _label_cells(labels: list[tuple[str, ...]]) -> list[str]:
    """Texts with a separator, or lists where such texts would not be read as they are meant, such as "polar bear"."""
    separator = "|" if any(";" in label for found in labels for label in found) else ";"
    written = [[quoted(label) for label in found] for found in labels]
    texts = [separator.join(found) for found in written]
    try:
        cells = Cells(Path(), [("", text) for text in texts], Findings())
        if cells.labels(cells.separator(None)) == labels:
            return texts
    except DataError:
        pass
    return [json.dumps(found, ensure_ascii=False) if found else "" for found in written]


def page(report: Report) -> str:
    """An HTML page with thumbnails: a few images of every label, the rarest label first."""
    figures = [_figure(name, sample) for name, sample in _chosen(report)]
    notes = "".join(f"<li>{html.escape(f'{found.level}: {found.message}')}</li>" for found in report.findings)
    sizes = ", ".join(f"{name}: {len(samples)} images" for name, samples in report.source.samples.items())
    head = f"<p>{html.escape(report.source.kind)}. {sizes}; {len(report.source.labels)} labels.</p><ul>{notes}</ul>"
    return webpage.page(report.source.name, f'{head}<div class="images">{"".join(figures)}</div>')


def _chosen(report: Report) -> list[tuple[str, Sample]]:
    everything = [
        (name, sample)
        for name, samples in report.source.samples.items()
        for sample in samples
        if sample.image not in report.unreadable
    ]
    having: dict[str, list[tuple[str, Sample]]] = defaultdict(list)
    for entry in everything:
        for label in entry[1].labels:
            having[label].append(entry)
    chosen: dict[Path, tuple[str, Sample]] = {}
    for entries in sorted(having.values(), key=len):
        chosen |= {entry[1].image: entry for entry in entries[:_EACH]}
    return list(chosen.values())[:_SHOWN]


def _figure(split: str, sample: Sample) -> str:
    labels = ", ".join(sample.labels) or "no label"
    caption = f"<b>{html.escape(labels)}</b><br>{html.escape(sample.image.name)} ({split})"
    try:
        picture = webpage.image(open_image(sample.image, 2 * _SIDE), _SIDE)
    except ImageError as error:
        picture = html.escape(str(error))
    return f"<figure>{picture}<figcaption>{caption}</figcaption></figure>"
