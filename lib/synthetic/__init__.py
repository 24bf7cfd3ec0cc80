"""The generator of embedded videos: articulated people with exact labels, in PoseTrack18's official layout."""
