"""--help of every command: instant, without torch, with the options in panels."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from cnnrnn.cli.main import app

COMMANDS = {
    "dashboard", "predict", "explain", "serve", "train", "evaluate", "evaluate-maps", "compare", "neighbors",
    "project", "bench",
}  # fmt: skip
PANELS = {
    "train": ["Options", "Data", "Model", "Optimization", "Backbone", "Hardware and speed"],
    "evaluate": ["Options", "Metrics", "Output", "Data", "Hardware and speed"],
    "predict": ["Options", "Hardware and speed", "Output", "Millions of images, with Ray"],
}


def test_all_commands_are_listed_in_panels() -> None:
    shown = CliRunner().invoke(app, ["--help"]).output
    assert {word for word in shown.split() if word in COMMANDS} == COMMANDS
    for panel in ("Use a model", "Train and evaluate", "Look inside"):
        assert f"─ {panel} ─" in shown


@pytest.mark.parametrize("command", sorted(PANELS))
def test_options_are_in_named_panels_with_the_first_ones_first(command: str) -> None:
    shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "100"}).output
    places = [shown.index(f"─ {panel} ─") for panel in PANELS[command]]
    assert places[0] == min(places)
    first_panel = shown[: min(places[1:])]
    assert len([line for line in first_panel.splitlines() if "--" in line]) <= 9


def test_help_imports_no_heavy_library() -> None:
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom cnnrnn.cli.main import app\n"
        f"for command in {sorted(COMMANDS)!r}:\n"
        "    done = CliRunner().invoke(app, [command, '--help'])\n"
        "    assert done.exit_code == 0, done.output\n"
        "print(sorted({'torch', 'timm', 'PIL', 'numpy', 'streamlit', 'pandas'} & sys.modules.keys()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
