"""What a user sees: poses drawn on frames, curves, heatmaps before and after the warp."""
