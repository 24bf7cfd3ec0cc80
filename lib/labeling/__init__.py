"""Few labels in: labels of every frame of a custom video, or trained nets and their scores, out."""
