"""One path of a decoded image, and its maps."""

from __future__ import annotations

from dataclasses import dataclass

import image_files
import state
from cnnrnn.attribution.explain import Explanation
from cnnrnn.checkpoint import Checkpoint
from cnnrnn.decoding.trace import Path, Trace


@dataclass(frozen=True)
class View:
    """One path of a decoded image with its maps."""

    checkpoint: Checkpoint
    image: image_files.InputImage
    trace: Trace
    path: Path
    maps: state.MapSettings

    @property
    def choices(self) -> list[str]:
        return self.trace.choices(self.path)

    @property
    def explanation(self) -> Explanation:
        return state.explanation(self.checkpoint, self.image, self.path.tokens, self.maps)

    @property
    def overlays(self) -> list[bytes]:
        return state.overlays(self.checkpoint, self.image, self.path.tokens, self.maps)

    @property
    def thumbnails(self) -> list[bytes]:
        return state.strip_thumbnails(self.checkpoint, self.image, self.path.tokens, self.maps)
