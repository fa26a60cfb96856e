"""Where images come from, what may be shown, and what a link calls it."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import image_files
from cnnrnn.attribution.overlay import resize_map
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.data import Sample, load_split
from cnnrnn.data.images import ImageError
from cnnrnn.inference.predictor import Predictor
from cnnrnn.utils.resources import embedded_checkpoint


def test_samples_with_a_title_are_offered_in_the_tables_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoded: Callable[..., bytes]
) -> None:
    for name in ("1.jpg", "2.jpg", "3.jpg"):
        (tmp_path / name).write_bytes(encoded("JPEG"))
    (tmp_path / "labels.csv").write_text(
        "image,labels,split,title,licence,credit\n"
        "3.jpg,dog;cat,test,two pets,CC0,Ann\n"
        "1.jpg,cat,test,,CC0,Ann\n"
        "2.jpg,cat,test,a cat,CC BY 2.0,Bob\n"
    )
    monkeypatch.setattr(image_files, "SAMPLES", tmp_path)
    image_files.samples.clear()
    image_files.sample_split.clear()
    assert list(image_files.samples()) == ["two pets", "a cat"]
    assert image_files.samples()["a cat"].credit == "CC BY 2.0, Bob"
    sample = image_files.open_sample("two pets")
    assert (sample.name, sample.truth) == ("two pets", ("cat", "dog"))
    assert sample.digest == hashlib.sha256(encoded("JPEG")).hexdigest()
    assert sample.pixels.size == (96, 64)
    with Image.open(io.BytesIO(image_files.sample_thumbnail("two pets"))) as thumbnail:
        assert thumbnail.size == (image_files.THUMBNAIL, image_files.THUMBNAIL)
        middle = Image.open(io.BytesIO(encoded("JPEG"))).crop((16, 0, 80, 64)).resize(thumbnail.size)
        assert np.abs(np.asarray(thumbnail, float) - np.asarray(middle, float)).mean() < 4
    split = image_files.sample_split()
    assert [image.image.name for image in split.samples] == ["3.jpg", "1.jpg", "2.jpg"]
    assert image_files.may_be_shown(split.samples[1])
    image_files.samples.clear()
    image_files.sample_split.clear()


def test_the_first_sample_is_one_that_the_model_gets_right() -> None:
    """A visitor sees it first: no label is wrong, and the first step's map lies on the cat."""
    sample = image_files.open_sample(next(iter(image_files.samples())))
    predictor = Predictor()
    result = predictor(sample.pixels)
    assert sample.truth is not None
    assert set(result.labels) <= set(sample.truth)
    assert result.labels[0] == "cat"
    values = resize_map(predictor.explain(result).explanation.smoothed[0].numpy(), sample.pixels.size)
    y, x = np.unravel_index(values.argmax(), values.shape)
    left, top, right, bottom = 0, 90, 275, 430  # the cat in the photograph of 640 × 480 pixels
    assert left <= x < right
    assert top <= y < bottom


def test_the_shipped_samples_are_complete_and_known_to_the_shipped_model() -> None:
    split = image_files.sample_split()
    assert len(split.samples) == 32
    assert len(image_files.samples()) == 10
    assert split.warnings[1:] == ("columns of labels.csv that were not used: title, licence, credit",)
    assert all("CC BY" in sample.credit for sample in image_files.samples().values())
    assert set(split.labels) <= set(Checkpoint.load(embedded_checkpoint()).vocabulary.labels)


def test_an_image_has_the_hash_of_its_bytes_and_a_limited_size(
    encoded: Callable[..., bytes], image: image_files.InputImage
) -> None:
    assert image.digest == hashlib.sha256(encoded("PNG")).hexdigest()
    assert (image.name, image.truth, image.pixels.size) == ("gradient.png", None, (96, 64))
    np.testing.assert_array_equal(np.asarray(image.pixels)[0, :, 0], np.linspace(0, 255, 96, dtype=np.uint8))
    large = image_files.read_image("large.png", encoded("PNG", Image.new("RGB", (2000, 1000))), ("ant",))
    assert (large.pixels.size, large.truth) == ((1000, 500), ("ant",))
    with pytest.raises(ImageError):
        image_files.read_image("x.png", b"no image")


def test_a_derived_image_has_its_own_digest(image: image_files.InputImage, turned: image_files.InputImage) -> None:
    white = Image.new("RGB", (96, 64), "white")
    one = image_files.derived_image(image, "step 1 occluded", white)
    assert (one.name, one.pixels, one.truth) == ("gradient.png", white, None)
    digests = {
        image.digest,
        one.digest,
        image_files.derived_image(image, "step 2 occluded", white).digest,
        image_files.derived_image(turned, "step 1 occluded", white).digest,
    }
    assert len(digests) == 4


