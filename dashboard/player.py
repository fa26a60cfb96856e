"""Playing the maps of a path one after the other, in the browser: no frame asks the server."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from cnnrnn.utils.webpage import jpeg_uri

# Labels come in `data` and are set as text. It plays once as soon as somebody switches it on, unless the system asks
# for less motion.
_HTML = """
<img>
<div class="controls">
  <button type="button">Play</button>
  <input type="range" min="0" step="1" aria-label="Step of the animation">
  <output></output>
</div>
"""
_CSS = """
img { width: 100%; display: block; border-radius: 0.5rem; }
.controls { display: flex; align-items: center; gap: 0.75rem; padding-top: 0.5rem; font: 0.875rem var(--st-font); }
input { flex: 1; min-width: 4rem; accent-color: var(--st-primary-color); }
output { flex: 0 1 45%; color: var(--st-text-color); overflow-wrap: anywhere; }
button {
  font: inherit; padding: 0.3rem 0.8rem; border-radius: 0.5rem; cursor: pointer; min-width: 4.5rem;
  color: var(--st-text-color); background: transparent; border: 1px solid var(--st-border-color);
}
:is(button, input):focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
"""
_JS = """
export default function ({ parentElement, data }) {
  const [image, button, slider, caption] = ["img", "button", "input", "output"].map((name) =>
    parentElement.querySelector(name));
  const last = data.frames.length - 1;
  let timer = null;
  const show = (number) => {
    const frame = data.frames[number];
    [image.src, image.alt, caption.textContent] = [frame.source, frame.alt, frame.caption];
    slider.value = number;
    slider.setAttribute("aria-valuetext", frame.caption);
  };
  const stop = () => {
    clearInterval(timer);
    timer = null;
    button.textContent = "Play";
  };
  const play = () => {
    timer = setInterval(next, data.milliseconds);
    button.textContent = "Stop";
  };
  const next = () => {
    show(Math.min(+slider.value + 1, last));
    if (+slider.value === last) stop();
  };
  slider.max = last;
  slider.onkeydown = (event) => event.stopPropagation();  // the page has the arrow keys for its own steps
  slider.oninput = () => { stop(); show(+slider.value); };
  button.onclick = () => {
    if (timer !== null) return stop();
    show(+slider.value === last ? 0 : +slider.value);
    play();
  };
  stop();
  show(data.first);
  if (!parentElement.played && !matchMedia("(prefers-reduced-motion: reduce)").matches) play();
  parentElement.played = true;  // another run of the page must not start it again
  return stop;
}
"""
_player = st.components.v2.component("cnnrnn_player", html=_HTML, css=_CSS, js=_JS)
_MILLISECONDS = 1000  # that a step is shown


def show(frames: Sequence[bytes], captions: Sequence[str], alts: Sequence[str], first: int, key: str) -> None:
    """JPEG files with their captions and descriptions; the one with the index `first` is shown at the beginning."""
    shown = [
        {"source": jpeg_uri(frame), "caption": caption, "alt": alt}
        for frame, caption, alt in zip(frames, captions, alts, strict=True)
    ]
    _player(key=key, data={"frames": shown, "first": first, "milliseconds": _MILLISECONDS})
