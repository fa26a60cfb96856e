"""What several parts of the page say."""

from __future__ import annotations

from cnnrnn.decoding.trace import Trace
from cnnrnn.utils.style import percent
from views.style import markdown

MARGINAL = "marginal probability"


def best_path(trace: Trace) -> str:
    path = trace.paths[0]
    return " → ".join(map(markdown, trace.choices(path))) + f" ({percent(path.prob)})"
