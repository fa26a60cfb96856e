"""The parts of the page Label space."""

LABEL_COLUMNS = 40  # of a label's name in a text
