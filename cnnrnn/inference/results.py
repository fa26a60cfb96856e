"""What a Predictor returns: the prediction for one image, and the explanation of one of its paths."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from torch import Tensor

from cnnrnn.attribution.explain import Explanation
from cnnrnn.attribution.overlay import COLORMAPS, overlay
from cnnrnn.decoding.trace import Trace
from cnnrnn.utils.errors import UserError
from cnnrnn.utils.files import json_text, write_text
from cnnrnn.utils.style import first_few, on_one_line, percent

if TYPE_CHECKING:
    import plotly.graph_objects as go

TRACE = "trace.json"  # beside the saved maps
_SIDE = 320  # pixels of one map in a figure


@dataclass(frozen=True)
class LabelPath:
    """A label sequence that the search finished with END."""

    labels: tuple[str, ...]
    probability: float  # of exactly this sequence and END
    log_prob: float


@dataclass(frozen=True)
class Prediction:
    """The prediction for one image."""

    name: str | None  # the path it was read from
    image: Image.Image  # RGB, as it was decoded
    trace: Trace  # everything that the search did
    feature_map: Tensor  # (channel, height, width), kept so that explaining needs no backbone pass
    feature: Tensor  # I (location, feature)

    def __repr__(self) -> str:
        probable = [f"{label} {percent(p)}" for label, p in self.probabilities.items() if p >= 0.01]
        name = "" if self.name is None else f" of {on_one_line(self.name)}"
        return f"<Prediction{name}: {first_few(probable, 5) or 'no label'}; {self.trace.in_short()}>"

    @property
    def labels(self) -> tuple[str, ...]:
        """The best path's, in the order of emission."""
        return tuple(self.trace.names(self.trace.paths[0].tokens))

    @property
    def probabilities(self) -> dict[str, float]:
        """P(label | image) of every label, the most probable first; see `Trace.probabilities`."""
        probs = self.trace.probabilities
        return {self.trace.labels[label]: float(probs[label]) for label in np.argsort(-probs, kind="stable")}

    @property
    def paths(self) -> tuple[LabelPath, ...]:
        """The finished paths that the search kept, best first."""
        return tuple(LabelPath(tuple(self.trace.names(p.tokens)), p.prob, p.log_prob) for p in self.trace.paths)

    def tree(self, path: int = 0, min_prob: float = 0.01, dark: bool = False) -> go.Figure:
        """The beam search as a tree, one of `paths` highlighted. Branches below `min_prob` are left out."""
        from cnnrnn.decoding.tree import figure  # plotly

        fig = figure(self.trace, path, dark, min_prob)
        return fig.update_layout(template="plotly_dark" if dark else "plotly_white")

    def to_dict(self) -> dict[str, Any]:
        """As `cnnrnn predict --json` writes it: plain lists, names and numbers."""
        return {"image": self.name, **self.trace.summary()}


