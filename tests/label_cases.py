"""Labels for tests: drawn at random (hypothesis), compared."""

import numpy as np
from hypothesis import strategies as st

from lib.formats.labels.frames import Frame
from lib.formats.labels.model import NOT_LABELED, VISIBLE, Labels

NAMES = st.text("abcXYZ 0189_-.,;\"'<&>é鼠", min_size=1, max_size=8)
COORDINATES = st.floats(-1e6, 1e6).filter(lambda value: value == 0 or abs(value) > 1e-6)
SCORES = st.floats(0, 1)


@st.composite
def labels(
    draw,
    frames=None,
    hidden=True,
    scores="some",
    boxes=True,
    edges=True,
    names=None,
    untracked=True,
    named=True,
    empty=True,
):
    """Labels; what a format has no place for is switched off. `frames` draws a list of different frames."""
    joint_names = tuple(draw(st.lists(NAMES, min_size=1, max_size=4, unique=True) if names is None else names))
    chosen = tuple(draw(FRAMES if frames is None else frames))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))  # many draws of hypothesis' own are slow
    numbers = np.array(draw(st.lists(COORDINATES, min_size=1, max_size=6)))
    loose = draw(st.integers(0, 2)) if untracked else 0
    per_frame = [sorted(draw(st.sets(st.integers(0, 9), max_size=3))) + [-1] * loose for _ in chosen]
    people = [(frame, track) for frame, own in enumerate(per_frame) for track in own] or [(0, 0)]
    count, num_joints = len(people), len(joint_names)
    visibility = rng.choice([0, 1, 2] if hidden else [0, 2], (count, num_joints)).astype(np.uint8)
    if not empty:
        visibility[(visibility == NOT_LABELED).all(axis=1), 0] = VISIBLE
    visibility[0, 0] = VISIBLE
    shown = visibility > NOT_LABELED
    joints = rng.choice(numbers, (count, num_joints, 2))
    values = rng.choice(draw(st.lists(SCORES, min_size=1, max_size=4)), (count, num_joints))
    values[rng.random((count, num_joints)) < {"some": 0.5, "all": 0, "none": 1}[scores]] = np.nan
    box = np.full((count, 4), np.nan)
    if boxes:
        given = rng.random(count) < 0.5
        box[given] = rng.choice(numbers, (given.sum(), 4))
    frame, track = (np.array(column, dtype=np.int64) for column in zip(*people, strict=True))
    if (track < 0).all() and len(set(frame.tolist())) == count:
        track[:] = 0  # as whoever is alone is read
    pairs = st.tuples(st.integers(0, num_joints - 1), st.integers(0, num_joints - 1))
    used = np.unique(track[track >= 0]).tolist()
    track_names = {}
    if named and used == list(range(len(used))) and draw(st.booleans()):
        track_names = {who: f"{draw(NAMES)} {who}" for who in used}
    return Labels(
        names=joint_names,
        edges=tuple(draw(st.lists(pairs, max_size=3))) if edges else (),
        frames=chosen,
        frame=frame,
        track=track,
        joints=np.where(shown[:, :, None], joints, np.nan),
        visibility=visibility,
        scores=np.where(shown, values, np.nan),
        boxes=box,
        track_names=track_names,
    )


VIDEOS = st.sampled_from(["", "clip.mp4", "../../x/clip.mp4"])
NUMBERS = st.lists(st.integers(0, 300), min_size=1, max_size=5, unique=True)
NUMBERED = st.builds(
    lambda video, numbers, size: [Frame(video, number, "", *size) for number in sorted(numbers)],
    VIDEOS,
    NUMBERS,
    st.sampled_from([(0, 0), (64, 48)]),
)
IMAGES = st.builds(
    lambda numbers: [Frame("mouse", number, f"labeled-data/mouse/img{number:03}.png") for number in numbers], NUMBERS
)
FRAMES = st.lists(
    st.builds(Frame, VIDEOS, st.integers(0, 99), st.sampled_from(["", "a/img7.png", "b.png"]), st.sampled_from([0, 9]))
    | st.just(Frame(file_name="alone.png")),
    min_size=1,
    max_size=5,
    unique_by=lambda frame: frame.file_name or (frame.video, frame.number),
)


def assert_same(read, written, boxes=True, sizes=True):
    """The labels are the same, bit by bit; of what the file has no place for not `boxes` or `sizes`."""
    assert (read.names, read.edges) == (written.names, written.edges)
    assert [(frame.video, frame.number, frame.file_name) for frame in read.frames] == [
        (frame.video, frame.number, frame.file_name) for frame in written.frames
    ]
    if sizes:
        assert read.frames == written.frames
    for name in ("frame", "track", "joints", "visibility", "scores"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name), err_msg=name)
    if boxes:
        given = ~np.isnan(written.boxes).any(axis=1)
        np.testing.assert_array_equal(read.boxes[given], written.boxes[given])
    assert dict(read.track_names) == dict(written.track_names)
