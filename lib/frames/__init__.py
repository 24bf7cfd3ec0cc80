"""Frames by number from image folders, zip archives, video files, and arrays."""
