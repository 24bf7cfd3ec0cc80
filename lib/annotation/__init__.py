"""Annotation in a browser: labels, their history, and background propagation, served to the review page."""
