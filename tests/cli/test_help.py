"""--help of every command: instant, without torch, with the options in panels."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import run_command
from typer.main import get_command
from typer.testing import CliRunner

from cnnrnn import __version__
from cnnrnn.cli.main import app

HARDWARE = "Hardware and speed"
PANELS = {  # in the order in which --help shows them
    "dashboard": ["Arguments", "Options"],
    "predict": ["Arguments", "Options", HARDWARE, "Output", "Millions of images, with Ray"],
    "explain": ["Arguments", "Options", "Output", HARDWARE],
    "serve": ["Options", HARDWARE],
    "quantize": ["Arguments", "Options", HARDWARE, "Data"],
    "train": ["Arguments", "Options", "Data", "Model", "Optimization", "Backbone", HARDWARE, "Output"],
    "calibrate": ["Arguments", "Options", HARDWARE, "Data"],
    "evaluate": ["Arguments", "Options", HARDWARE, "Metrics", "Output", "Data"],
    "evaluate-maps": ["Arguments", "Options", "Backbone", "Output", HARDWARE, "Data"],
    "compare": ["Arguments", "Options"],
    "breakdown": ["Arguments", "Options"],
    "neighbors": ["Arguments", "Options", "Output"],
    "project": ["Options"],
    "bench": ["Options", HARDWARE, "Output"],
}
HEAVY = {"torch", "timm", "PIL", "numpy", "streamlit", "pandas"}


def help_of(*command: str) -> str:
    done = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "100"})
    assert done.exit_code == 0
    return done.output


def panels(shown: str) -> list[str]:
    return re.findall(r"^╭─ (.+?) ─+╮$", shown, re.MULTILINE)


def test_all_commands_are_listed_in_panels() -> None:
    shown = help_of()
    assert panels(shown) == ["Options", "Use a model", "Train and evaluate", "Look inside"]
    assert [name for name in re.findall(r"^│ ([a-z][a-z-]*) ", shown, re.MULTILINE) if name != "data"] == list(PANELS)
    assert "data           Look at a data set before training." in shown


@pytest.mark.parametrize("command", PANELS)
def test_options_are_in_named_panels_with_the_first_ones_first(command: str) -> None:
    shown = help_of(command)
    assert panels(shown) == PANELS[command]
    first_panel = shown.partition("╭─ Options ─")[2].partition("╰")[0]
    options = [line for line in first_panel.splitlines() if re.match(r"│ [* ]*--?\w", line)]
    assert 1 <= len(options) <= 8  # --help is one of them
    assert max(map(len, shown.splitlines())) <= 100


@pytest.mark.parametrize("command", PANELS)
def test_every_option_is_described_and_no_default_is_a_path_of_this_machine(command: str) -> None:
    shown = help_of(command)
    assert str(Path(__file__).parents[2]) not in re.sub(r"[│\s]", "", shown)
    parameters = get_command(app).commands[command].params
    assert [parameter.name for parameter in parameters if not getattr(parameter, "help", "")] == []


def test_help_imports_no_heavy_library() -> None:
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom cnnrnn.cli.main import app\n"
        f"for command in {list(PANELS)!r}:\n"
        "    done = CliRunner().invoke(app, [command, '--help'])\n"
        "    assert done.exit_code == 0, done.output\n"
        f"print(sorted({HEAVY!r} & sys.modules.keys()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_version_is_printed_without_a_command() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.stdout) == (0, f"cnnrnn {__version__}\n")


def test_the_command_and_the_module_start_alike() -> None:
    module = subprocess.run([sys.executable, "-m", "cnnrnn.cli.main", "--help"], capture_output=True, text=True)
    package = run_command("--help")
    assert module.returncode == package.returncode == 0
    for command in PANELS:
        assert command in package.stdout
        assert command in module.stdout
    code = "import sys, cnnrnn.cli.main; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
