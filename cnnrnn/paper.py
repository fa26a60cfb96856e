"""Figures quoted from the paper (Wang et al., CVPR 2016), to stand beside one's own."""

from __future__ import annotations

MEASURED = "VGG-16, on the paper's whole test set"

# Percentages; the six are of the three best labels. By the data set's name here.
QUOTED: dict[str, dict[str, float]] = {
    "nuswide81": {"CP": 40.5, "CR": 30.4, "CF1": 34.7, "OP": 49.9, "OR": 61.7, "OF1": 55.2, "MAP@10": 56.1},
    "coco2014": {"CP": 66.0, "CR": 55.6, "CF1": 60.4, "OP": 69.2, "OR": 66.4, "OF1": 67.8, "MAP@10": 61.2},
    "voc2007": {"mAP": 84.0},
}


def quoted_for(split_name: str) -> dict[str, float]:
    """The paper's figures for a split such as "coco2014 val", or nothing."""
    return QUOTED.get(split_name.split(" ")[0], {})
