"""People's own label files: one data model, one module per format."""
