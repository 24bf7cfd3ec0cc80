"""Scores: arrays or files in, a table out."""
