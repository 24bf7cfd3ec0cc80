"""Index of a project: its videos, and the frames of all of them that need review most, as a single HTML file."""

import html
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lib.formats.posetrack18 import keypoint_category
from lib.utils.files import atomic_path
from lib.visualization.review import needed_frames

MAX_NEEDS = 40
"""Maximum number of frames to keep for a video, and to list in the index."""
STYLE = """
:root { color-scheme: light dark; --line: #c9c9c4; --quiet: #5c5c58; --accent: #0b5cad; --bar: #d1380f; }
@media (prefers-color-scheme: dark) {
  :root { --line: #45454a; --quiet: #a9a9a4; --accent: #6db3f2; --bar: #ff7a4d; }
}
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: 0.3rem 0.6rem; text-align: left; }
th { color: var(--quiet); font-weight: 600; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
a { color: var(--accent); }
meter { width: 6rem; }
p { color: var(--quiet); }
"""


@dataclass(frozen=True)
class Need:
    """A frame that needs review.

    Attributes:
        frame: Number of the frame.
        need: How much it needs review, from 0 to 1.
        reason: Its most doubtful joint and why.
    """

    frame: int
    need: float
    reason: str


@dataclass(frozen=True, kw_only=True)
class VideoSummary:
    """Summary of a video.

    Attributes:
        video: File name of the video.
        frames: Number of frames.
        labeled: Number of frames with labels of a person.
        poses: Number of poses.
        joints: Number of joints of an individual.
        needs: The frames that need review most, most urgent first.
    """

    video: str
    frames: int
    labeled: int
    poses: int
    joints: int
    needs: tuple[Need, ...]

    def as_record(self) -> dict[str, Any]:
        """Return the summary as a JSON object."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "VideoSummary":
        """Return the summary of a JSON object of `as_record`."""
        return cls(**{**record, "needs": tuple(Need(**need) for need in record["needs"])})


def summarize_video(content: dict[str, Any], video: str, labeled: int) -> VideoSummary:
    """Return the summary of the labels of a video.

    Args:
        content: COCO-style labels of all frames.
        video: File name of the video.
        labeled: Number of frames with labels of a person.
    """
    needs = tuple(Need(*one) for one in needed_frames(content, video)[:MAX_NEEDS])
    joints = len(keypoint_category(content)["keypoints"])
    return VideoSummary(
        video=video,
        frames=len(content["images"]),
        labeled=labeled,
        poses=len(content["annotations"]),
        joints=joints,
        needs=needs,
    )


def write_index(path: Path, title: str, videos: Mapping[str, VideoSummary]) -> None:
    """Write the index of a project. Its links lead to the review pages beside it.

    Args:
        path: Path of the .html file.
        title: Title of the page.
        videos: Summary of each video, by the name of its review page.
    """
    rows = [_video_row(name, summary) for name, summary in videos.items()]
    needs = [(need, name) for name, summary in videos.items() for need in summary.needs]
    needs.sort(key=lambda pair: -pair[0].need)
    queue = [_need_row(name, need) for need, name in needs[:MAX_NEEDS]]
    labeled = sum(summary.labeled for summary in videos.values())
    poses = sum(summary.poses for summary in videos.values())
    text = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{html.escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<h1>{html.escape(title)}</h1>
<p>{len(videos)} videos, {labeled} labeled frames, {poses} poses</p>
<table>
<tr><th>Video</th><th class="number">Frames</th><th class="number">Labeled</th><th class="number">Poses</th>
<th>Needs review most</th></tr>
{"".join(rows)}
</table>
<h2>Frames that need review</h2>
<table>
<tr><th>Video</th><th class="number">Frame</th><th>Need</th><th>Most doubtful joint</th></tr>
{"".join(queue)}
</table>
</body>
</html>
"""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _link(name: str, frame: int | None, text: str) -> str:
    target = quote(f"{name}.html") + (f"#{frame}" if frame is not None else "")
    return f'<a href="{target}">{html.escape(text)}</a>'


def _video_row(name: str, summary: VideoSummary) -> str:
    worst = summary.needs[0] if summary.needs else None
    numbers = "".join(
        f'<td class="number">{number}</td>' for number in (summary.frames, summary.labeled or "–", summary.poses)
    )
    first = f"{_link(name, worst.frame, f'frame {worst.frame}')}: {html.escape(worst.reason)}" if worst else "nothing"
    return f"<tr><td>{_link(name, None, summary.video)}</td>{numbers}<td>{first}</td></tr>\n"


def _need_row(name: str, need: Need) -> str:
    return (
        f'<tr><td>{html.escape(name)}</td><td class="number">{_link(name, need.frame, str(need.frame))}</td>'
        f'<td><meter value="{need.need:.3f}">{need.need:.2f}</meter></td><td>{html.escape(need.reason)}</td></tr>\n'
    )
