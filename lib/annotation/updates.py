"""What a page shows of a video: all of it when it opens, and what has changed since."""

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
    """

    def __init__(self, video: AnnotatedVideo) -> None:
        self._video = video
        self._first: list[dict[str, Any]] | None = None  # suggestions by appearance

    def open(self) -> tuple[Review, dict[str, Any]]:
        """Return all that a page shows when it opens, and its state (see `since`)."""
        with self._video.lock:
            content, state = self._video.content(), self._state()
        review = make_review(content, self._video.path.stem, self._video.name)
        self._suggest(review)
        return review, state

    def since(self, revision: int) -> dict[str, Any]:
        """Return the frames that changed after a revision, what needs review, and the state.

        Args:
            revision: Revision that the page shows.

        Returns:
            `revision`; `past` and `future`, names of the steps with their frames; `names` of individuals. If there are
            changes also `frames`, each with the number, whether it was labeled as a whole, its annotations, and their
            joints that a program set and the doubts of these; `needs` and `suggested`.
        """
        with self._video.lock:
            state, changed = self._state(), set(self._video.changed_since(revision))
            if not changed:
                return state
            content = self._video.content()
        review = make_review(content, self._video.path.stem, self._video.name)
        self._suggest(review)
        frames: dict[int, dict[str, Any]] = {
            image["id"]: {"number": image["id"], "isComplete": image["is_labeled"], "people": []}
            for image in content["images"]
            if image["id"] in changed
        }
        for place, record in enumerate(content["annotations"]):
            if record["image_id"] in changed:
                evidence = {"propagated": review.data["propagated"][place], "doubts": review.data["doubts"][place]}
                frames[record["image_id"]]["people"].append({"record": record, **evidence})
        needs = [self._with_tracks(item, content["annotations"]) for item in review.data["needs"]]
        return state | {"frames": [*frames.values()], "needs": needs, "suggested": review.data["suggested"]}

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
                {"frame": index[number], "track": 0, "joint": 0, "text": f"stands for {share:.0%} of the video"}
                for number, share in found
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
