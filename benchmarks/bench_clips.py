"""Time reading clips of people against a decode per person and frame, and count the decodes.

python benchmarks/bench_clips.py
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from timing import keep, median_and_spread, output_file, time_in_turns
from torch.utils.data import DataLoader, Subset

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import lib.frames.store
from lib.dataset.clips import ClipDataset, ClipOptions, FixedFrames
from lib.dataset.loaders import LoaderOptions, sequential_loader
from lib.dataset.people import Person
from lib.dataset.samplers import BlockShuffle
from lib.frames.store import CACHED_BYTES, ImageStore
from lib.frames.video import FrameFolder

MAX_VIDEOS, NUM_FRAMES, NUM_PEOPLE, WIDTH, HEIGHT = 8, 30, 6, 1920, 1080
BATCH_SIZE = 16
PEER_CLIPS = 32  # a decode per person and frame is slow, and each clip takes the same time


def write_videos(root: Path) -> None:
    """Write folders of JPEG frames with the file size of camera images."""
    rng = np.random.default_rng(0)
    for number in range(NUM_FRAMES):
        pixels = cv2.resize(rng.integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3), dtype=np.uint8), (WIDTH, HEIGHT))
        content = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
        for video in range(MAX_VIDEOS):
            path = root / f"{video}/{number:06d}.jpg"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)


def build_clips(root: Path, num_videos: int, cached_bytes: int) -> ClipDataset:
    """Return clips of five frames and six people per key frame."""
    store = ImageStore(root, cached_bytes=cached_bytes)
    videos = {video: FrameFolder(store, str(video)) for video in range(num_videos)}
    scale = np.array([1.2, 1.6], np.float32)
    people = [
        Person(
            video=v,
            frame=n,
            number=n,
            center=np.array([250 + 280 * p, 540], np.float32),
            scale=scale,
            joints=np.zeros((17, 2)),
            labeled=np.zeros(17, bool),
        )
        for v in range(num_videos)
        for n in range(NUM_FRAMES)
        for p in range(NUM_PEOPLE)
    ]
    return ClipDataset(
        people,
        videos,
        FixedFrames([0, -1, -2, 1, 2]),
        options=ClipOptions(image_size=(288, 384), heatmap_size=(72, 96)),
    )


@contextmanager
def counted_decodes(log: Path) -> Iterator[Callable[[], int]]:
    """Count the decoded frames of this process and of workers that it starts."""
    decode = lib.frames.store.decode

    def count(*arguments: object) -> np.ndarray:
        with log.open("a") as file:
            file.write("1")
        return decode(*arguments)

    log.write_text("")
    lib.frames.store.decode = count
    try:
        yield lambda: len(log.read_text())
    finally:
        lib.frames.store.decode = decode


def read(loader: DataLoader) -> int:
    """Read all clips once, and return their number."""
    return sum(len(batch.index) for batch in loader)


def build_loader(root: Path, num_videos: int, workers: int, cache_mb: int) -> DataLoader:
    """Return clips in the order of a test, or of shuffled training with a cache of `cache_mb`; the cache is empty."""
    if not cache_mb:
        clips = build_clips(root, num_videos, CACHED_BYTES)
        return sequential_loader(clips, LoaderOptions(BATCH_SIZE, workers), cuda=True)
    clips = build_clips(root, num_videos, (cache_mb << 20) // max(1, workers))
    order = BlockShuffle(clips, cache_mb << 20, batch_size=BATCH_SIZE)
    return DataLoader(clips, batch_size=BATCH_SIZE, sampler=order, num_workers=workers)


def build_peer(root: Path, num_videos: int, workers: int) -> DataLoader:
    """Return some of the clips, each frame of which is decoded for each person."""
    clips = build_clips(root, num_videos, 0)
    few = range(0, len(clips), len(clips) // PEER_CLIPS)[:PEER_CLIPS]
    return DataLoader(Subset(clips, few), batch_size=4, num_workers=workers)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="for each line")
    parser.add_argument("--cache", type=int, default=2048, help="TRAIN.FRAME_CACHE_MB of shuffled training")
    parser.add_argument("--out", type=output_file, help="keep the figures in this JSON file")
    args = parser.parse_args()
    cv2.setNumThreads(0)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_videos(root)
        for name, workers, num_videos, cache_mb in (
            ("test", 0, 1, 0),
            ("test", 2, 2, 0),
            ("shuffled training", 2, MAX_VIDEOS, args.cache),
        ):
            case, peer_case = (root, num_videos, workers, cache_mb), (root, num_videos, workers)
            with counted_decodes(root / "decodes") as decodes:
                count = read(build_loader(*case))
                per_frame = decodes() / (num_videos * NUM_FRAMES)
            functions = {
                "ours": lambda case=case: read(build_loader(*case)),
                "peer": lambda case=peer_case: read(build_peer(*case)),
            }
            times = time_in_turns(functions, args.seconds)
            (ours, spread), (peer, peer_spread) = (median_and_spread(of) for of in times.values())
            rate, peer_rate = 1e3 * count / ours, 1e3 * PEER_CLIPS / peer
            rows.append(
                {"case": name, "workers": workers, "clips_per_second": rate, "spread": spread}
                | {"peer_clips_per_second": peer_rate, "peer_spread": peer_spread}
                | {"ratio": rate / peer_rate, "decodes_per_frame": per_frame}
            )
            print(
                f"{name}, {workers} workers: {rate:.1f} clips/s ± {spread:.0%}; a decode per person and frame "
                f"{peer_rate:.1f} ± {peer_spread:.0%}; ratio {rate / peer_rate:.1f}; {per_frame:.2f} decodes per frame",
                flush=True,
            )
    if args.out:
        keep(args.out, rows)


if __name__ == "__main__":
    main()
