"""One's own video: a PoseWarper learns from its labelled frames and gives the others labels."""

import argparse
import hashlib
import json
from pathlib import Path, PurePath
from typing import Any

from _propagating import needs_net
from _steps import ROOT, Step, carry_out
from yacs.config import CfgNode

from lib.config import load_config
from lib.dataset.custom_video import box_sizes, crop_size, repetitions, spaced
from lib.formats.coco import check_labels, keep_labels, labeled_images
from lib.formats.json_fields import whole_number
from lib.formats.labels import coco as coco_labels
from lib.formats.labels.registry import check_written, find_format, read_any_labels, write_any_labels
from lib.formats.posetrack18 import keypoint_category
from lib.formats.posetrack_set import read_videos
from lib.frames.store import ImageStore
from lib.frames.unpack import frame_reader, unpack
from lib.frames.video import FrameFolder
from lib.utils.errors import InputError
from lib.utils.files import claim_outputs, frame_number, read_json, refuse_inside, remove_folder, write_json
from lib.visualization.poses import render_labels
from lib.visualization.review import write_review

RECIPE = ROOT / "experiments" / "video"  # files of both stages
STAGES = ("single", "posewarper")


def label_video(args: argparse.Namespace) -> None:
    """Train both stages on the labelled frames of a video, and propagate their labels to the other frames.

    What a run leaves is in a folder named like `--out`: the frames of a video file, the nets, under a name that stands
    for what they learn and how, and what lies between each two labels. The same command goes on where it was
    interrupted; after a correction of labels the nets stay as they are, and so does what does not hang on it.

    Raises:
        InputError: labels or frames that cannot be used, or a file to write that would be in the way.
    """
    check_places(args)
    given = given_labels(args)
    frames = open_folder(args)
    content, numbers = _number(args, given, frames), set(frames.numbers)
    labeled = labeled_images(content)
    names = [image["file_name"] for image in content["images"] if image["id"] in labeled]
    names = {frame_number(name): name for name in names}
    kept = spaced(list(names), args.every) if args.every else list(names)
    if args.every and len(kept) == len(names):
        raise InputError(f"--every {args.every} hides no label: there is nothing to measure")
    if not numbers - set(kept) and args.merge != "fill":
        raise InputError(f"{args.labels}: every frame of {args.video} is labelled")
    kept_content = keep_labels(content, [names[number] for number in kept])
    nets, keys = _prepare(args, kept_content, frames.path.absolute())
    labels, truth = nets / "labels.json", nets / "truth.json"
    write_json(labels, kept_content)
    write_json(truth, content)

    keys += ["DATASET.TRAIN_ANNOTATIONS", str(labels), "OUTPUT_DIR", str(nets), "LOG_DIR", str(nets / "log")]
    cfgs = [load_config(args.recipe / f"{stage}.yaml", keys) for stage in STAGES]
    first, second = (product(cfg, nets, stage) for cfg, stage in zip(cfgs, STAGES, strict=True))
    later = [*keys, "MODEL.PRETRAINED", first, "EXPERIMENT_NAME", STAGES[1]]
    train = ["train.py", "--cfg", args.recipe / f"{STAGES[0]}.yaml", *keys, "EXPERIMENT_NAME", STAGES[0]]
    steps = [
        Step("The pose net learns from the labelled frames.", train, first),
        Step(
            "The warping head learns from pairs of a labelled frame and one near it.",
            ["train.py", "--cfg", args.recipe / f"{STAGES[1]}.yaml", *later],
            second,
        ),
    ]
    dense = nets / "dense.json"
    options = ["--method", args.method, *(["--fuse"] if args.fuse else []), "--out", dense]
    options += [part for prior in args.prior for part in ("--prior", prior)]
    options += ["--raft", args.raft] if args.raft else []
    options += ["--merge", args.merge] if args.merge else []
    measured = ["DATASET.TEST_ANNOTATIONS", truth] if args.every else []
    propagate = ["propagate.py", "--cfg", args.recipe / f"{STAGES[1]}.yaml", *later, *measured, *options]
    steps = steps if needs_net(args, cfgs[1]) else []
    print(f"{len(kept_content['annotations'])} poses are labelled, in {len(kept)} of {len(numbers)} frames.")
    carry_out([*steps, Step("The labels are propagated.", propagate, None)])
    finish(args, read_json(dense))


