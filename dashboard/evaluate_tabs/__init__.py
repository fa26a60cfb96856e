"""The parts of the page Evaluate: the choice of an evaluation, and one file for each tab."""
