"""A person's own data set: the images, labels and splits of a table, a tool's export or a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cnnrnn.data.collect import Collected
from cnnrnn.data.formats.splits import split_name
from cnnrnn.data.formats.text import texts_in
from cnnrnn.data.label_names import name_labels
from cnnrnn.data.read_rows import read_rows
from cnnrnn.data.reading import Finding
from cnnrnn.data.spelling import split_as_given, unite_spellings
from cnnrnn.data.split import Boxes, DataError, Options, Sample, Split
from cnnrnn.data.unnamed_images import tell_of_unnamed
from cnnrnn.utils.style import first_few, on_one_line


@dataclass(frozen=True)
class Source:
    """All samples of a source, and what should be known about them."""

    name: str
    kind: str
    labels: tuple[str, ...]
    samples: Mapping[str, tuple[Sample, ...]]  # by split; only the splits that have images
    findings: tuple[Finding, ...]
    boxes: Callable[[Sample], Boxes] | None = None
    groups: Mapping[str, str] | None = None

    def __repr__(self) -> str:
        splits = ", ".join(f"{len(samples)} {name}" for name, samples in self.samples.items()) or "no images"
        return f"<Source {on_one_line(self.name)}: {splits}; {len(self.labels)} labels ({first_few(self.labels)})>"

    @property
    def errors(self) -> list[str]:
        return [finding.message for finding in self.findings if finding.level == "error"]

    def split(self, name: str) -> Split:
        """Raises DataError for findings with which training or evaluation would be wrong, and for a missing split."""
        if self.errors:
            raise DataError(f"{'; '.join(self.errors[:3])}. See all with: cnnrnn data check")
        wanted = split_name(name) or name
        if wanted not in self.samples:
            raise DataError(f"{self.name} has no split {name!r}; it has {', '.join(self.samples) or 'none'}")
        return Split(
            f"{self.name} {wanted}",
            self.labels,
            self.samples[wanted],
            (f"read as {self.kind}", *(finding.message for finding in self.findings)),
            self.boxes,
            self.groups,
        )


def read_source(path: Path, options: Options) -> Source:
    """Read a table, a document of an annotation tool, or a folder; no image is opened.

    Raises DataError for what can't be read, or could be read in two ways.
    """
    with texts_in(options.encoding):
        reading = read_rows(path, options)
        if options.separator is not None:
            split_as_given(reading, options.separator)
        if options.label_names is not None:
            name_labels(reading, options.label_names)
    unite_spellings(reading, path, named=options.label_names is not None)
    collected = Collected(reading, options)
    if reading.lists_images:
        images = [sample.image for samples in collected.samples.values() for sample in samples]
        tell_of_unnamed(images, reading.folder, reading.findings)
    named, boxes = collected.named, reading.boxes

    def boxes_of(sample: Sample) -> Boxes:
        assert boxes is not None
        with texts_in(options.encoding):
            return boxes(named[sample.image])

    return Source(
        path.stem if path.is_file() else path.resolve().name,
        reading.kind,
        collected.labels,
        {name: split for name, split in collected.samples.items() if split},
        tuple(reading.findings.items),
        None if boxes is None else boxes_of,
        reading.groups,
    )
