"""Poses as plain arrays: skeletons, box <-> crop, heatmaps <-> joints. NumPy and torch, no configuration."""