def test_only_images_in_the_data_root_are_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoded: Callable[..., bytes]
) -> None:
    inside, outside = tmp_path / "data", tmp_path / "elsewhere"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "one.png").write_bytes(encoded("PNG"))
    (inside / "link.png").symlink_to(outside / "one.png")
    sample = Sample(inside / "one.png", ("cat", "ant"))
    monkeypatch.delenv("CNNRNN_DATA", raising=False)
    assert image_files.data_root() is None
    assert not image_files.may_be_shown(sample)
    monkeypatch.setenv("CNNRNN_DATA", "")
    assert image_files.data_root() is None
    monkeypatch.setenv("CNNRNN_DATA", str(inside / ".." / "data"))
    assert image_files.data_root() == inside.resolve()
    assert image_files.may_be_shown(sample)
    for other in (outside / "one.png", inside / ".." / "elsewhere" / "one.png", inside / "link.png"):
        assert not image_files.may_be_shown(Sample(other, ()))
    opened = image_files.open_data_image(sample)
    assert (opened.name, opened.truth) == ("one.png", ("ant", "cat"))
    assert opened.digest == hashlib.sha256(encoded("PNG")).hexdigest()


def test_a_split_is_read_by_name_and_cached(scenes_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNRNN_DATA", str(scenes_root))
    for name in ("val", "test"):
        expected = load_split("scenes", scenes_root, name)
        found = image_files.split("scenes", name)
        assert (found.name, found.samples) == (expected.name, expected.samples)
        assert image_files.split("scenes", name) is found


def test_ones_own_table_is_a_data_set(
    tmp_path: Path, encoded: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("mine/one.png", "elsewhere.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(encoded("PNG"))
    table = tmp_path / "mine" / "labels.csv"
    table.write_text("Image;Tags;Set\none.png;cat;test\n../elsewhere.png;cat;test\n")
    monkeypatch.setenv("CNNRNN_DATA", str(table))
    one, other = image_files.split("table", "test").samples
    assert image_files.may_be_shown(one)
    assert not image_files.may_be_shown(other)  # it lies outside the table's folder
    assert image_files.open_split_image("table", "test", 1).truth == ("cat",)


def test_a_link_finds_an_image_that_may_be_shown_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoded: Callable[..., bytes]
) -> None:
    inside = tmp_path / "data"
    (inside / "sub folder").mkdir(parents=True)
    for path in (inside / "sub folder" / "é 1.png", tmp_path / "secret.png", inside / "notes.txt"):
        path.write_bytes(encoded("PNG"))
    (inside / "link.png").symlink_to(tmp_path / "secret.png")
    monkeypatch.delenv("CNNRNN_DATA", raising=False)
    assert image_files.open_linked("file/sub folder/é 1.png") is None
    monkeypatch.setenv("CNNRNN_DATA", str(inside))
    image = image_files.shown(Sample(inside / "sub folder" / "é 1.png", ("cat",)))
    assert image is not None
    assert (image.origin, image.truth) == ("file/sub folder/é 1.png", ("cat",))
    again = image_files.open_linked(image.origin)
    assert again is not None
    assert (again.name, again.digest, again.origin, again.truth) == ("é 1.png", image.digest, image.origin, None)
    for name in (
        "../secret.png",
        "link.png",
        "sub folder/../../secret.png",
        f"{tmp_path}/secret.png",
        "notes.txt",
        "x\0.png",
    ):
        assert image_files.open_linked(f"file/{name}") is None, name
    assert image_files.shown(Sample(tmp_path / "secret.png", ())) is None
    for origin in (
        "",
        "file",
        "file/",
        "sample/",
        "sample/../labels.csv",
        "voc0712/test",
        "voc0712/test/-1",
        "x/test/1",
    ):
        assert image_files.open_linked(origin) is None, origin


def test_every_sample_photograph_has_a_link_that_brings_its_labels() -> None:
    for sample in image_files.sample_split().samples[:3]:
        image = image_files.shown(sample)
        assert image is not None
        assert image.origin == f"sample/{sample.image.name}"
        again = image_files.open_linked(image.origin)
        assert again is not None
        assert (again.digest, again.truth) == (image.digest, tuple(sorted(sample.labels)))


def test_an_image_whose_name_is_not_utf8_has_no_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoded: Callable[..., bytes]
) -> None:
    monkeypatch.setenv("CNNRNN_DATA", str(tmp_path))
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png"))
    path.write_bytes(encoded("PNG"))
    image = image_files.shown(Sample(path, ()))
    assert image is not None
    assert image.origin is None
