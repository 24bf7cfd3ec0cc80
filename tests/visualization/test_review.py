import base64
import json
import logging
import re

import cv2
import numpy as np
import pytest
from reviewed_video import FRAMES, HEIGHT, NAMES, WIDTH, fill, make_content, read_frame

from lib.formats.coco import PROBABILITY, SCORES
from lib.formats.video_annotations import NO_SCORE
from lib.frames.store import DamagedImageError
from lib.utils.errors import InputError
from lib.visualization.review import write_review


def data(page, key):
    found = re.search(rf'<script type="application/json" id="data-{key}">(.*?)</script>', page)
    return json.loads(found[1])


def pictures(page):
    found = re.findall(r'data-frame="(\d+)" data-width="(\d+)" data-height="(\d+)">([^<]*)</script>', page)
    return {int(frame): ((int(w), int(h)), base64.b64decode(text)) for frame, w, h, text in found}


def written(tmp_path, content=None, **options):
    path = tmp_path / "review.html"
    write_review(content or make_content(), options.pop("read_frame", read_frame), path, **options)
    return path.read_text(encoding="utf-8")


def test_a_page_has_labels_and_pictures_in_order_of_the_frames(tmp_path):
    page = written(tmp_path, name="mice")
    content = make_content()
    del content["info"]["propagated_by"]
    assert data(page, "labels") == content
    review = data(page, "review")
    assert review["numbers"] == [*range(100, 100 + FRAMES)]
    assert [content["images"][place]["id"] for place in review["order"]] == [*range(7000, 7000 + FRAMES)]
    assert review["bones"] == [[0, 1], [0, 2], [0, 3]]
    assert review["sides"] == ["", "left", "right", ""]
    assert review["propagated"][:3] == [[], [], [0, 1, 2, 3]]  # of frame 106, and of 107
    assert review["propagated"][-1] == []  # a crowd
    found = pictures(page)
    assert sorted(found) == [*range(FRAMES)]
    for frame in (0, 7):
        size, jpeg = found[frame]
        assert size == (WIDTH, HEIGHT)
        image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).astype(int)
        assert np.abs(image - read_frame(f"{frame + 100:04}.png")).mean() < 3
    assert "<title>mice: review</title>" in page
    assert "12 of 12 frames" in data(page, "note")
    assert not [path for path in tmp_path.iterdir() if path.name != "review.html"]


def test_a_probability_includes_the_disagreement(tmp_path):
    content = make_content()
    plain = data(written(tmp_path, content), "review")
    content["info"][SCORES] = PROBABILITY
    review = data(written(tmp_path, content), "review")
    scores = [person.get("scores") for person in content["annotations"]]
    for row, doubts in zip(scores, review["doubts"], strict=True):
        if row and doubts:
            expected = [
                None if doubt is None else round(1 - score, 2) for score, doubt in zip(row, doubts, strict=True)
            ]
            assert doubts == expected
    assert plain["doubts"] != review["doubts"]
    assert (plain["scores"], review["scores"]) == ("", "p(error < 5 %)")


def test_frames_are_ranked_with_a_reason(tmp_path):
    review = data(written(tmp_path), "review")
    first = review["needs"][0]
    assert first == {"frame": 4, "track": 1, "joint": 1, "text": "left_paw: score 0.10"}
    assert sorted(one["frame"] for one in review["needs"]) == [frame for frame in range(FRAMES) if frame not in (0, 6)]
    assert "2 px disagreement" in review["needs"][1]["text"]
    suggested = sorted(one["frame"] for one in review["suggested"])
    assert 4 in suggested
    assert np.diff(sorted([0, 6, *suggested])).min() > 1
    bare = data(written(tmp_path, make_content(bare=True)), "review")
    assert bare["needs"][0]["frame"] == 4
    assert "px" not in str(bare["needs"])


def test_only_what_is_doubtful_needs_review(tmp_path):
    content = make_content()
    for person in content["annotations"]:
        if "scores" in person:
            person |= {"scores": [0.9, 0.9, 0.6, 0.9], "disagreement": [None] * 4}
    worst = next(person for person in content["annotations"] if person["id"] == 2 * 4 + 1)
    worst["scores"] = [0.9, 0.4, 0.9, 0.9]
    review = data(written(tmp_path, content), "review")
    assert review["needs"] == [{"frame": 4, "track": 1, "joint": 1, "text": "left_paw: score 0.40"}]
    assert review["suggested"][0]["frame"] in (3, 4)  # frames to label are listed even if nothing is doubtful
    worst["scores"] = [0.9, 0.6, 0.9, 0.9]
    assert data(written(tmp_path, content), "review")["needs"] == []


def test_possible_swaps_are_ranked_with_the_frames_of_doubtful_joints(tmp_path):
    content = make_content()
    for person in content["annotations"]:
        if person["image_id"] >= 7009 and not person.get("iscrowd"):
            person["track_id"] = 1 - person["track_id"]
    review = data(written(tmp_path, content), "review")
    places = [content["annotations"].index(one) for one in content["annotations"] if one["id"] in (16, 19)]
    swap = {"frame": 9, "track": 0, "other": 1, "link": places, "text": "possible swap"}
    assert review["needs"][0] == swap  # before what a single joint does wrong
    assert [one for one in review["needs"] if "link" in one] == [swap]


