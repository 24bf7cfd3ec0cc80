"""People in videos: boxes, detection, and tracking."""
