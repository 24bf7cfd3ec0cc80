"""Inference and training: strategies, `Predictor`, `Trainer`, losses and optimizers."""
