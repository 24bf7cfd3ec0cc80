"""Poses as plain arrays: skeletons, boxes and crops, heatmaps and joints. NumPy and torch, no configuration."""
