"""Generator of synthetic videos: articulated people with exact labels, in PoseTrack18's official layout."""
