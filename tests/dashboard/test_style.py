"""A stranger's text stays text in whatever it is written into."""

from __future__ import annotations

import io

import pandas as pd
import plotly.graph_objects as go

from views.style import DARK, LIGHT, badge, markdown, name_rows, palette, percent, plain, spreadsheet


def test_no_label_is_a_formula_in_a_spreadsheet() -> None:
    labels = ["cat", "=HYPERLINK(A1)", "+1", "-1", "@SUM(A1)", "\t=1", "a=b", 'say "=1", twice']
    table = pd.DataFrame({"label": labels, "x": [-0.5] * len(labels)})
    read = pd.read_csv(io.StringIO(spreadsheet(table)))
    assert read["x"].tolist() == table["x"].tolist()  # numbers stay numbers
    for written, label in zip(read["label"], labels, strict=True):
        assert written == (f"'{label}" if label[0] in "=+-@\t" else label)


def test_probabilities_as_percent() -> None:
    shown = {0.0: "0.0%", 0.0009: "<0.1%", 0.001: "0.1%", 0.0123: "1.2%", 0.0994: "9.9%", 0.0995: "10%", 0.996: "100%"}
    assert {probability: percent(probability) for probability in shown} == shown


def test_each_theme_has_its_own_colours() -> None:
    assert palette(True) == DARK
    assert palette(False) == LIGHT
    assert DARK != LIGHT


def test_labels_are_text_in_figures_and_in_markdown() -> None:
    assert plain("<b>\"a\" & 'b'") == "&lt;b&gt;\"a\" &amp; 'b'"
    assert markdown("a*b [c](d) :red[e] $x$ <f>") == r"a\*b \[c\]\(d\) \:red\[e\] \$x\$ \<f\>"
    assert badge("[a] *b*") == r"[a] \*b\*"


def test_names_stand_beside_their_rows_first_on_top() -> None:
    figure = go.Figure()
    name_rows(figure, ["b", "a", "b"], dark=True)
    axis = figure.layout.yaxis
    assert list(axis.ticktext) == ["b", "a", "b"]
    assert list(axis.tickvals) == [0, 1, 2]
    assert axis.autorange == "reversed"
    assert axis.tickfont.color == DARK.text
