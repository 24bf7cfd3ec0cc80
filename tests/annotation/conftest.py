import pytest
from annotated_video import NAMES, joints, write_video

from lib.annotation.joints import ProjectJoints
from lib.annotation.video import AnnotatedVideo


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    write_video(folder / "clip.mp4")
    return folder


@pytest.fixture
def video(folder, tmp_path):
    return AnnotatedVideo(folder / "clip.mp4", tmp_path / "clip", ProjectJoints.chosen((NAMES, [(0, 1)])))


@pytest.fixture
def label():
    """Label animals in frames of a video as a page does."""

    def label(video, numbers, tracks=(0, 1), propagated=(), shift=0):
        for number in numbers:
            people = []
            for track in tracks:
                keypoints = [value for x, y in joints(number, track) for value in (float(x) + shift, float(y), 2)]
                people.append({"track": track, "keypoints": keypoints, "propagated": list(propagated)})
            name = f"label {number} {video.revision}"
            video.change({"do": name, "at": number, "frames": {str(number): people}, "names": {}})

    return label
