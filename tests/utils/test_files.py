"""Nobody ever finds half of a file or folder."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from cnnrnn.utils.errors import UserError
from cnnrnn.utils.files import remove_stale, replacing, write_text


def test_files_and_folders_are_replaced(tmp_path: Path) -> None:
    for content in ("one", "two"):
        write_text(tmp_path / "file", content)
        with replacing(tmp_path / "folder") as new:
            new.mkdir()
            (new / content).write_text(content)
            assert (tmp_path / "folder").exists() == (content == "two")  # the old one, until the end
        assert (tmp_path / "file").read_text() == content
        assert [path.name for path in (tmp_path / "folder").iterdir()] == [content]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_an_error_leaves_the_old_content(error: BaseException, tmp_path: Path) -> None:
    place = tmp_path / "folder"
    place.mkdir()
    expected = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else UserError

    def write_half() -> None:
        with replacing(place) as new:
            new.mkdir()
            (new / "half").write_text("a")
            raise error

    with pytest.raises(expected) as raised:
        write_half()
    if expected is UserError:
        assert "folder can't be written: No space left on device" in str(raised.value)
    assert list(tmp_path.iterdir()) == [place]
    assert list(place.iterdir()) == []


def test_an_unwritable_path_is_a_user_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"can't be written: (Not a directory|File exists)"):
        write_text(tmp_path / "file" / "under a file", "text")


def test_a_file_is_never_put_in_a_folders_place(tmp_path: Path) -> None:
    (tmp_path / "of value").mkdir()
    (tmp_path / "of value" / "file").touch()
    with pytest.raises(UserError, match="Is a directory"):
        write_text(tmp_path / "of value", "text")
    assert [path.name for path in tmp_path.rglob("*")] == ["of value", "file"]


def test_temporary_files_of_dead_processes_only_are_removed(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = tmp_path / f".last.new-{platform.node()}-{dead.pid}"
    left.mkdir()
    (left / "weights").touch()
    others = [
        tmp_path / f".last.new-{platform.node()}-{os.getpid()}",
        tmp_path / f".last.new-another machine-{dead.pid}",
        tmp_path / ".last.new-of somebody",
    ]
    for path in others:
        path.touch()
    remove_stale(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(others)
