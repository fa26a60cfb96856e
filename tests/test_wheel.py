"""The built wheel, installed into an empty environment and used in an empty folder."""

from __future__ import annotations

import os
import site
import socket
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from helpers import is_healthy
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A venv that has the wheel. Its dependencies are those of the environment that runs the tests."""
    place = tmp_path_factory.mktemp("wheel")
    # Without isolation: the tests need no network.
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", place, ROOT]
    subprocess.run(build, check=True, capture_output=True, text=True)
    (wheel,) = place.glob("*.whl")
    venv = place / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    pip = [venv / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run(pip, check=True)
    # Behind the venv's own packages; without the .pth files there, which would bring the checkout.
    packages = subprocess.run(
        [venv / "bin" / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    paths = dict.fromkeys([sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *site.getsitepackages()])
    (Path(packages) / "dependencies.pth").write_text("\n".join(paths) + "\n")
    return venv / "bin"


@pytest.fixture
def run(installed: Path, tmp_path: Path):
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def start(*command: str | Path) -> subprocess.Popen[str]:
        words = [str(installed / command[0]), *map(str, command[1:])]
        pipe = subprocess.PIPE
        return subprocess.Popen(words, cwd=tmp_path, env=environment, stdout=pipe, stderr=pipe, text=True)

    return start


def test_predict_works_without_the_repository(run, tmp_path: Path) -> None:
    Image.radial_gradient("L").convert("RGB").save(tmp_path / "photo.jpg")
    process = run("cnnrnn", "predict", "photo.jpg", "--engine", "torch", "--json", "labels.json")
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert "photo.jpg" in out
    assert '"marginals"' in (tmp_path / "labels.json").read_text()


def test_every_module_is_in_the_wheel(run) -> None:
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted((ROOT / "cnnrnn").rglob("*.py"))
    ]
    code = (
        "import importlib.util, sys, cnnrnn\n"
        "from cnnrnn.utils.resources import dashboard_folder\n"
        "from cnnrnn.cli.recipes import shipped\n"
        "assert 'best' in shipped()\n"
        f"assert not cnnrnn.__file__.startswith({str(ROOT / 'cnnrnn')!r}), cnnrnn.__file__\n"
        f"print([name for name in {modules!r} if importlib.util.find_spec(name) is None])\n"
        "print(*sorted(str(p.relative_to(dashboard_folder())) for p in dashboard_folder().rglob('*.*')), sep='\\n')\n"
        "print(cnnrnn.load(device='cpu').labels[0])\n"
    )
    process = run("python", "-c", code)
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    missing, *files = out.splitlines()
    assert missing == "[]"
    tracked = subprocess.run(["git", "ls-files", "dashboard"], cwd=ROOT, capture_output=True, text=True, check=False)
    wanted = {line.removeprefix("dashboard/") for line in tracked.stdout.splitlines()}
    assert wanted - set(files) <= {".streamlit/config.toml"}  # rglob leaves hidden folders' files to the next test


def test_the_dashboard_starts_and_is_healthy(run) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = run("cnnrnn", "dashboard", "--port", port)
    try:
        healthy = False
        while process.poll() is None and not healthy:
            healthy = is_healthy(f"http://127.0.0.1:{port}")
        assert healthy, process.communicate()[1]
    finally:
        process.terminate()
        process.communicate(timeout=30)
