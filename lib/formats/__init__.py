"""Annotation formats: one file each, the reader beside the writer."""
