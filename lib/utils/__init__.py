"""Utilities for all other packages: errors, files, logging, checkpoints. Imports nothing else from the project."""
