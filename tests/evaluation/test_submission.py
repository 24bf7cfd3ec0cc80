import json
from dataclasses import replace

import numpy as np
import pytest

from lib.config import load_config, named_paths
from lib.dataset.people import Person
from lib.evaluation.posetrack_submission import make_submission
from lib.evaluation.submission import Rules, check_predictions, make_results, rescore, write_results
from lib.formats import mpii
from lib.formats.data_sets import known_data_sets
from lib.formats.posetrack_set import unlabeled_video, write_videos
from lib.formats.tracked_poses import TrackedPose
from lib.formats.video_annotations import JOINT_NAMES, KEYPOINT_OF_JOINT, NO_SCORE
from lib.nms import oks_iou
from lib.pose.skeletons import POSETRACK
from lib.utils.errors import InputError
from lib.utils.files import write_json


def person(frame, box_score, video=0, scale=0.5):
    return Person(
        video=video,
        frame=frame,
        number=frame,
        center=np.zeros(2),
        scale=np.full(2, scale, dtype=np.float32),
        box_score=box_score,
        joints=np.zeros((17, 2)),
        labeled=np.zeros(17, dtype=bool),
    )


VIDEOS = [unlabeled_video("a", ["a/0.jpg", "a/1.jpg"], 2), unlabeled_video("b", ["b/0.jpg"], 1)]


def poses(count, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 100, (count, 17, 2)), rng.uniform(0.3, 1, (count, 17))


def test_every_frame_is_listed_and_an_empty_one_has_a_dummy():
    joints, scores = poses(2)
    first, second = make_submission(VIDEOS, [person(1, 0.5), person(1, 1.0)], joints, scores, Rules())
    assert first.person_frame.tolist() == [0, 1, 1]
    assert first.track_ids.tolist() == [0, 0, 1]
    np.testing.assert_array_equal(first.joints[1], joints[0, list(KEYPOINT_OF_JOINT)])
    np.testing.assert_allclose(first.scores[1], 0.5 * scores[0, list(KEYPOINT_OF_JOINT)])
    np.testing.assert_allclose(first.person_scores[1:], [0.5, 1.0])
    for dummy in (first, second):
        assert dummy.present[0].tolist() == [True] + 14 * [False]
        assert dummy.joints[0, 0].tolist() == [0, 0]
        assert dummy.scores[0].tolist() == [-100] + 14 * [NO_SCORE]


def test_track_ids_of_a_tracker_and_of_dummies():
    """People who are left out are not tracked; a dummy has a number of its own, so that it is nobody's track."""
    joints, scores = poses(3)
    scores[1] = 0.1
    rules = Rules(times_box=False, min_joint_score=0.2)
    seen = {}

    def track(videos, estimated):
        seen.update(kept=estimated.kept, scores=estimated.scores)
        tracked = [
            TrackedPose(
                box=np.zeros(4),
                box_score=1,
                joints=estimated.joints[p],
                scores=estimated.scores[p],
                score=1,
                track=number,
            )
            for p, number in ((0, 5), (2, 7))
        ]
        return {(0, 0): tracked}

    people = [person(0, 0.5), person(0, 1.0), person(0, 1.0)]
    first, second = make_submission(VIDEOS, people, joints, scores, rules, track=track)
    assert seen["kept"] == {(0, 0): [0, 2]}
    assert not seen["scores"][1].any()
    assert (first.track_ids.tolist(), second.track_ids.tolist()) == ([5, 7, 8], [0])


def test_a_tracker_of_nobody():
    """If everybody is left out, every frame has a dummy."""
    joints, scores = poses(1)
    rules = Rules(times_box=False, min_joint_score=10)
    videos = make_submission(VIDEOS, [person(0, 1.0)], joints, scores, rules, track=lambda videos, estimated: {})
    assert [video.track_ids.tolist() for video in videos] == [[0] * len(video.frame_names) for video in VIDEOS]


def test_joints_of_low_scores_are_not_submitted():
    joints, scores = poses(1)
    scores[0, :5] = 0.1, 0.19, 0.2, 0.21, -0.1  # nose, neck, head top, and the ears, which no file has
    rules = Rules(times_box=False, min_joint_score=0.2)
    (video, _) = make_submission(VIDEOS, [person(0, 1.0)], joints, scores, rules)
    absent = [JOINT_NAMES.index(name) for name in ("nose", "neck")]
    assert np.flatnonzero(~video.present[0]).tolist() == sorted(absent)
    assert (video.joints[0, absent] == 0).all()
    assert (video.scores[0, absent] == NO_SCORE).all()


def test_raw_peaks_as_joint_scores():
    joints, scores = poses(1)
    (video, _) = make_submission(VIDEOS, [person(0, 0.5)], joints, scores, Rules(times_box=False))
    np.testing.assert_array_equal(video.scores[0], scores[0, list(KEYPOINT_OF_JOINT)])


def test_rescoring_counts_joints_over_the_threshold():
    scores = np.zeros((3, 17))
    scores[0, :2] = 0.4, 0.8
    scores[1] = 0.2  # not over
    scores[2, 5] = 0.21
    np.testing.assert_allclose(rescore([person(0, s) for s in (0.5, 0.9, 1.0)], scores, 0.2), [0.3, 0, 0.21])


