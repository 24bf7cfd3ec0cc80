"""Annotation formats: one file per format, with the reader beside the writer."""
