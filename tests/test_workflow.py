"""The workflow and the Docker files name files and targets that exist, and the versions that the pages name."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text(encoding="utf-8"))
DOCKER_FILES = sorted((ROOT / "docker").glob("Dockerfile.*"))


def steps(kind):
    return [step[kind] for job in WORKFLOW["jobs"].values() for step in job["steps"] if kind in step]


def test_commands_of_the_workflow_name_what_exists():
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    commands = " ".join(steps("run"))
    assert set(re.findall(r"make ([a-z-]+)", commands)) <= set(targets)
    files = re.findall(r"(?:tests|tools)/[\w/.]+|requirements[\w-]*\.txt", commands)
    assert files
    assert [name for name in files if not (ROOT / name).exists()] == []


def test_the_workflow_runs_all_systems_and_versions():
    versions = ["3.10", "3.11", "3.12", "3.13"]
    jobs = WORKFLOW["jobs"]
    assert [jobs[name]["strategy"]["matrix"]["python"] for name in ("linux", "other-systems")] == [versions] * 2
    assert jobs["other-systems"]["strategy"]["matrix"]["system"] == ["macos-latest", "windows-latest"]
    page = (ROOT / "docs/build.md").read_text(encoding="utf-8")
    torch = re.search(r"^torch>=(.*)$", (ROOT / "requirements.txt").read_text(), flags=re.MULTILINE)[1]
    assert f"Python {versions[0]} to {versions[-1]} and PyTorch {torch} or later" in page
    assert any(f"torch=={torch}.0" in command for command in steps("run"))


@pytest.mark.parametrize("path", DOCKER_FILES, ids=lambda path: path.name)
def test_docker_files_copy_what_exists(path):
    text = path.read_text(encoding="utf-8")
    copied = re.findall(r"^COPY (?!--)(\S+) ", text, flags=re.MULTILINE)
    assert copied == ["requirements.txt", "."]
    assert [name for name in copied if not (ROOT / name).exists()] == []


def test_the_pages_name_the_docker_files():
    page = (ROOT / "docs/build.md").read_text(encoding="utf-8")
    assert {f"docker/{path.name}" for path in DOCKER_FILES} == set(re.findall(r"docker/Dockerfile\.\w+", page))
