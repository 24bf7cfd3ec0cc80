"""Updates of a page: the whole video when it opens, then what has changed."""

from typing import Any

from lib.annotation.labels import Step
from lib.annotation.suggestions import suggest_by_appearance
from lib.annotation.video import AnnotatedVideo
from lib.visualization.review import Review, make_review

SHOWN_STEPS = 200
"""Number of steps of the history that a page gets."""
MAX_SUGGESTED = 20


class PageView:
    """A video's labels as a page shows them.

    Args:
        video: The video.

    Attributes:
        num_needs: Number of frames and possible swaps that need review; None before a page has asked.
    """

    def __init__(self, video: AnnotatedVideo) -> None:
        self._video = video
        self.num_needs: int | None = None
        self._first: list[dict[str, Any]] | None = None  # suggestions by appearance

    def open(self) -> tuple[Review, dict[str, Any]]:
        """Return all that a page shows when it opens, and its state (see `since`)."""
        with self._video.lock:
            state, content = self._state(), self._video.content()
        review = self._review(content)
        self._suggest(review)
        self.num_needs = len(review.data["needs"])
        return review, state | {"listed": state["revision"]}

    def since(self, revision: int, listed: int, *, is_busy: bool) -> dict[str, Any]:
        """Return the frames that changed after a revision, what needs review, and the state.

        Args:
            revision: Revision of the frames that the page shows.
            listed: Revision of the lists that the page shows.
            is_busy: More changes are about to come, so the lists, which take longer, wait.

        Returns:
            `revision`; `past` and `future`, names of the steps with their frames; `names` of individuals. If frames
            have changed, also `frames`, each with the number, whether it was labeled as a whole, its annotations, and
            their joints that a program set and the doubts of these, by the sizes of individuals in these frames. If the
            lists have changed, also `needs`, `suggested`, and their revision `listed`.
        """
        with self._video.lock:
            state, changed = self._state(), self._video.changed_since(revision)
            content = self._video.content(changed)
        if changed:
            state["frames"] = self._frames(content)
        if not is_busy and listed != state["revision"]:
            state |= self._lists() | {"listed": state["revision"]}
        return state

    def _frames(self, content: dict[str, Any]) -> list[dict[str, Any]]:
        data = self._review(content).data
        frames: dict[int, dict[str, Any]] = {
            image["id"]: {"number": image["id"], "isComplete": image["is_labeled"], "people": []}
            for image in content["images"]
        }
        for record, propagated, doubts in zip(content["annotations"], data["propagated"], data["doubts"], strict=True):
            person = {"record": record, "propagated": propagated, "doubts": doubts}
            frames[record["image_id"]]["people"].append(person)
        return list(frames.values())

    def _lists(self) -> dict[str, Any]:
        content = self._video.content()
        review = self._review(content)
        self._suggest(review)
        self.num_needs = len(review.data["needs"])
        needs = [self._with_tracks(item, content["annotations"]) for item in review.data["needs"]]
        return {"needs": needs, "suggested": review.data["suggested"]}

    def _review(self, content: dict[str, Any]) -> Review:
        return make_review(content, self._video.path.stem, self._video.name)

    def _state(self) -> dict[str, Any]:
        labels = self._video.labels
        past, future = ([_shown(step) for step in steps[-SHOWN_STEPS:]] for steps in (labels.past, labels.future))
        names = [[track, name] for track, name in labels.names.items()]
        return {"revision": self._video.revision, "past": past, "future": future, "names": names}

    def _suggest(self, review: Review) -> None:
        """Suggest frames by their appearance as long as no program has set a joint."""
        if any(review.data["propagated"]):
            return
        if self._first is None:
            frames = self._video.open_frames()
            found = suggest_by_appearance(frames.numbers, lambda number: frames.read_nearest(number)[0], MAX_SUGGESTED)
            index = {number: place for place, number in enumerate(frames.numbers)}
            self._first = [
                {"frame": index[number], "text": f"stands for {share:.0%} of the video"} for number, share in found
            ]
        review.data["suggested"] = self._first

    @staticmethod
    def _with_tracks(item: dict[str, Any], annotations: list[dict[str, Any]]) -> dict[str, Any]:
        """Return an item with frames and tracks in its link, as a page numbers annotations in its own way."""
        if "link" not in item:
            return item
        return item | {
            "link": [[annotations[place][key] for key in ("image_id", "track_id")] for place in item["link"]]
        }


def _shown(step: Step) -> dict[str, Any]:
    return {"id": step.name, "at": step.at}
