"""Label files for custom data: one data model, one module per format."""
