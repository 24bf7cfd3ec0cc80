"""Experiments: YAML files with inheritance, command lines, and the folder of their results."""

from lib.config.command_line import add_force, parse_arguments
from lib.config.load import load_config
from lib.config.run_folder import named_paths, output_folder

__all__ = ["add_force", "load_config", "named_paths", "output_folder", "parse_arguments"]
