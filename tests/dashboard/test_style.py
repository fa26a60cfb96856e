"""A stranger's text stays text in whatever it is written into."""

from __future__ import annotations

import io

import pandas as pd

from views.style import spreadsheet


def test_no_label_is_a_formula_in_a_spreadsheet() -> None:
    labels = ["cat", "=HYPERLINK(A1)", "+1", "-1", "@SUM(A1)", "\t=1", "a=b", 'say "=1", twice']
    table = pd.DataFrame({"label": labels, "x": [-0.5] * len(labels)})
    read = pd.read_csv(io.StringIO(spreadsheet(table)))
    assert read["x"].tolist() == table["x"].tolist()  # numbers stay numbers
    for written, label in zip(read["label"], labels, strict=True):
        assert written == (f"'{label}" if label[0] in "=+-@\t" else label)
