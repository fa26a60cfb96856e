"""The parts of the page Decode, in the order in which they are read."""
