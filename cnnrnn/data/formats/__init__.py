"""Annotations of a person's own images: one file per format, all read into `Reading`."""
