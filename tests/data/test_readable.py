"""Which images can be read: every file once, remembered until it changes."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
from PIL import Image

from cnnrnn.data import DataError, Options, readable
from cnnrnn.data.check import check, page, plain_table
from cnnrnn.data.readable import check_images, copies, require_readable
from cnnrnn.data.source import read_source


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    images = tmp_path / "images"
    images.mkdir()
    for number, color in enumerate(("red", "green", "blue")):
        Image.new("RGB", (300, 200), color).save(images / f"{number}.jpg")
    whole = (images / "0.jpg").read_bytes()
    (images / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (images / "copy.jpg").write_bytes(whole)
    (images / "t.csv").write_text(
        "image,labels,split\n0.jpg,<b>red</b>,train\n1.jpg,green,train\ncut.jpg,green,train\n2.jpg,green,val\ncopy.jpg,<b>red</b>,val\n"
    )
    return images


def test_damaged_images_and_copies_are_found(folder: Path) -> None:
    done: list[int] = []
    checked = check_images(sorted(folder.glob("*.jpg")), done.append)
    assert {path.name: bool(found.error) for path, found in checked.items()} == {
        "0.jpg": False, "1.jpg": False, "2.jpg": False, "copy.jpg": False, "cut.jpg": True,
    }  # fmt: skip
    assert sum(done) == 5
    assert [sorted(path.name for path in group) for group in copies(checked)] == [["0.jpg", "copy.jpg"]]
    gone = folder / "gone.jpg"
    assert check_images([gone])[gone].error


def test_a_file_is_opened_again_only_if_it_changed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = sorted(folder.glob("*.jpg"))
    first = check_images(paths)
    opened: list[Path] = []
    original = readable._check
    monkeypatch.setattr(readable, "_check", lambda path: opened.append(path) or original(path))
    assert check_images(paths) == first
    assert opened == []
    (folder / "1.jpg").write_bytes(b"no image any more")
    os.utime(folder / "2.jpg", (0, 0))
    assert check_images(paths)[folder / "1.jpg"].error
    assert [path.name for path in opened] == ["1.jpg", "2.jpg"]


def test_an_image_that_was_too_large_is_opened_with_another_limit(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "large.png"
    Image.new("1", (1500, 1000)).save(path)
    for limit, has_error in (("1", True), ("2", False), ("1", True)):
        monkeypatch.setenv("CNNRNN_MAX_MEGAPIXELS", limit)
        assert bool(check_images([path])[path].error) == has_error


def test_that_a_file_could_not_be_read_is_not_remembered(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "0.jpg"
    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", lambda path: _refuse())
        assert check_images([path])[path].error == "Permission denied"
    assert not check_images([path])[path].error


def _refuse() -> bytes:
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def test_what_is_remembered_of_images_is_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    others = [folder.parent / name / "0.jpg" for name in ("a", "b", "c")]
    for path in others:
        path.parent.mkdir()
        path.write_bytes((folder / "0.jpg").read_bytes())
        check_images([path])
    assert len(list((folder.parent / "cache/cnnrnn/images").iterdir())) == 3
    monkeypatch.setenv("CNNRNN_CACHE_GB", "0")
    check_images([folder / "0.jpg"])
    assert len(list((folder.parent / "cache/cnnrnn/images").iterdir())) == 1


def test_without_a_cache_every_image_is_opened(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "0.jpg"))  # a file, below which nothing can be made
    assert len(check_images(sorted(folder.glob("*.jpg")))) == 5


def test_strict_names_the_images() -> None:
    require_readable({})
    with pytest.raises(DataError, match=r"1 images can't be read \(a\.jpg: damaged\)"):
        require_readable({Path("a.jpg"): "damaged"})


def test_the_report_of_a_source(folder: Path) -> None:
    report = check(read_source(folder / "t.csv", Options()))
    assert report.label_counts() == {"<b>red</b>": {"train": 1, "val": 1}, "green": {"train": 2, "val": 1}}
    assert report.labels_per_image() == {1: 5}
    assert [path.name for path in report.unreadable] == ["cut.jpg"]
    messages = {found.message for found in report.findings if found.level == "error"}
    assert messages == {
        "1 images are in several splits, as files with the same content; leave one (train: 0.jpg = val: copy.jpg)"
    }
    assert not report.ok
    assert report.as_json()["images"] == {"train": 3, "val": 2}


def test_copies_are_told_by_their_folders_and_those_with_other_labels_apart(folder: Path) -> None:
    for name in ("a/0.jpg", "b/0.jpg", "a/1.jpg", "b/1.jpg"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes((folder / Path(name).name).read_bytes())
    (folder / "t.csv").write_text("image,labels\na/0.jpg,red\nb/0.jpg,red\na/1.jpg,green\nb/1.jpg,blue\n2.jpg,blue\n")
    messages = [found.message for found in check(read_source(folder / "t.csv", Options(val_fraction=0))).findings]
    assert "1 images are in several files with the same content (a/0.jpg = b/0.jpg)" in messages
    assert "1 images have other labels in a file with the same content; leave one (a/1.jpg = b/1.jpg)" in messages


def test_the_page_shows_images_and_no_html_of_the_labels(folder: Path) -> None:
    shown = page(check(read_source(folder / "t.csv", Options())))
    assert shown.count("data:image/jpeg;base64,") == 4  # all but the damaged one
    assert "<b>red</b>" not in shown.replace("<b>&lt;b&gt;red&lt;/b&gt;</b>", "")


def test_the_plain_table_reads_the_same(folder: Path, tmp_path: Path) -> None:
    source = read_source(folder / "t.csv", Options())
    (tmp_path / "plain.csv").write_text(plain_table(source, tmp_path))
    again = read_source(tmp_path / "plain.csv", Options())
    assert again.samples.keys() == source.samples.keys()
    for name, samples in source.samples.items():
        assert [(s.image.name, s.labels) for s in again.samples[name]] == [(s.image.name, s.labels) for s in samples]


def test_the_plain_table_has_paths_to_elsewhere_as_they_are(folder: Path, tmp_path: Path) -> None:
    source = read_source(folder / "t.csv", Options())
    assert f"\n{folder}/0.jpg," in plain_table(source, tmp_path / "out")
    assert "\nimages/0.jpg," in plain_table(source, tmp_path)


@pytest.mark.parametrize(
    "labels",
    [
        [["polar bear"], ["brown bear"], ["bear"]],
        [["car/van"], ["car"], ["bus+car"]],
        [["hot dog", "dog"], ["hot"], []],
        [["a;b", "c|d"], ["a"], ["c|d"]],
        [["(x)"], ["{y}"], ["'z'"]],
        [["cat:0.5"], ["dog:0.7"], ["7"]],
    ],
)
def test_the_plain_table_is_not_read_in_another_way(tmp_path: Path, labels: list[list[str]]) -> None:
    for number in range(3):
        (tmp_path / f"{number}.jpg").write_bytes(b"")
    rows = [{"image": f"{number}.jpg", "labels": found} for number, found in enumerate(labels)]
    (tmp_path / "t.json").write_text(json.dumps(rows))
    source = read_source(tmp_path / "t.json", Options())
    (tmp_path / "plain.csv").write_text(plain_table(source, tmp_path))
    again = read_source(tmp_path / "plain.csv", Options())
    found = {s.image.name: set(s.labels) for samples in again.samples.values() for s in samples}
    assert found == {f"{number}.jpg": set(written) for number, written in enumerate(labels)}
