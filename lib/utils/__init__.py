"""What every other package may use: errors, files, logging, checkpoints. Imports nothing of the project."""
