"""docs/make_figures.py draws what exists."""

import numpy as np

from docs import make_figures


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
