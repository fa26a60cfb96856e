"""Results of the paper (Wang et al., CVPR 2016), quoted for comparison with those of a checkpoint."""

from __future__ import annotations

MEASURED = "VGG-16, on the paper's whole test set"

# Percentages by split. CP … OF1 are those of the three most probable labels.
QUOTED: dict[str, dict[str, float]] = {
    "nuswide81 test": {"CP": 40.5, "CR": 30.4, "CF1": 34.7, "OP": 49.9, "OR": 61.7, "OF1": 55.2, "MAP@10": 56.1},
    "coco2014 val": {"CP": 66.0, "CR": 55.6, "CF1": 60.4, "OP": 69.2, "OR": 66.4, "OF1": 67.8, "MAP@10": 61.2},
    "voc2007 test": {"mAP": 84.0},
}
