"""Review page for propagated labels: check and correct them, and choose what to label next, in a single HTML file.

The page itself is in review_page/: markup, style, and scripts that are joined in the order of SCRIPTS,
or, for the page that lib.annotation serves, of LIVE_SCRIPTS.
"""

import base64
import hashlib
import html
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from lib.formats.coco import PROPAGATED_BY, SCORES
from lib.formats.posetrack18 import keypoint_category
from lib.pose.skeletons import named_skeleton
from lib.utils.errors import InputError
from lib.utils.files import atomic_path
from lib.utils.joint_names import side
from lib.utils.progress import progress_bar
from lib.visualization.page_images import QUALITY_STEPS, Picture, pictures, plan_pictures
from lib.visualization.ranking import DOUBTFUL, frame_needs, rank_frames, spread_frames, suggest_frames
from lib.visualization.review_poses import ReviewedPoses, read_poses

logger = logging.getLogger(__name__)

PAGE = Path(__file__).with_name("review_page")
_COMMON = (
    *("model", "store", "saving", "pictures", "drawing", "stage", "timeline", "panels"),
    *("queue", "accepting", "identities", "app", "actions", "main"),
)
SCRIPTS = tuple(f"{part}.js" for part in (*_COMMON, "offline"))
LIVE_SCRIPTS = tuple(
    f"{part}.js" for part in (*_COMMON, "connection", "live_model", "joint_editor", "videos", "runs", "live")
)
"""Scripts of the page that lib.annotation serves."""
BUDGET = 60_000_000
"""Bytes of a page. Browsers open pages of this size within two seconds, and mail and chats accept them."""
SUGGESTED = 3, 20
"""Minimum and maximum number of frames to suggest for labeling; in between, as many as are labeled."""
NOTES = 2_000
"""Bytes reserved for the note about the pictures."""


def write_review(
    content: dict[str, Any],
    read_frame: Callable[[str], np.ndarray],
    path: Path,
    name: str = "labels",
    *,
    video: str = "",
    budget: int = BUDGET,
) -> None:
    """Write the review page of a video's labels, both manual and propagated.

    Pictures are written to the file one by one, as large and as good as the budget allows. If not all of them fit even
    at the lowest quality, frames with labels, the frames that need review most, and an even spread of the others get a
    picture.

    Args:
        content: COCO-style, as returned by `lib.formats.coco.read_labels` and `add_poses`. A program set a joint with a
            number in `scores`; a person set it if that is None, or if there are no `scores`. Optional keys:
            `disagreement`, per joint the distance in pixels between the positions from both sides, or None; `sources`,
            per joint the numbers of the frames that it came from.
        read_frame: Returns a frame (H, W, 3), uint8, BGR, by its `file_name`.
        path: Path of the .html file.
        name: Name of the labels without an extension: the name of the file that the page saves begins with it.
        video: Name of the video, the title of the page; by default, that is `name`.
        budget: Maximum size of the file in bytes.

    Raises:
        InputError: A record cannot be shown (the message names it), a frame is missing, or the budget is too small.
    """
    review = make_review(content, name, video or name)
    images, poses, needs = content["images"], review.poses, review.needs
    head, tail = render_page(video or name, {"labels": review.labels, "review": to_json(review.data, name)}, SCRIPTS)
    left = budget - len(head) - len(tail) - NOTES

    def read(frame: int) -> np.ndarray:
        return read_frame(images[poses.order[frame]]["file_name"])

    plan = plan_pictures(read, len(images), left, _cost)
    chosen = spread_frames(poses.labeled, needs, plan.capacity)
    stored = 0
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        file.write(head)
        shown = pictures(read, chosen, plan, left, _cost)
        for picture in progress_bar(len(chosen), "frame", iterable=shown, desc=path.name, delay=2):
            file.write(_element(picture))
            stored += 1
        width, height = plan.size
        note = (
            f"{stored} of {len(images)} frames have pictures, of about {width}×{height} pixels, "
            f"JPEG quality {QUALITY_STEPS[plan.quality][1]}"
        )
        file.write(_script("note", to_json(note, name)) + tail)
        size = file.tell()
    if stored < len(images):
        logger.warning("%s: %s: the others are damaged or exceed the limit of %.0f MB", path, note, budget / 1e6)
    logger.info("%s: %s, %.1f MB", path, note, size / 1e6)