def check_places(args: argparse.Namespace) -> None:
    """Refuse files to write that would be in the way of others."""
    check_written(args.out)
    if args.out.with_suffix("").resolve() == args.video.resolve():
        raise InputError(
            f"--out {args.out}: nets and logs would go into {args.video}, among the frames; name it otherwise"
        )
    if args.draw and (args.draw.suffix != ".mp4" or args.draw.is_dir()):
        raise InputError(f"--draw {args.draw}: it has to name an .mp4 file")
    if args.review and (args.review.suffix != ".html" or args.review.is_dir()):
        raise InputError(f"--review {args.review}: it has to name an .html file")
    read = [("--labels", args.labels), ("--video", args.video), ("--images", args.images), ("--raft", args.raft)]
    read += [("--recipe", args.recipe / f"{stage}.yaml") for stage in STAGES]
    work = args.out.with_suffix("")
    refuse_inside(read, work, f"{work} is for the nets of this run")
    claim_outputs([("--out", args.out), ("--review", args.review), ("--draw", args.draw)], read)


def finish(args: argparse.Namespace, content: dict[str, Any]) -> None:
    """Write all labels with the video's names of frames, in the format that is wanted, and what shows them."""
    video = next((image["video_id"] for image in content["images"] if "video_id" in image), None)
    for image in content["images"]:
        image["frame_id"] = frame_number(image["file_name"])
        if video is not None:
            image["video_id"] = video
    if args.video.is_file():
        for image in content["images"]:
            image["file_name"] = f"{args.video.name}#{image['frame_id']}"
        for person in content["annotations"]:
            if "propagated_from" in person:
                person["propagated_from"] = f"{args.video.name}#{frame_number(person['propagated_from'])}"
    labels = coco_labels.labels_of(content, args.out)
    if args.out.suffix == ".json":
        write_json(args.out, content)
    else:
        for line in write_any_labels(args.out, labels):
            print(f"{args.out} has no place for {line}")
    if args.review:
        read = frame_reader(args.video, args.out.with_suffix("") / "frames")
        write_review(content, read, args.review, args.out.stem)
    if args.draw:
        render_labels(args.draw, args.video, labels)
    print(f"{args.out}: {len(content['annotations'])} poses")


def open_folder(args: argparse.Namespace) -> FrameFolder:
    """The video's frames; those of a file are unpacked first."""
    if args.video.is_dir():
        return FrameFolder(ImageStore(args.video), ".")
    folder = args.out.with_suffix("") / "frames"
    damaged = unpack(args.video, folder).damaged
    if damaged:
        print(f"{args.video}: {len(damaged)} frames are damaged, the first is {damaged[0]}: they get no labels.")
    return FrameFolder(ImageStore(folder), ".")


def _prepare(args: argparse.Namespace, labels: dict[str, Any], frames: Path) -> tuple[Path, list[Any]]:
    """The folder of the nets that learn from these labels, or have learned from earlier ones, and their keys.

    The size of crops and the length of epochs go by the labels that the nets learn from.
    """
    names = keypoint_category(labels)["keypoints"]
    given = ["DATASET.ROOT", str(frames), "MODEL.NUM_JOINTS", len(names), *args.opts]
    cfgs = [load_config(args.recipe / f"{stage}.yaml", given) for stage in STAGES]
    taught = [{section: dict(cfg[section]) for section in ("MODEL", "DATASET", "TRAIN", "LOSS")} for cfg in cfgs]
    digest = hashlib.sha256(json.dumps(labels).encode()).hexdigest()
    identity = [names, taught, cfgs[0].SEED, digest if args.every else None]
    nets = args.out.with_suffix("") / hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:8]
    recipe = nets / "recipe.json"
    if recipe.exists() and read_json(recipe)["labels"] != digest:
        learned = product(cfgs[1], nets, STAGES[1])
        places = [
            product(cfg, nets, stage).with_name("checkpoint.pth") for cfg, stage in zip(cfgs, STAGES, strict=True)
        ]
        if learned.exists() and not args.relearn:
            print("The nets stay as they are, and have learned from other labels: --relearn teaches them these.")
        elif any(place.exists() for place in places):
            remove_folder(nets)
        else:
            recipe.unlink()  # nothing has learned by it
    if not recipe.exists():
        path = nets / "labels.json"
        write_json(path, labels)
        boxes = box_sizes(read_videos(path, names))
        if not len(boxes):
            raise InputError(f"{args.labels}: no labelled joint")
        keys = {"MODEL.IMAGE_SIZE": crop_size(boxes), "DATASET.REPEAT": repetitions(len(boxes))}
        write_json(recipe, {"labels": digest, "keys": keys})
    chosen = [part for pair in read_json(recipe)["keys"].items() for part in pair]
    return nets, ["DATASET.ROOT", str(frames), "MODEL.NUM_JOINTS", len(names), *chosen, *args.opts]


