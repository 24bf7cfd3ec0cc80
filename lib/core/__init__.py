"""What is done with a model and a loader: strategies, the inference loop, and what becomes of its results."""
