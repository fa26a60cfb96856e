"""Downloads from a server on this machine that breaks off, knows ranges, and sends damaged files."""

from __future__ import annotations

import hashlib
import io
import json
import re
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cnnrnn.data import DataError, Options, load_split
from cnnrnn.data.download import Archive, fetch


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


class Server(ThreadingHTTPServer):
    files: dict[str, bytes]
    break_after: int | None  # bytes of an answer after which the connection breaks off
    asked: list[tuple[str, int]]  # name and first byte

    def archive(self, name: str) -> Archive:
        return Archive(f"http://localhost:{self.server_port}/{name}", hashlib.md5(self.files[name]).hexdigest())


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        name = self.path.rsplit("/", 1)[-1]
        content = self.server.files[name]
        wanted = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        first = int(wanted[1]) if wanted else 0
        self.server.asked.append((name, first))
        if first >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(content) - first))
        self.end_headers()
        self.wfile.write(content[first:][: self.server.break_after])

    def log_message(self, *arguments: object) -> None: ...


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(("localhost", 0), Handler)
    server.files, server.break_after, server.asked = {}, None, []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_an_interrupted_download_is_resumed_and_a_complete_one_not_repeated(server: Server, tmp_path: Path) -> None:
    server.files["a.zip"] = zipped({"inside/note.txt": b"hello" * 1000})
    server.break_after = 2000
    with pytest.raises(DataError, match="goes on where it stopped"):
        fetch(server.archive("a.zip"), tmp_path)
    server.break_after = None
    fetch(server.archive("a.zip"), tmp_path)
    assert (tmp_path / "inside" / "note.txt").read_bytes() == b"hello" * 1000
    fetch(server.archive("a.zip"), tmp_path)
    assert server.asked == [("a.zip", 0), ("a.zip", 2000)]


def test_a_complete_unchecked_file_is_verified(server: Server, tmp_path: Path) -> None:
    server.files["a.zip"] = zipped({"note.txt": b"hello"})
    (tmp_path / "a.zip.part").write_bytes(server.files["a.zip"])
    fetch(server.archive("a.zip"), tmp_path)
    assert (tmp_path / "note.txt").exists()


def test_a_file_with_a_wrong_checksum_is_deleted(server: Server, tmp_path: Path) -> None:
    server.files["a.zip"] = zipped({"note.txt": b"hello"})
    archive = server.archive("a.zip")
    server.files["a.zip"] = server.files["a.zip"].replace(b"hello", b"hallo")
    with pytest.raises(DataError, match="wrong checksum"):
        fetch(archive, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_download_without_network_is_an_error(server: Server, tmp_path: Path) -> None:
    server.files["a.zip"] = b""
    archive = server.archive("a.zip")
    server.shutdown()
    server.server_close()
    with pytest.raises(DataError, match=r"could not be downloaded .* check the connection"):
        fetch(archive, tmp_path)


def test_coco_fetches_annotations_and_the_splits_images(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = {"images": [{"id": 1, "file_name": "1.jpg"}], "categories": [{"id": 3, "name": "cat"}], "annotations": []}
    server.files = {
        "annotations_trainval2017.zip": zipped({"annotations/instances_val2017.json": json.dumps(content).encode()}),
        "val2017.zip": zipped({"val2017/1.jpg": b""}),
    }
    monkeypatch.setattr("cnnrnn.data.coco.HOST", f"http://localhost:{server.server_port}")
    monkeypatch.setattr("cnnrnn.data.coco.MD5", {name: server.archive(name).md5 for name in server.files})
    for _ in range(2):
        split = load_split("coco2017", tmp_path, "val", Options(download=True))
    assert split.samples[0].image.is_file()
    assert [name for name, _ in server.asked] == ["annotations_trainval2017.zip", "val2017.zip"]
