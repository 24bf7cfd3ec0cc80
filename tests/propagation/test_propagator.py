from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from labeled_person import person

from lib.dataset.training_set import SparseLabels
from lib.frames.arrays import ArrayFrames
from lib.frames.images import ImageList
from lib.frames.store import ImageStore
from lib.propagation.memo import Memo
from lib.propagation.methods import METHODS, MethodSpec
from lib.propagation.options import PropagationOptions
from lib.propagation.propagator import Propagator, video_folders
from lib.propagation.targets import Target, copy_labels
from lib.utils.errors import InputError

FRAMES = {0: ArrayFrames([np.zeros((64, 64, 3), np.uint8)] * 20)}


@pytest.fixture
def asked(monkeypatch):
    """Registers the method `mine`; counts what it is asked for."""
    asked = Counter()

    def build(propagator):
        def propagate(people, targets):
            asked.update((people[target.person].number, target.number) for target in targets)
            return copy_labels(people, targets)

        return propagate

    monkeypatch.setitem(METHODS, "mine", MethodSpec("a method of a test", build))
    return asked


def test_one_entry_makes_a_method(asked):
    people = [person(0), person(8, x=20)]
    propagator = Propagator(PropagationOptions(method="mine", fuse=True), FRAMES)
    poses = propagator.propagate(people, [Target(0, 2)])
    np.testing.assert_allclose(poses.joints[0, 0], [5, 1])
    assert PropagationOptions(method="linear", priors=("mine",)).name == "linear-mine"


def test_a_method_that_is_no_prior_is_refused():
    with pytest.raises(InputError, match="--prior copy"):
        PropagationOptions(method="dis", priors=("copy",))


def test_each_label_is_propagated_once_to_each_frame(asked):
    people = [person(number, x=number) for number in (0, 5, 10, 15)]
    targets = [Target(number // 5, number) for number in range(1, 15) if number % 5]
    propagator = Propagator(PropagationOptions(method="mine", priors=("linear",)), FRAMES)
    propagator.propagate(people, targets)
    assert set(asked.values()) == {1}
    reached = {(start, end) for start, end in asked if end % 5}
    between = {(number // 5 * 5 + side, number) for number in range(1, 15) if number % 5 for side in (0, 5)}
    assert reached == between


def test_a_memo_identifies_labels_by_content():
    calls = []

    def method(people, targets):
        calls.append(list(targets))
        return copy_labels(people, targets)

    memo = Memo(method)
    people = [person(0), person(4, x=8)]
    memo(people, [Target(0, 1), Target(1, 3), Target(0, 1)])
    poses = memo([people[1], person(0, x=1)], [Target(0, 3), Target(1, 1)])
    np.testing.assert_array_equal(poses.joints[:, 0, 0], [8, 1])
    assert calls == [[Target(0, 1), Target(1, 3)], [Target(1, 1)]]


def test_refinement_without_a_net_is_refused(asked):
    propagator = Propagator(PropagationOptions(method="mine", refine=0.1), FRAMES)
    with pytest.raises(ValueError, match="needs a net"):
        propagator.propagate([person(0)], [Target(0, 2)])


def test_labels_of_images_are_refused():
    labels = SparseLabels(
        path=Path("images.json"),
        videos=[],
        people=[],
        frames={0: ImageList(ImageStore("."), ["a.jpg"], np.zeros((1, 2)))},
    )
    with pytest.raises(InputError, match=r"images\.json: labels of images"):
        video_folders(labels)
