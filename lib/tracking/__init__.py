"""People and who is who in a video: boxes, detector, tracker."""