def product(cfg: CfgNode, nets: Path, stage: str) -> Path:
    """What the training of a stage leaves."""
    return nets / cfg.DATASET.DATASET / cfg.MODEL.NAME / stage / "final_state.pth"


def given_labels(args: argparse.Namespace, of_video: bool = True) -> dict[str, Any]:
    """The labels that a person set, as a COCO-style file has them, of the one video, or of images."""
    if find_format(args.labels) == "coco":
        content = read_json(args.labels)
    else:
        content = coco_labels.content_of(read_any_labels(args.labels))
    content = coco_labels.set_by_person(content, args.labels)
    if of_video:
        _choose_video(args, content)
    return check_labels(content, args.labels, of_video)


def _choose_video(args: argparse.Namespace, content: dict[str, Any]) -> None:
    """Leave out frames of other videos than the one that is to be labelled; name those of a video file by number."""
    labels = coco_labels.labels_of(content, args.labels)
    names = {labels.frames[frame].video for frame in labels.frame} - {""}
    if len(names) > 1:
        own = {name for name in names if PurePath(name).stem == args.video.stem}
        if len(own) != 1:
            known, here = ", ".join(sorted(names)[:5]), args.video.stem
            raise InputError(f"{args.labels}: has labels of {len(names)} videos ({known}): none is named {here}")
        names = own
    names.add("")  # a file name without a folder
    kept = [pair for pair in zip(content["images"], labels.frames, strict=True) if pair[1].video in names]
    content["images"] = [image for image, _ in kept]
    ids = {whole_number(image["id"]) for image, _ in kept}
    content["annotations"] = [one for one in content["annotations"] if whole_number(one["image_id"]) in ids]
    if args.video.is_file():
        for image, frame in kept:
            if frame.number >= 0:
                image["file_name"] = f"{args.video.name}#{frame.number}"


def _number(args: argparse.Namespace, content: dict[str, Any], frames: FrameFolder) -> dict[str, Any]:
    """The same with the names that the frames' files have, without images that are not there and have no label."""
    labeled, numbers, images, sized = labeled_images(content), set(), [], True
    for index, image in enumerate(content["images"]):
        number = frame_number(image["file_name"])
        if number is None or not frames.has(number):
            if image["id"] not in labeled:
                continue
            first, last = frames.numbers[0], frames.numbers[-1]
            raise InputError(
                f"{args.labels}: images[{index}]: {image['file_name']} is labelled, and is not there or is damaged: "
                f"the frames of {args.video} are {first} to {last}"
            )
        number = frames.number_of(image["file_name"])
        if number in numbers:
            raise InputError(f"{args.labels}: images[{index}]: a second frame {number}: {image['file_name']}")
        numbers.add(number)
        if not image.get("width"):
            sized = False
            image["width"], image["height"] = frames.size(number)
        images.append(image | {"file_name": frames.name(number)})
    content = content | {"images": images}
    if not sized:
        coco_labels.labels_of(content, args.labels)  # tells of labels outside the frames
    return content
