"""docs/make_figures.py and docs/make_screenshots.py show what exists."""

import inspect
import re
from dataclasses import replace

import numpy as np

from docs import make_figures, make_screenshots
from lib.formats.labels.registry import read_any_labels
from lib.frames.video_file import VideoFile
from lib.visualization.review import PAGE


def test_the_data_flow_names_files_and_folders_that_exist():
    assert [path for _, path, *_ in make_figures.FLOW if not (make_figures.ROOT / path).exists()] == []
    titles = {title for title, *_ in make_figures.FLOW}
    assert {title for arrow in make_figures.ARROWS for title in arrow} == titles


def test_the_method_shows_a_joint_that_moves():
    crops, joints = make_figures.read_clip()
    wrist = joints[:, make_figures.KEYPOINT_NAMES.index(make_figures.JOINT)]
    assert len(crops) == len(make_figures.FRAMES)
    assert ((wrist > 0) & (wrist < make_figures.CROP)).all()
    assert np.linalg.norm(wrist[1:] - wrist[:-1], axis=1).min() > make_figures.CROP[0] / make_figures.MAP[0]


def test_the_screenshots_are_of_a_clip_with_labels(tmp_path):
    spec = replace(make_screenshots.SPEC, width=160, height=120, frames=make_screenshots.EVERY + 1)
    clip, path = make_screenshots.make_clip(tmp_path, spec)
    assert sum(1 for _ in VideoFile(clip).frames()) == spec.frames
    labels = read_any_labels(path)
    assert {labels.frames[frame].number for frame in labels.frame.tolist()} == {0, make_screenshots.EVERY}


def test_the_page_has_the_elements_that_the_screenshots_use():
    page = "".join(path.read_text() for path in PAGE.iterdir())
    used = re.findall(r"(?:\"#|getElementById\(')([\w-]+)", inspect.getsource(make_screenshots.take))
    assert used
    assert [name for name in used if not re.search(f'id(=|: )"{name}"', page)] == []