def needed_frames(content: dict[str, Any], name: str) -> list[tuple[int, float, str]]:
    """Return the frames of a video that need review, most urgent first.

    Args:
        content: COCO-style labels, as in `write_review`.
        name: Name of the labels, for messages.

    Returns:
        Number of each frame, how much it needs review from 0 to 1, and its most doubtful joint with the reason.
    """
    poses = read_poses(content, name)
    needs = frame_needs(len(content["images"]), poses.frame, poses.doubts)
    return [
        (int(poses.numbers[frame]), float(needs[frame]), _why(content, poses, frame)["text"])
        for frame in rank_frames(needs)
    ]


@dataclass(frozen=True, kw_only=True)
class Review:
    """Content of a page for a video's labels.

    Attributes:
        poses: The poses.
        needs: (F,) how much each frame needs review, from 0 to 1.
        labels: The content of the labels as JSON that is safe in a page.
        data: Everything else that the page needs.
    """

    poses: ReviewedPoses
    needs: np.ndarray
    labels: bytes
    data: dict[str, Any]


def make_review(content: dict[str, Any], name: str, video: str) -> Review:
    """Return what a page shows of a video's labels, frames numbered from 0.

    Args:
        content: COCO-style, as for `write_review`.
        name: Name of the labels.
        video: Name of the video.

    Raises:
        InputError: A record cannot be shown; the message names it.
    """
    poses = read_poses(content, name)
    # The page marks what it saves as propagated if a joint that a program set is left.
    info = content.get("info") or {}
    given = {key: value for key, value in info.items() if key != PROPAGATED_BY}
    labels = to_json(content | ({"info": given} if "info" in content else {}), name)
    needs = frame_needs(len(content["images"]), poses.frame, poses.doubts)
    for swap in poses.swaps:
        needs[swap.frame] = max(needs[swap.frame], swap.doubt)
    data = _page_data(content, poses, needs) | {
        "name": name,
        "video": video,
        "propagated_by": info.get(PROPAGATED_BY),
        "identity": hashlib.sha256(labels).hexdigest()[:16],
    }
    return Review(poses=poses, needs=needs, labels=labels, data=data)


def _page_data(content: dict[str, Any], poses: ReviewedPoses, needs: np.ndarray) -> dict[str, Any]:
    """Return the data of the page other than the labels; frames are numbered from 0."""
    category = keypoint_category(content)
    names = category["keypoints"]
    sides = [""] * len(names)
    for pair in named_skeleton(names).flip_pairs:
        for joint in pair:
            sides[joint] = side(names[joint], names)
    count = int(np.clip(poses.labeled.sum(), *SUGGESTED))
    suggested = suggest_frames(poses.numbers, poses.labeled, needs, count)
    return {
        "order": poses.order,
        "numbers": poses.numbers.tolist(),
        "propagated": [np.flatnonzero(row).tolist() for row in poses.propagated],
        "doubts": [
            [None if math.isnan(doubt) else doubt for doubt in row] if propagated.any() else None
            for row, propagated in zip(np.round(poses.doubts, 2).tolist(), poses.propagated, strict=True)
        ],
        "bones": _bones(category.get("skeleton"), names),
        "sides": sides,
        "doubtful": DOUBTFUL,
        "scores": (content.get("info") or {}).get(SCORES) or "",
        "needs": _needs(content, poses, needs),
        "suggested": [_why(content, poses, frame) for frame in suggested],
    }


def _needs(content: dict[str, Any], poses: ReviewedPoses, needs: np.ndarray) -> list[dict[str, Any]]:
    """Return the frames with doubtful joints and the possible swaps, most urgent first."""
    doubtful = np.zeros(len(needs), dtype=bool)
    doubtful[poses.frame[(np.nan_to_num(poses.doubts) > DOUBTFUL).any(axis=1)]] = True
    found: list[tuple[float, dict[str, Any]]] = []
    for swap in poses.swaps:
        track, other = poses.track[list(swap.after)].tolist()
        link = [swap.before[0], swap.after[0]]
        item = {"frame": swap.frame, "track": track, "other": other, "link": link, "text": "possible swap"}
        found.append((swap.doubt, item))
    found += [(float(needs[frame]), _why(content, poses, frame)) for frame in rank_frames(needs) if doubtful[frame]]
    return [item for _, item in sorted(found, key=lambda pair: -pair[0])]


