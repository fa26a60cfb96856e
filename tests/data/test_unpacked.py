"""An archive that was unpacked into a folder of its own: the data set is the only folder inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from source_helpers import folder_with, labels_by_image

from cnnrnn.data import Options
from cnnrnn.data.source import read_source

NAMES = {"1.jpg": {"cat"}, "2.jpg": {"dog"}, "3.jpg": {"cat", "dog"}, "4.jpg": {"dog"}}
TABLE = "image,labels\n" + "".join(f"{image},{';'.join(sorted(own))}\n" for image, own in NAMES.items())
YOLO = {
    "data.yaml": "names: [cat, dog]\ntrain: images\nval: images\n",
    **{
        f"labels/{image[0]}.txt": "".join(f"{int(name == 'dog')} .5 .5 .1 .1\n" for name in own)
        for image, own in NAMES.items()
    },
}


@pytest.mark.parametrize("inside", ["data set/", "archive/data-v2/"])
@pytest.mark.parametrize(("files", "place"), [({"labels.csv": TABLE}, "photos/"), (YOLO, "images/")])
@pytest.mark.parametrize(
    "beside", [{}, {"__MACOSX/._labels.csv": "x", ".DS_Store": "x", "README.md": "x"}, {"ReadMe.csv": "x,y\n1,2\n"}]
)
def test_the_only_folder_inside_is_the_data_set(
    tmp_path: Path, inside: str, files: dict[str, Any], place: str, beside: dict[str, str]
) -> None:
    files = {inside + name: content for name, content in files.items()} | beside
    folder = folder_with(tmp_path, files, [f"{inside}{place}{image}" for image in NAMES])
    assert labels_by_image(read_source(folder, Options())) == NAMES


def test_a_folder_that_means_something_is_not_left_out(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, {}, ["test/cat/1.jpg", "test/dog/2.jpg"])
    assert [*read_source(folder, Options()).samples] == ["test"]
