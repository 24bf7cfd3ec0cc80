"""Identities are swapped, split, merged and renamed in a browser, and the file has them."""

import pytest
from review_browser import people
from reviewed_video import FRAMES, joints, make_content

from lib.formats.coco import read_labels
from lib.formats.labels.coco import labels_of

pytestmark = pytest.mark.slow


def renumbered(content, frames, numbers):
    """The content with other track numbers in some frames."""
    ids = {7000 + frame for frame in frames}
    for person in content["annotations"]:
        if person["image_id"] in ids and not person.get("iscrowd"):
            person["track_id"] = numbers.get(person["track_id"], person["track_id"])
    return content


def swapped(content, frames, one=0, other=1):
    return renumbered(content, frames, {one: other, other: one})


def tracks(content):
    """The track numbers of each frame."""
    return [sorted(people(content, frame)) for frame in range(FRAMES)]


@pytest.fixture(params=["key", "click"])
def do(request):
    """Do something by its key, or by a click on its button."""

    def do(review, key, button):
        if request.param == "key":
            review.press(key)
        else:
            review.page.click(button if " " in button else f"[data-action={button}]")
            review.settle()

    return do


def check_history(do, review, folder, before):
    """Edits can be undone and redone, and survive a reload of the page."""
    after = review.save(folder)
    do(review, "z", "undo")
    assert review.save(folder) == before
    do(review, "Shift+z", "redo")
    assert review.save(folder) == after
    review.page.reload()
    review.page.wait_for_selector("#state:not(:empty)")
    assert review.save(folder) == after
    labels_of(read_labels(folder / "saved.json"), "saved.json")


@pytest.mark.parametrize(
    ("key", "button", "frames"),
    [("q", "swapBefore", range(9)), ("w", "swapHere", [8]), ("e", "swapAfter", range(8, FRAMES))],
)
def test_two_individuals_are_swapped(review, tmp_path, do, key, button, frames):
    review.go(108)
    review.page.click("#people >> text=track 0")
    do(review, key, button)
    assert f"{len(frames)} frame" in review.text("#said")
    assert review.at == ("108", "propagated")  # whoever they are, a program set the joints
    assert review.text("#people [aria-pressed=true]") == "track 1"  # the same body
    assert review.save(tmp_path) == swapped(make_content(), frames)
    check_history(do, review, tmp_path, make_content())


def test_who_is_nearest_is_swapped_with_unless_another_is_chosen(open_page, tmp_path, do):
    content = make_content()
    for frame in range(FRAMES):
        keypoints = [value for x, y in joints(frame, 0) for value in (x + 20, y, 2)]
        person = {"id": 200 + frame, "image_id": 7000 + frame, "track_id": 5, "keypoints": keypoints}
        content["annotations"].append(person | {"scores": [0.9] * 4})
    review = open_page(content)
    review.go(103)
    review.page.click("#people >> text=track 0")
    assert review.text("#partner") == "track 5"
    do(review, "Shift+t", "partner")
    assert review.text("#partner") == "track 1"
    do(review, "e", "swapAfter")
    assert review.save(tmp_path) == swapped(content, range(3, FRAMES))


def test_somebody_who_is_not_in_the_frame_can_be_swapped_with(open_page, tmp_path):
    content = renumbered(make_content(), range(8, FRAMES), {1: 4})  # 1 is lost, and comes back as 4
    review = open_page(content)
    review.go(108)
    review.page.click("#people >> text=track 4")
    review.press("Shift+t")
    assert review.text("#partner") == "track 1"
    review.press("e")
    assert review.save(tmp_path) == make_content()


def test_one_individual_alone_cannot_be_swapped(open_page):
    content = make_content()
    content["annotations"] = [person for person in content["annotations"] if person["track_id"] == 0]
    review = open_page(content)
    review.press("e")
    assert "nobody to swap with" in review.text("#said")
    assert review.page.is_disabled("[data-action=swapAfter]")
    assert review.page.is_disabled("text=Undo")


def test_a_possible_swap_is_first_in_the_list_and_done_once_it_is_swapped(open_page, tmp_path):
    wrong = range(8, FRAMES)
    review = open_page(swapped(make_content(), wrong))
    entry = "#needs li:has-text('possible swap')"
    assert review.page.locator(entry).count() == 1
    assert review.at[0] == "108"  # where they may have swapped
    assert "⇄" in review.text("#needs li:first-child")
    assert {review.text("#people [aria-pressed=true]"), review.text("#partner")} == {"track 0", "track 1"}
    review.press("e")
    assert review.page.get_attribute(entry, "class") == "done"
    assert review.save(tmp_path) == make_content()
    review.press("z")
    assert not review.page.get_attribute(entry, "class")
    for track in ("track 0", "track 1"):  # or it is no swap, but the way they went
        review.page.click(f"#people >> text={track}")
        review.press("d")
    assert review.page.get_attribute(entry, "class") == "done"


def test_a_track_is_split(review, tmp_path, do):
    review.go(108)
    review.page.click("#people >> text=track 1")
    do(review, "Shift+s", "split")
    assert review.text("#people [aria-pressed=true]") == "track 2"
    assert review.save(tmp_path) == renumbered(make_content(), range(8, FRAMES), {1: 2})
    review.press("z")
    assert review.text("#people [aria-pressed=true]") in {"track 0", "track 1"}  # track 2 is no more
    review.press("Shift+z")
    check_history(do, review, tmp_path, make_content())


