"""Poses, plots, videos and the review page as people see them."""
