"""Imports run one way, and nobody imports a neighbor."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TIERS = [
    {"tools"},
    {"annotation"},
    {"labeling"},
    {"tracking"},
    {"propagation"},
    {"evaluation", "visualization"},
    {"core"},
    {"dataset", "models", "synthetic"},
    {"deform_conv", "nms", "formats", "frames", "pose"},
    {"utils"},
]
RUNS = {
    "lib/core/export.py": {"export_net"},
    "lib/core/origin.py": {"start"},
    "lib/evaluation/trained_run.py": {"train_experiment"},
    "lib/labeling/time_estimate.py": {
        "estimate_training_seconds",
        "estimate_propagation_seconds",
        "estimate_inference_seconds",
    },
    "lib/propagation/augmentation.py": {"run_augmentation", "augment_labels", "augmented_path"},
    "lib/propagation/dense_labels.py": {"propagate_dense"},
    "lib/propagation/protocol.py": {"run_protocol", "propagate_runs", "estimate_pseudo_labels", "score_protocol"},
    "lib/tracking/video_run.py": {"run_videos"},
}
"""Functions that carry out a part of an experiment. They receive its configuration, as the build functions do."""
FILES = sorted([*(ROOT / "lib").rglob("*.py"), *(ROOT / "tools").glob("*.py")])


def tier(package):
    return next(number for number, packages in enumerate(TIERS) if package in packages)


def imported_packages(path):
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "lib" and len(parts) > 1:
                yield parts[1]
            elif parts[0] in ("tools", "tests", "benchmarks"):
                yield parts[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path):
    parts = path.relative_to(ROOT).parts
    own = parts[1] if parts[0] == "lib" else "tools"
    if own == "__init__.py":
        own = "utils"
    for package in imported_packages(path):
        if own in (package, "tools"):
            continue  # tools may use everything
        if own == "config":
            assert package == "utils", f"config imports {package}"
        else:
            if package == "config" and own in ("core", "evaluation", "propagation", "labeling"):
                continue  # a run has a configuration: its folder and its weights are compared with it
            assert package != "config", f"{own} imports config"
            assert tier(own) < tier(package), f"{own} imports {package}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_tools_build_functions_and_runs_receive_a_configuration(path):
    name = str(path.relative_to(ROOT))
    if name.startswith(("lib/config/", "tools/")):
        return
    functions = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]
    configured = {
        function.name
        for function in functions
        if any(argument.arg == "cfg" for argument in (*function.args.args, *function.args.kwonlyargs))
    }
    public = {function for function in configured if not function.startswith("_")}
    assert {function for function in public if not function.startswith("build_")} == RUNS.get(name, set())
    assert public or not configured, f"{path}: only helpers of such functions may receive a configuration"
