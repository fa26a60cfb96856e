from __future__ import annotations

import time

import pytest

from cnnrnn.bench.timing import Pair, measure


@pytest.mark.parametrize(("goal", "ratio"), [("at_least", 4.0), ("at_most", 0.25)])
def test_two_things_are_timed_in_turn(goal: str, ratio: float, monkeypatch: pytest.MonkeyPatch) -> None:
    now, order = [0.0], []

    def lasting(name: str, seconds: float) -> None:
        order.append(name)
        now[0] += seconds * (100 if len(order) < 3 else 1)  # the first round warms up

    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    pair = Pair("ours", "theirs", lambda: lasting("a", 1), lambda: lasting("b", 4), rounds=3, **{goal: ratio})
    line = measure(pair)
    assert order == ["a", "b"] * 4
    assert (line["seconds"], line["reference_seconds"], line["ratio"]) == (1, 4, ratio)
    assert line["spread"] == [ratio, ratio]
    assert line["met"]
    order.clear()
    measure(Pair("", "", lambda: lasting("a", 1), lambda: lasting("b", 4), rounds=2, warm=True, **{goal: ratio}))
    assert order == ["a", "b"] * 2
    assert not measure(Pair("", "", lambda: lasting("a", 4), lambda: lasting("b", 1), rounds=1, **{goal: ratio}))["met"]