@dataclass(frozen=True)
class PathExplanation:
    """One map for every step of a path, and for its END."""

    result: Prediction
    path: int  # index into result.paths
    explanation: Explanation

    def __repr__(self) -> str:
        steps = zip(self.steps, self.strengths, strict=True)
        shown = " → ".join(f"{on_one_line(name)} {strength:.0%}" for name, strength in steps)
        name = "" if self.result.name is None else f" of {on_one_line(self.result.name)}"
        return f"<PathExplanation{name}: strongest evidence {shown}; {self.explanation.method}>"

    @property
    def maps(self) -> np.ndarray:
        """(step, height, width), signed: positive where the image speaks for the step's choice. What each location
        itself adds; the overlays are smoothed."""
        return self.explanation.maps.cpu().numpy()

    @property
    def steps(self) -> list[str]:
        """What every step chose: the path's labels and END."""
        return self.result.trace.choices(self.result.trace.paths[self.path])

    @property
    def strengths(self) -> list[float]:
        """The strongest positive evidence of every step, as a fraction of the strongest of the path: 0 to 1."""
        return self.explanation.strengths

    def overlays(self, common_scale: bool = False, colormap: str = COLORMAPS[0]) -> list[Image.Image]:
        """Every step's map over the image, each on its own scale or all on the scale of the strongest step, in one of
        `attribution.overlay.COLORMAPS`. Raises UserError for another color map."""
        if colormap not in COLORMAPS:
            raise UserError(f"no color map '{colormap}'; choose one of {', '.join(COLORMAPS)}")
        scales = self.explanation.scales(common_scale)
        return [
            overlay(self.result.image, values, scale, colormap=colormap)
            for values, scale in zip(self.explanation.smoothed.cpu().numpy(), scales, strict=True)
        ]

    def save(
        self,
        folder: Path | str,
        common_scale: bool = False,
        colormap: str = COLORMAPS[0],
        overwrite: bool = False,
    ) -> list[Path]:
        """One PNG per step, such as 01-dog.png, and trace.json, in a folder that is made if needed. Returns the PNGs'
        paths.

        What was saved there for the same image is replaced. Raises UserError for a folder with another image's, unless
        `overwrite`, and where nothing can be written.
        """
        overlays = self.overlays(common_scale, colormap)
        folder = Path(folder)
        digest = hashlib.sha256(self.result.image.tobytes()).hexdigest()
        _remove_saved(folder, digest, overwrite)
        folder.mkdir(parents=True, exist_ok=True)
        files = []
        for step, (name, image) in enumerate(zip(self.steps, overlays, strict=True), start=1):
            files.append(folder / f"{step:02d}-{safe_name(name)}.png")
            image.save(files[-1])
        saved = {
            "image": self.result.name,
            "pixels_sha256": digest,
            "method": self.explanation.method,
            "files": [file.name for file in files],
            **self.result.trace.to_json(),
        }
        write_text(folder / TRACE, json_text(saved))
        return files

    def figure(self, common_scale: bool = False) -> go.Figure:
        """All steps side by side, each with its strength."""
        import plotly.graph_objects as go

        images = self.overlays(common_scale)
        width, height = images[0].size
        scale = _SIDE / max(width, height)
        fig = go.Figure()
        for step, (name, image, strength) in enumerate(zip(self.steps, images, self.strengths, strict=True)):
            place = {"xref": "x", "yref": "y", "x": step, "y": 0, "sizex": 0.97, "sizey": 0.97 * height / width}
            fig.add_layout_image(source=image.resize((round(width * scale), round(height * scale))), **place)
            title = f"{step + 1} · {name.translate(_PLAIN)}, {strength:.0%}"
            fig.add_annotation(x=step + 0.485, y=0, text=title, showarrow=False, yshift=12)
        fig.update_xaxes(visible=False, range=[0, len(images)])
        fig.update_yaxes(visible=False, range=[-height / width, 0.12], scaleanchor="x")
        fig.update_layout(
            width=round(width * scale) * len(images),
            height=round(height * scale) + 70,
            margin={"l": 0, "r": 0, "t": 30, "b": 0},
            plot_bgcolor="rgba(0, 0, 0, 0)",
        )
        return fig


_PLAIN = str.maketrans({"<": "&lt;", ">": "&gt;", "&": "&amp;"})  # a label inside a plotly text, which reads HTML


def _remove_saved(folder: Path, digest: str, overwrite: bool) -> None:
    """Remove what `PathExplanation.save` wrote into a folder, and nothing else: another path's or method's steps would
    stay among the new ones. Raises UserError for another image's, unless it is to be overwritten."""
    try:
        saved = json.loads((folder / TRACE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    except (OSError, ValueError):
        saved = None
    if not isinstance(saved, dict):
        saved = {}
    if saved.get("pixels_sha256") != digest and not overwrite:
        other = f"the maps of {saved['image']}" if saved.get("image") else f"a {TRACE} of something else"
        raise UserError(f"{folder} has {other}; name another folder, or replace them (--overwrite, overwrite=True)")
    files = saved.get("files")
    for name in files if isinstance(files, list) else []:
        if isinstance(name, str) and Path(name).name == name and name.endswith(".png"):  # the file may be a stranger's
            (folder / name).unlink(missing_ok=True)


def safe_name(label: str) -> str:
    """A label as part of a file name: a label from a stranger may hold a slash."""
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in label)[:60]
