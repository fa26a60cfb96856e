"""How the parts of the page write a search's best path."""

from __future__ import annotations

from cnnrnn.decoding.trace import Trace
from cnnrnn.utils.style import percent
from views.style import markdown


def best_path(trace: Trace) -> str:
    path = trace.paths[0]
    return " → ".join(map(markdown, trace.choices(path))) + f" ({percent(path.prob)})"
