"""Pasting an image: the script puts it into the page's first uploader, as if it had been dropped there."""

from __future__ import annotations

import streamlit as st

# A constant without any user input. A pasted file is checked like every upload.
_JS = """
export default function ({ parentElement }) {
  const pasted = (event) => {
    const files = [...event.clipboardData.files].filter((file) => file.type.startsWith("image/"));
    const input = document.querySelector("[data-testid=stFileUploader] input[type=file]");
    if (!parentElement.isConnected || !files.length || !input) return;
    const transfer = new DataTransfer();
    files.forEach((file) => transfer.items.add(file));
    input.files = transfer.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
    event.preventDefault();
  };
  // Each run of the page calls this anew. The listener before is removed here, and not at the end of its run: what was
  // pasted between the two would be lost.
  if (document.cnnrnnPasted) document.removeEventListener("paste", document.cnnrnnPasted);
  document.addEventListener("paste", pasted);
  document.cnnrnnPasted = pasted;
  document.body.dataset.paste = "listening";
}
"""
_paste = st.components.v2.component("cnnrnn_paste", js=_JS)


def listen() -> None:
    """Accept pasted images while the page is open. Draws nothing."""
    _paste(key="paste", height=1)
