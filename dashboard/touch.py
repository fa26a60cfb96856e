"""Touch screens: one finger on a chart scrolls the page, two fingers move the chart."""

from __future__ import annotations

import streamlit as st

# A constant without any user input. Plotly would take every touch for a drag of its own and stop the page's scrolling.
# It gets the mouse events that the browser makes of a tap, so that points can still be chosen.
_JS = """
export default function () {
  const charts = ".js-plotly-plot .nsewdrag";
  const keepFromPlotly = (event) => {
    if (event.touches.length === 1 && event.target.closest(charts)) event.stopPropagation();
  };
  const options = { capture: true, passive: true };
  const kinds = ["touchstart", "touchmove"];
  kinds.forEach((kind) => document.addEventListener(kind, keepFromPlotly, options));
  return () => kinds.forEach((kind) => document.removeEventListener(kind, keepFromPlotly, options));
}
"""
_touch = st.components.v2.component("cnnrnn_touch", js=_JS)


def let_charts_scroll() -> None:
    """Call it once on every page. Draws nothing."""
    _touch(key="touch", height=1)
