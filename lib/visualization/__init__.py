"""Drawing of poses, plots, videos and the review page."""
