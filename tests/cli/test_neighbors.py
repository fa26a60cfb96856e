"""`cnnrnn neighbors`."""

from __future__ import annotations

import json

from helpers import run_command
from typer.testing import CliRunner

from cnnrnn.cli.main import app


def test_neighbors_of_the_embedded_checkpoint() -> None:
    done = run_command("neighbors", "-k", 2, "--json", "-")
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert len(found) == 80
    assert all(len(near) == 2 for near in found.values())
    some = CliRunner().invoke(app, ["neighbors", "dog", "cat", "-k", "2", "--json", "-"])
    assert json.loads(some.stdout) == {label: found[label] for label in ("dog", "cat")}
    table = CliRunner().invoke(app, ["neighbors", "dog"]).stdout
    assert "dog" in table
    assert "person" not in table


def test_a_label_that_is_none_is_told_what_may_be_meant() -> None:
    done = CliRunner().invoke(app, ["neighbors", "dog", "wineglass"])
    assert done.exit_code == 2
    assert "there is no label 'wineglass'; did you mean 'wine glass'? the 80 labels are person, car, " in done.stderr
