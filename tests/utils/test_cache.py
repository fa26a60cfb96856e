from __future__ import annotations

import os
from pathlib import Path

import pytest

from cnnrnn.utils import cache
from cnnrnn.utils.errors import UserError


def test_a_folder_that_can_not_be_written_is_replaced_by_a_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CNNRNN_CACHE", str(tmp_path / "mine"))
    assert cache.cache_folder("engines") == tmp_path / "mine" / "engines"
    monkeypatch.setenv("CNNRNN_CACHE", "/dev/null/cache")
    replaced = cache.cache_folder("engines")
    assert cache.cache_folder("engines") == replaced
    replaced.mkdir(exist_ok=True)
    assert replaced.parent == cache.temporary_folder()
    assert replaced.parent.stat().st_mode & 0o077 == 0  # nobody else can put a model into it
    assert capsys.readouterr().err.count("/dev/null/cache can't be written") == 1
    assert cache.kept(replaced) == ""

    monkeypatch.delenv("MPLCONFIGDIR", raising=False)
    monkeypatch.setenv("NUMBA_CACHE_DIR", "own")
    cache.redirect_libraries()
    assert os.environ["NUMBA_CACHE_DIR"] == "own"
    assert Path(os.environ["MPLCONFIGDIR"]).is_dir()


def test_what_was_not_used_for_longest_is_removed_and_nothing_that_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "features"
    folder.mkdir()
    for age, name in enumerate("abcde"):
        (folder / f"{name}.npy").write_bytes(bytes(1000))
        os.utime(folder / f"{name}.npy", (1e9 - age, 1e9 - age))
    monkeypatch.setenv("CNNRNN_CACHE_GB", "2.5e-6")
    cache.remove_least_recent(folder, keep=[folder / "e.npy"])
    assert sorted(path.name for path in folder.iterdir()) == ["a.npy", "e.npy"]
    monkeypatch.setenv("CNNRNN_CACHE", str(tmp_path))
    assert cache.kept(folder).startswith(f"0 MB in {folder} are kept")
    monkeypatch.setenv("CNNRNN_CACHE_GB", "0")
    cache.remove_least_recent(folder, keep=[folder / "e.npy"])
    assert [path.name for path in folder.iterdir()] == ["e.npy"]
    monkeypatch.setenv("CNNRNN_CACHE_GB", "much")
    with pytest.raises(UserError, match="CNNRNN_CACHE_GB must be a number"):
        cache.remove_least_recent(folder, keep=[])
