"""Two things timed in turn, round after round, so that a machine shared with others slows both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import torch


class BenchLine(TypedDict):
    """One line of the benchmark: what was timed, the reference, and the ratio of both."""

    what: str
    reference: str
    seconds: float  # megabytes in the line about memory
    reference_seconds: float
    ratio: float
    ratio_is: str  # "reference / ours" or "ours / reference"
    spread: list[float]  # the lowest and the highest ratio of the rounds
    goal: str  # such as "≥ 4"
    met: bool
    remark: str


@dataclass(frozen=True)
class Pair:
    """Two functions to compare, and the ratio of their times to reach."""

    what: str
    reference: str  # what `theirs` is
    ours: Callable[[], Any]
    theirs: Callable[[], Any]
    at_least: float | None = None  # times as fast as the reference: theirs / ours
    at_most: float | None = None  # times as long as the reference: ours / theirs
    rounds: int = 5
    warm: bool = False  # both ran before; otherwise the first round warms up and doesn't count
    remark: str = ""


def measure(pair: Pair) -> BenchLine:
    """Seconds are medians over the rounds; ratio is the median of the rounds' ratios, from their lowest to their
    highest in ``spread``."""
    ours, theirs = [], []
    warming = 0 if pair.warm else 1
    for _ in range(warming + pair.rounds):
        ours.append(_seconds(pair.ours))
        theirs.append(_seconds(pair.theirs))
    rounds = list(zip(ours[warming:], theirs[warming:], strict=True))
    faster = pair.at_least is not None
    return bench_line(
        pair.what,
        pair.reference,
        statistics.median(a for a, _ in rounds),
        statistics.median(b for _, b in rounds),
        at_least=pair.at_least,
        at_most=pair.at_most,
        ratios=sorted((b / a if faster else a / b) for a, b in rounds),
        remark=pair.remark,
    )


def bench_line(
    what: str,
    reference: str,
    ours: float,
    theirs: float,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    ratios: Sequence[float] = (),
    remark: str = "",
) -> BenchLine:
    """A line of the bench; `ratios` are those of the rounds, the lowest first, where there were several."""
    faster = at_least is not None
    ratios = ratios or [theirs / ours if faster else ours / theirs]
    ratio = statistics.median(ratios)
    return {
        "what": what,
        "reference": reference,
        "seconds": ours,
        "reference_seconds": theirs,
        "ratio": ratio,
        "ratio_is": "reference / ours" if faster else "ours / reference",
        "spread": [ratios[0], ratios[-1]],
        "goal": f"≥ {at_least:g}" if faster else f"≤ {at_most:g}",
        "met": ratio >= at_least if at_least is not None else ratio <= (at_most or 0.0),
        "remark": remark,
    }


def _seconds(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    call()
    if torch.cuda.is_available():
        torch.cuda.synchronize()  # a call returns before the GPU has done its work
    return time.perf_counter() - started
