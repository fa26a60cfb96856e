"""The table of a report that is written by hand."""

from __future__ import annotations

from typing import Any

from cnnrnn.evaluation.map_report import few_sentence, legend, prefix_sentence, table

METHOD: dict[str, Any] = {
    "pointing": 91.26,
    "pointing_difficult": 80.0,
    "energy": 70.04,
    "swap_pointing": 30.55,
    "swap_pointing_difficult": 20.5,
    "step_shift": 96.0,
    "mosaic": 88.8,
    "deletion": 0.0,
    "insertion": 82.5,
    "sanity_head": 0.104,
    "sanity_all": -0.021,
    "seconds_per_image": 0.0126,
    "per_label": {"cat": 91.2},
}


def report(**changes: Any) -> Any:
    return {
        "default": "cam",
        "methods": {"cam": METHOD, "occlusion": {**METHOD, "mosaic": None, "pointing": 50.0}},
        "targets": {"logit": {"pointing": 12.0, "pointing_difficult": None}},
        "baselines": {"centre": {"pointing": 61.0, "pointing_difficult": 40.96}},
        "images": 200,
        "few": 30,
        **changes,
    }


def test_the_table_has_the_centre_every_method_and_every_target() -> None:
    headings, rows = table(report())
    assert headings == [
        "method", "pointing", "difficult", "energy", "swapped", "swapped, difficult", "step-shift",
        "mosaics", "deletion ↓", "insertion ↑", "random head", "all random", "s/image",
    ]  # fmt: skip
    after = ["80.0", "70.0", "30.6", "20.5", "96.0"]
    assert rows == [
        ["image centre", "61.0", "41.0", *[""] * 10],
        ["cam", "91.3", *after, "88.8", "0.0", "82.5", "0.10", "-0.02", "0.013"],
        ["occlusion", "50.0", *after, "", "0.0", "82.5", "0.10", "-0.02", "0.013"],
        ["cam, logit", "12.0", *[""] * 11],
    ]  # a metric of 0 is written, one that is missing is not


def test_the_table_ends_with_every_present_label_if_they_were_evaluated() -> None:
    present = {"labels": 9, "pointing": 57.06, "pointing_difficult": 52.0}
    centre = {"pointing": 30.0, "pointing_difficult": 20.0}
    _, rows = table(report(present={**present, "centre": centre}))
    assert rows[-2:] == [
        ["every present label, image centre", "30.0", "20.0", *[""] * 10],
        ["every present label, cam", "57.1", "52.0", *[""] * 10],
    ]


def test_means_over_the_steps_have_columns_where_they_were_measured() -> None:
    methods = {"cam": {**METHOD, "pointing_steps": 81.26, "pointing_steps_difficult": 73.0}}
    headings, rows = table(report(methods=methods))
    assert headings[:6] == ["method", "pointing", "difficult", "pointing, steps", "difficult, steps", "energy"]
    assert rows[1][:6] == ["cam", "91.3", "80.0", "81.3", "73.0", "70.0"]
    assert rows[0][:6] == ["image centre", "61.0", "41.0", "", "", ""]


def test_what_few_images_measured_is_not_shown() -> None:
    costly = ["mosaics", "deletion ↓", "insertion ↑", "random head", "all random"]
    for few, images in ((29, 200), (100, 29)):  # fewer images than were asked for
        found = report(few=few, images=images)
        headings, rows = table(found)
        assert headings == [
            "method", "pointing", "difficult", "energy", "swapped", "swapped, difficult", "step-shift", "s/image",
        ]  # fmt: skip
        assert rows[1] == ["cam", "91.3", "80.0", "70.0", "30.6", "20.5", "96.0", "0.013"]
        assert not [heading for heading in costly if f"- {heading}:" in legend(found)]
        assert "of 29 images they mean little, and 30 are needed" in few_sentence(found)
    assert few_sentence(report()) == "Mosaics, deletion, insertion and the random models: 30 images."
    assert few_sentence(report(images=0)) == ""


def test_a_metric_that_no_method_has_is_no_column() -> None:
    headings, _ = table(report(methods={"cam": {**METHOD, "mosaic": None, "sanity_head": None}}))
    assert not {"mosaics", "random head"} & set(headings)
    assert "deletion ↓" in headings


def test_a_target_with_the_maps_of_the_default_method_is_no_row_of_its_own() -> None:
    same = {"pointing": METHOD["pointing"], "energy": METHOD["energy"]}
    _, rows = table(report(targets={"log-odds": same, "logit": {**same, "energy": 70.05}}))
    assert [row[0] for row in rows] == ["image centre", "cam", "occlusion", "cam, logit"]


def test_the_legend_explains_the_table() -> None:
    for heading in table(report())[0][1:]:
        assert f"- {heading}: " in legend(report())


def test_the_prefix_effect_is_reported_in_a_sentence() -> None:
    prefix = {
        "steps": 12,
        "correlation_with_said_first": 0.916,
        "peak_moved": 3.25,
        "correlation_with_step_before": 0.203,
    }
    assert prefix_sentence(report(prefix=prefix)) == (
        "Over 12 later steps, the map of a step has a mean rank correlation of 0.92 with the map of the same label "
        "emitted first, and of 0.20 with the map of the previous step. The labels before the step move the maximum of "
        "its map by 3.2 % of the image diagonal on average."
    )
    assert prefix_sentence(report(prefix={"steps": 0})) == "No path had two correct labels."
