"""Outputs of a run: labels in the requested format, a review page, and a video."""

from typing import Any

from lib.formats.coco import is_oriented
from lib.formats.labels import coco as coco_labels
from lib.formats.labels.registry import check_written, write_any_labels
from lib.frames.unpack import frame_reader
from lib.labeling.options import LabelingOptions
from lib.utils.files import frame_number, write_json
from lib.visualization.poses import render_labels
from lib.visualization.review import write_review


def write_outputs(options: LabelingOptions, content: dict[str, Any]) -> None:
    """Write all labels with the frame names of the video, and the review page and the video if they were requested.

    Args:
        options: Options of the run.
        content: COCO-style labels of all frames, modified in place.
    """
    _name_frames(options, content)
    labels = coco_labels.labels_of(content, options.out)
    if check_written(options.out) == "coco":
        write_json(options.out, content)
    else:
        for line in write_any_labels(options.out, labels):
            print(f"{options.out}: the format cannot hold {line}")
    oriented = is_oriented(content)
    if options.review:
        read = frame_reader(options.video, options.work / "frames", oriented)
        write_review(content, read, options.review, options.out.stem, video=options.video.name)
    if options.draw:
        render_labels(options.draw, options.video, labels, oriented)
    print(f"{options.out}: {len(content['annotations'])} poses")
    if options.draw:
        print(f"{options.draw}: the video with the labels")
    if options.review:
        print(f"{options.review}: open it in a browser, correct the labels, and pass the saved file to --labels")


def _name_frames(options: LabelingOptions, content: dict[str, Any]) -> None:
    video = next((image["video_id"] for image in content["images"] if "video_id" in image), None)
    for image in content["images"]:
        image["frame_id"] = frame_number(image["file_name"])
        if video is not None:
            image["video_id"] = video
    if not options.video.is_file():
        return
    name = options.video.name
    for image in content["images"]:
        image["file_name"] = f"{name}#{image['frame_id']}"
    for person in content["annotations"]:
        if "propagated_from" in person:
            person["propagated_from"] = f"{name}#{frame_number(person['propagated_from'])}"
