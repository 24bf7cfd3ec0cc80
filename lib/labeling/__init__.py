"""Custom videos: labels of a few frames or images in, labels of every frame out."""
