"""Plotly figures and texts: data in, figure out, no streamlit calls."""