def test_files_of_image_sets_have_the_format_of_their_scorers(tmp_path):
    """The second of three people is left out; MPII lists him, and counts pixels from 1 as JHMDB does."""
    counts = {"coco": 17, "mpii": 16, "jhmdb": 15}
    for name, count in counts.items():
        people = [replace(person(frame, 0.5), row=frame) for frame in (0, 2)]
        images = replace(
            unlabeled_video("v", ["0.jpg", "1.jpg", "2.jpg"], 3),
            joints=np.zeros((3, count, 2)),
            annotation_ids=np.array([40, 41, 42]),
        )
        joints, scores = np.full((2, count, 2), 7.0), np.full((2, count), 0.25)
        rules, sigmas = Rules(), (0.1,) * count
        path = write_results(
            tmp_path / "a.split",
            known_data_sets()[name],
            [images],
            people,
            joints=joints,
            scores=scores,
            rules=rules,
            sigmas=sigmas,
        )
        if name == "mpii":
            assert path.name == "a.split.mat"
            found = mpii.read_predictions(path, 3)
            assert (found[[0, 2]] == 8).all()
            assert np.isnan(found[1]).all()
        else:
            assert path.name == "a.split.json"
            records = json.loads(path.read_text())
            assert [[record[key] for key in ("image_id", "id", "score")] for record in records] == [
                [0, 40, 0.5],
                [2, 42, 0.5],
            ]
            place = 8 if name == "jhmdb" else 7
            assert records[1]["keypoints"] == [place, place, 0.25] * count


def test_people_may_be_rescored_and_nobody_left_out():
    joints, scores = poses(2)
    joints[1], scores[:] = joints[0], 0.5
    people = [person(0, 0.6), person(0, 0.9)]
    (video, _) = make_submission(VIDEOS, people, joints, scores, Rules(rescore=True))
    assert video.person_frame.tolist() == [0, 0, 1]  # and the dummy
    np.testing.assert_allclose(video.person_scores, [0.3, 0.45, 0])
    (video, _) = make_submission(VIDEOS, people, joints, scores, Rules())
    np.testing.assert_allclose(video.person_scores, [0.6, 0.9, 0])


def test_a_factor_on_the_sigmas_of_oks_nms():
    joints, scores = poses(2)
    joints[1], scores[:] = joints[0] + 10, 0.5
    people = [person(0, 0.6), person(0, 0.9)]
    counts = []
    for scale in (1.0, 2.0, 4.0):
        sigmas = scale * np.array(POSETRACK.sigmas)
        area = float(np.prod(people[0].scale * 200.0))
        oks = oks_iou(joints[0], joints[1:], area, np.array([area]), sigmas)[0]
        (video, _) = make_submission(VIDEOS, people, joints, scores, Rules(oks_nms=True, sigma_scale=scale))
        counts.append(int((video.person_frame == 0).sum()))
        assert counts[-1] == (1 if oks > 0.9 else 2)
    assert counts[0] > counts[-1]


def test_oks_nms_leaves_out_the_worse_of_two_equal_poses_of_one_frame_alone():
    joints, scores = poses(4)
    joints[1] = joints[2] = joints[0]
    scores[:] = 0.5
    people = [person(0, 0.6), person(0, 0.9), person(1, 0.3), person(1, 0.8)]
    rules = Rules(oks_nms=True, times_box=False)
    (video, _) = make_submission(VIDEOS, people, joints, scores, rules)
    assert video.person_frame.tolist() == [0, 1, 1]
    np.testing.assert_allclose(video.person_scores, [0.45, 0.4, 0.15])
    (soft, _) = make_submission(VIDEOS, people, joints, scores, Rules(oks_nms=True, soft=True))
    assert soft.person_frame.tolist() == [0, 0, 1, 1]
    np.testing.assert_allclose(
        soft.person_scores, [0.45, 0.3, 0.4, 0.15]
    )  # chosen by decayed scores, written as they were


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("val/000001.json", b'{"images": [{"file_name": "a.jpg"}]}'),  # an annotation file of somebody else
        ("boxes.json", b'[{"bbox": [1, 2, 3, 4]}]'),
        ("gt.mat", b"MATLAB 5.0 MAT-file, written by MATLAB"),
        ("notes.txt", b"[]\n"),
    ],
)
def test_other_files_are_kept(tmp_path, name, content):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="not a file of predictions"):
        check_predictions(tmp_path, [])
    assert (tmp_path / name).read_bytes() == content


def test_predictions_of_an_earlier_run_may_be_replaced(tmp_path):
    joints, scores = poses(2)
    videos = make_submission(VIDEOS, [person(0, 0.6), person(0, 0.9)], joints, scores, Rules())
    write_videos(tmp_path / "17", videos, "posetrack17")
    write_videos(tmp_path / "18", videos, "posetrack18")
    mpii.write_predictions(tmp_path / "valid.mat", joints)
    write_json(
        tmp_path / "coco.json", make_results(VIDEOS, [person(0, 0.6)], joints[:1], scores[:1], rules=Rules(), sigmas=[])
    )
    write_json(tmp_path / "none.json", [])
    check_predictions(tmp_path, [])


def test_input_folders_are_not_replaced(tmp_path):
    (tmp_path / "predictions/single/val").mkdir(parents=True)
    (tmp_path / "a.yaml").write_text(f"DATASET: {{GT_DIR: {tmp_path}/predictions/single/val}}\n")
    inputs = named_paths(load_config(tmp_path / "a.yaml"))
    with pytest.raises(InputError, match=r"DATASET\.GT_DIR .*/single/val: .* is for the predictions of this run"):
        check_predictions(tmp_path / "predictions/single", inputs)
    check_predictions(tmp_path / "predictions/aggregate", inputs)