def test_a_page_says_the_name_of_the_video(tmp_path):
    page = written(tmp_path, name="dense", video="clip <1>.mp4")
    assert "<title>clip &lt;1&gt;.mp4: review</title>" in page
    assert (data(page, "review")["video"], data(page, "review")["name"]) == ("clip <1>.mp4", "dense")


def test_no_text_of_the_labels_ends_its_element(tmp_path):
    content = make_content()
    content["images"][0]["note"] = "<!-- <script> ]]> \u2028"
    page = written(tmp_path, content, name='"><script>hacked()</script>')
    assert data(page, "labels")["images"][0]["note"] == content["images"][0]["note"]
    assert data(page, "labels")["categories"][0]["keypoints"] == NAMES
    assert "hacked()</script" not in page
    assert "<img" not in page
    assert page.count("<script>") == 1
    assert "http:" not in page
    assert "https:" not in page


def test_a_page_keeps_to_its_budget_and_says_so(tmp_path, caplog):
    def noise(name):
        return np.random.default_rng(int(name[:4])).integers(0, 256, (480, 640, 3), dtype=np.uint8)

    budget = 600_000
    with caplog.at_level(logging.INFO):
        page = written(tmp_path, read_frame=noise, budget=budget)
    assert len(page.encode()) <= budget
    found = pictures(page)
    assert 0 < len(found) < FRAMES
    assert {0, 4, 6} <= set(found)  # labels, and the one most in need
    assert f"{len(found)} of 12 frames have pictures, of about 480×360 pixels" in data(page, "note")
    assert data(page, "note") in caplog.text
    with pytest.raises(InputError, match="left for pictures"):
        written(tmp_path, budget=20_000)


def test_a_damaged_frame_is_left_out(tmp_path, caplog):
    def read(name):
        if name == "0103.png":
            raise DamagedImageError("damaged")
        return read_frame(name)

    page = written(tmp_path, read_frame=read)
    assert sorted(pictures(page)) == [frame for frame in range(FRAMES) if frame != 3]
    assert "11 of 12 frames have pictures" in caplog.text


def test_only_labels_of_people(tmp_path):
    content = make_content()
    content["annotations"] = [person for person in content["annotations"] if "scores" not in person]
    review = data(written(tmp_path, content), "review")
    assert (review["needs"], review["suggested"]) == ([], [])
    assert not any(review["propagated"])


def test_joints_added_to_a_persons_own_need_review(tmp_path):
    content = make_content()
    fill(content, 6, 1, score=0.05)
    place = next(place for place, person in enumerate(content["annotations"]) if person["id"] == 13)
    review = data(written(tmp_path, content), "review")
    assert review["propagated"][place] == [3]
    assert review["doubts"][place][:3] == [None] * 3
    assert review["needs"][0] == {
        "frame": 6,
        "track": 1,
        "joint": 3,
        "text": f"{NAMES[3]}: score 0.05, 2 px disagreement",
    }
    assert 0 not in [one["frame"] for one in review["needs"]]


def test_somebody_propagated_beside_a_labeled_person_needs_review(tmp_path):
    content = make_content()
    person = next(person for person in content["annotations"] if person["id"] == 12)
    person |= {"scores": [0.9, 0.01, 0.9, 0.9], "propagated_from": "0100.png"}
    review = data(written(tmp_path, content), "review")
    assert "left_paw: score 0.01" in [one["text"] for one in review["needs"] if one["frame"] == 6]


def test_scores_of_joints_that_a_person_set_may_be_given_as_none_or_as_coco_labels_writes_them(tmp_path):
    content = make_content()
    person = next(person for person in content["annotations"] if person["id"] == 12)
    person["scores"] = [NO_SCORE, 0.5, None, NO_SCORE]
    place = content["annotations"].index(person)
    assert data(written(tmp_path, content), "review")["propagated"][place] == [1]


def test_the_category_with_joints_counts(tmp_path):
    content = make_content()
    content["categories"].insert(0, {"id": 0, "name": "animals"})
    assert data(written(tmp_path, content), "review")["bones"] == [[0, 1], [0, 2], [0, 3]]


@pytest.mark.parametrize(
    ("place", "change", "message"),
    [
        ("annotations", {"keypoints": [1, 2]}, r"annotations\[0\]: 'keypoints' must contain 12 finite numbers, not 2"),
        ("annotations", {"scores": [1]}, r"annotations\[0\]: 'scores' must contain 4"),
        ("annotations", {"disagreement": "far"}, r"annotations\[0\]: 'disagreement' must contain 4"),
        ("annotations", {"track_id": "x"}, r"annotations\[0\]: 'track_id' must be a whole number"),
        ("annotations", {"id": 2**60}, "cannot be stored as JSON"),
        ("images", {"file_name": "frame.png"}, r"images\[0\]: no number in file_name"),
        ("images", {"id": 7001}, r"images\[7\]: another image has the id 7001 too"),
    ],
)
def test_bad_records_are_named_and_nothing_is_written(tmp_path, place, change, message):
    content = make_content()
    content[place][0] |= change
    if "id" in change and place == "images":
        content["annotations"] = []
    with pytest.raises(InputError, match=f"^mice: .*{message}"):
        written(tmp_path, content, name="mice")
    assert not list(tmp_path.iterdir())


def test_no_images(tmp_path):
    with pytest.raises(InputError, match="no images"):
        written(tmp_path, make_content() | {"images": [], "annotations": []})
