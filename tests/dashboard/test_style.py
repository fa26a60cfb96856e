"""Untrusted text is escaped for spreadsheets, figures and markdown; percentages and colours."""

from __future__ import annotations

import io

import pandas as pd
import plotly.graph_objects as go
import pytest

from cnnrnn.utils.style import DARK, LIGHT, decimals, palette, percent, plain, points, shorten, text_columns
from views.style import markdown, name_rows, spreadsheet


def test_csv_cells_are_never_formulas() -> None:
    labels = ["cat", "=HYPERLINK(A1)", "+1", "-1", "@SUM(A1)", "\t=1", "a=b", 'say "=1", twice']
    table = pd.DataFrame({"label": labels, "x": [-0.5] * len(labels)})
    read = pd.read_csv(io.StringIO(spreadsheet(table)))
    assert read["x"].tolist() == table["x"].tolist()  # numbers stay numbers
    for written, label in zip(read["label"], labels, strict=True):
        assert written == (f"'{label}" if label[0] in "=+-@\t" else label)


def test_small_numbers_keep_a_digit() -> None:
    assert [decimals(value) for value in (0.0, 0.00312, 0.0099, 0.01, 1.014, 12.0)] == [
        "0.00", "0.003", "0.01", "0.01", "1.01", "12.00",
    ]  # fmt: skip


def test_percent_formats_probabilities() -> None:
    formatted = {
        0.0: "0.0%",
        0.0009: "<0.1%",
        0.001: "0.1%",
        0.0123: "1.2%",
        0.0994: "9.9%",
        0.0995: "10%",
        0.996: "100%",
    }
    assert {probability: percent(probability) for probability in formatted} == formatted


def test_each_theme_has_its_own_colours() -> None:
    assert palette(True) == DARK
    assert palette(False) == LIGHT
    assert DARK != LIGHT


def test_labels_are_escaped_in_figures_and_markdown() -> None:
    assert plain("<b>\"a\" & 'b'") == "&lt;b&gt;\"a\" &amp; 'b'"
    assert markdown("a*b [c](d) :red[e] $x$ <f>") == r"a\*b \[c\]\(d\) \:red\[e\] \$x\$ \<f\>"


def test_long_names_keep_their_beginning_and_their_end() -> None:
    assert shorten("a name of twenty-two c", 22) == "a name of twenty-two c"
    assert shorten("abcdefghijklmnop", 9) == "abcd…mnop"
    assert shorten("abcdefghijklmnop", 8) == "abcd…nop"
    assert shorten("猫咪狗狗鸟儿", 9) == "猫咪…鸟儿"  # wide characters take two columns
    for columns in range(4, 40):
        for name in ("one two three four five six seven", "ab" * 50, "猫a" * 20, "كلب أليف من أي سلالة"):
            assert text_columns(shorten(name, columns)) <= columns
    assert shorten("word word word word", 11) == "word…word"  # no space beside the dots


def test_names_from_right_to_left_do_not_reorder_what_is_beside_them() -> None:
    assert plain("كلب") == "\u2068كلب\u2069"
    assert plain("猫") == "猫"


def test_row_names_start_at_the_top_and_have_room() -> None:
    figure = go.Figure()
    name_rows(figure, ["b", "a", "b"], dark=True)
    axis = figure.layout.yaxis
    assert list(axis.ticktext) == ["b", "a", "b"]
    assert list(axis.tickvals) == [0, 1, 2]
    assert axis.autorange == "reversed"
    assert axis.tickfont.color == DARK.text
    assert axis.automargin is True  # long names are not cut off
    assert axis.showgrid is False
    name_rows(figure, ["<b>" + "x" * 40 + "end"], dark=True, columns=12)
    assert list(figure.layout.yaxis.ticktext) == ["&lt;b&gt;xxx…xxend"]
    assert axis.fixedrange is True  # a hand that slips does not zoom


@pytest.mark.parametrize(
    ("change", "text"),
    [(0.124, "+12 points"), (-0.006, "-1 points"), (-0.0049, "unchanged"), (0.0049, "unchanged"), (0.0, "unchanged")],
)
def test_a_change_of_less_than_half_a_point_is_none(change: float, text: str) -> None:
    assert points(change) == text
