"""Ctrl-C during training."""

from __future__ import annotations

import signal
import threading
from typing import Any


class Interrupt:
    """Within the block, Ctrl-C only sets `requested`, which the training loop looks at after every step.

    An exception raised by the signal handler itself could be lost: Python drops exceptions in destructors and
    callbacks. With `once` a second Ctrl-C stops at once; of several processes all stop after the same step, since one
    that stopped at once would leave the others waiting.
    """

    def __init__(self, once: bool) -> None:
        self.once = once
        self.requested = False
        self.previous: Any = None

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():  # only there may signals be handled
            self.previous = signal.signal(signal.SIGINT, self._request)
        return self

    def __exit__(self, *exception: object) -> None:
        if self.previous is not None:
            signal.signal(signal.SIGINT, self.previous)
            self.previous = None

    def _request(self, number: int, frame: object) -> None:
        self.requested = True
        if self.once:
            self.__exit__()