def test_a_track_is_not_split_at_its_start(review, tmp_path):
    review.press("Home", "Shift+s")
    assert "nothing to split" in review.text("#said")
    assert review.save(tmp_path) == make_content()


def test_two_tracks_are_merged(open_page, tmp_path, do):
    content = renumbered(make_content(), range(8, FRAMES), {1: 4})
    review = open_page(content)
    review.go(110)
    review.page.click("#people >> text=track 4")
    do(review, "u", "merge")
    assert review.text("#merge h2") == "Merge track 4 into"
    assert review.page.locator("#merge li").count() == 1  # 0 is in the same frames
    do(review, "Enter", "#merge li button")
    assert review.text("#people [aria-pressed=true]") == "track 1"
    assert review.save(tmp_path) == make_content()
    check_history(do, review, tmp_path, content)


def test_tracks_of_the_same_frames_are_not_merged(review, tmp_path):
    review.press("u")
    assert "shares frames with every other track" in review.text("#said")
    assert not review.page.is_visible("#merge")
    assert review.save(tmp_path) == make_content()


def test_a_track_is_named(review, tmp_path, do):
    review.go(108)
    review.page.click("#people >> text=track 1")
    do(review, "F2", "rename")
    review.page.keyboard.type("bob")
    do(review, "Enter", "#rename >> text=Name it")
    assert review.text("#people [aria-pressed=true]") == "bob"
    assert "bob" in review.text("#needs")
    content = review.save(tmp_path)
    assert {person.get("track_name") for frame in range(FRAMES) for person in [people(content, frame)[1]]} == {"bob"}
    assert not any("track_name" in people(content, frame)[0] for frame in range(FRAMES))
    check_history(do, review, tmp_path, make_content())
    assert dict(labels_of(content, "saved.json").track_names) == {1: "bob"}


def test_names_go_with_their_tracks(open_page, tmp_path):
    content = make_content()
    for person in content["annotations"]:
        if person["track_id"] in (0, 1):
            person["track_name"] = ("alice", "bob")[person["track_id"]]
    review = open_page(content)
    review.go(108)
    review.page.click("#people >> text=alice")
    review.press("e")
    saved = review.save(tmp_path)
    for frame in range(FRAMES):
        assert [people(saved, frame)[track]["track_name"] for track in (0, 1)] == ["alice", "bob"]
    review.press("z", "Shift+s")
    saved = review.save(tmp_path)
    track = next(iter({*people(saved, 8)} - {0, 1}))
    assert "track_name" not in people(saved, 8)[track]
    review.press("u", "Enter")  # together again
    assert review.save(tmp_path) == content


def test_poses_without_the_name_of_their_track_stay_so_until_it_changes(open_page, tmp_path):
    content = make_content()
    labels = [person for person in content["annotations"] if "scores" not in person and not person.get("iscrowd")]
    for person in labels:
        person["track_name"] = ("alice", "bob")[person["track_id"]]
    review = open_page(content)
    assert review.save(tmp_path) == content
    review.go(108)
    review.page.click("#people >> text=alice")
    review.press("w")
    saved = review.save(tmp_path)
    assert [people(saved, 8)[track]["track_name"] for track in (0, 1)] == ["alice", "bob"]
    assert not any("track_name" in person for person in people(saved, 9).values())
    review.press("F2")
    review.page.keyboard.type("carl")
    review.press("Enter")
    saved = review.save(tmp_path)
    assert {people(saved, frame)[1]["track_name"] for frame in range(FRAMES)} == {"carl"}


@pytest.mark.parametrize("name", ["alice", "track0", "track 0"])
def test_a_name_of_another_track_is_refused(open_page, tmp_path, name):
    content = make_content()
    if name == "alice":
        for person in content["annotations"]:
            person |= {"track_name": "alice"} if person["track_id"] == 0 else {}
    review = open_page(content)
    review.go(108)
    review.page.click("#people >> text=track 1")
    review.press("F2")
    review.page.keyboard.type(name)
    review.press("Enter")
    assert "Another track is called" in review.text("#said")
    assert review.save(tmp_path) == content


def test_dialogs_are_canceled(open_page, tmp_path):
    content = renumbered(make_content(), range(8, FRAMES), {1: 4})
    review = open_page(content)
    review.go(110)
    review.page.click("#people >> text=track 4")
    for key, dialog in (("u", "#merge"), ("F2", "#rename")):
        review.press(key)
        assert review.page.is_visible(dialog)
        review.press("Escape")
        review.press(key)
        review.page.click(f"{dialog} >> text=Cancel")
        assert not review.page.is_visible(dialog)
    assert review.save(tmp_path) == content


def test_another_window_takes_over_swaps_and_names(review, path, tmp_path):
    other = type(review)(review.page.context, path.as_uri())
    other.go(103)
    other.page.click("#people >> text=track 0")
    other.press("e", "F2")
    other.page.keyboard.type("bob")
    other.press("Enter")
    review.page.wait_for_function("() => document.getElementById('people').textContent.includes('bob')")
    assert review.save(tmp_path) == other.save(tmp_path)
    assert people(review.save(tmp_path), 3)[1]["track_name"] == "bob"


def test_a_swap_in_labels_of_a_person_leaves_them_labels(review, tmp_path):
    review.go(106)
    review.press("w")
    content = review.save(tmp_path)
    given = people(make_content(), 6)
    for track, person in people(content, 6).items():
        assert person == given[1 - track] | {"track_id": track}