def _why(content: dict[str, Any], poses: ReviewedPoses, frame: int) -> dict[str, Any]:
    """Return a frame's most doubtful joint and the reason for the doubt."""
    names = keypoint_category(content)["keypoints"]
    rows = np.flatnonzero(poses.frame == frame)
    doubts = np.nan_to_num(poses.doubts[rows], nan=-1)
    row, joint = np.unravel_index(np.argmax(doubts), doubts.shape)
    person = rows[row]
    reasons = [f"score {poses.scores[person, joint]:.2f}"]
    if poses.disagreements[person, joint] >= 0.5:
        reasons.append(f"{poses.disagreements[person, joint]:.0f} px disagreement")
    text = f"{names[joint]}: {', '.join(reasons)}"
    return {"frame": frame, "track": int(poses.track[person]), "joint": int(joint), "text": text}


def _bones(given: Any, names: list[str]) -> list[list[int]]:
    """Return the pairs of joints to connect: from the file (1-based), or the defaults for joints of these names."""
    pairs = [bone for bone in given or [] if isinstance(bone, list) and len(bone) == 2]
    pairs = [[a - 1, b - 1] for a, b in pairs if {a, b} <= set(range(1, len(names) + 1))]
    return pairs or [list(bone) for bone in named_skeleton(names).bones]


def to_json(value: Any, name: str) -> bytes:
    """Serialize to JSON that is safe inside a page: without `<`, so no text can close its element; NaN becomes null."""
    try:
        return orjson.dumps(value, option=orjson.OPT_STRICT_INTEGER).replace(b"<", b"\\u003c")
    except TypeError as error:  # orjson's error is a subclass
        raise InputError(f"{name}: these labels cannot be stored as JSON: {error}") from None


def render_page(
    title: str, data: dict[str, bytes], scripts: Sequence[str], *, markup: str = "page.html", is_served: bool = False
) -> tuple[bytes, bytes]:
    """Return the parts of a page before and after its pictures.

    The content security policy allows only the page's own script and style, by their hashes, its empty icon, which
    browsers ask a server for otherwise, and no connections except to the server of a served page.

    Args:
        title: Title of the page.
        data: JSON by name, from `to_json`.
        scripts: Files of review_page/, in order.
        markup: File of the markup.
        is_served: The page comes from a server.
    """
    styles = ("page.css", "live.css") if is_served else ("page.css",)
    style = "".join((PAGE / part).read_text(encoding="utf-8") for part in styles)
    script = '"use strict";\n' + "".join((PAGE / part).read_text(encoding="utf-8") for part in scripts)
    policy = f"default-src 'none'; script-src {_sum(script)}; style-src {_sum(style)}; img-src data:"
    policy += "; connect-src 'self'" if is_served else ""
    text = (PAGE / markup).read_text(encoding="utf-8")
    for mark, value in (("policy", policy), ("style", style), ("title", html.escape(title))):
        text = text.replace(f"{{{{{mark}}}}}", value)
    head = text.encode() + b"".join(_script(key, value) for key, value in data.items())
    return head, f"<script>{script}</script>\n</body>\n</html>\n".encode()


def _sum(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _script(key: str, value: bytes) -> bytes:
    return b'<script type="application/json" id="data-%s">%s</script>\n' % (key.encode(), value)


def _element(picture: Picture) -> bytes:
    attributes = f'data-frame="{picture.frame}" data-width="{picture.width}" data-height="{picture.height}"'
    return f'<script type="image/jpeg" {attributes}>'.encode() + base64.b64encode(picture.jpeg) + b"</script>\n"


def _cost(jpeg: bytes) -> int:
    """Return an upper bound of the bytes of a picture's element."""
    return len(base64.b64encode(jpeg)) + 100
