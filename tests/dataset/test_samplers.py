"""Orders of clips, and decoded frames counted in the processes that read them."""

import math

import numpy as np
import pytest
import torch
from posetrack_sample import make_video, write_experiment

import lib.frames.store
from lib.config import load_config
from lib.dataset import build_training_loader, build_training_set
from lib.dataset.clips import ClipDataset, ClipOptions, FixedFrames, RandomPair
from lib.dataset.loaders import LoaderOptions, sequential_loader
from lib.dataset.people import Person
from lib.dataset.samplers import PARTS, BlockShuffle, block_workers, share, split_among_workers
from lib.frames.store import ImageStore
from lib.frames.video import FrameFolder
from lib.utils.errors import InputError

FRAMES, PEOPLE = 20, 3


@pytest.fixture
def clips(tmp_path):
    """Pairs of frames of 16 videos with 20 frames of three people."""
    store = ImageStore(tmp_path, cached_bytes=16 * FRAMES * 120 * 160 * 3)
    people, videos = [], {}
    for video in range(16):
        make_video(tmp_path, f"v{video}", num_frames=FRAMES, people=PEOPLE)
        videos[video] = FrameFolder(store, f"images/val/v{video}")
        people += [person(video, number) for number in range(FRAMES) for _ in range(PEOPLE)]
    return ClipDataset(
        people, videos, RandomPair([-2, -1, 0, 1, 2]), options=ClipOptions(image_size=(32, 32), heatmap_size=(8, 8))
    )


def person(video, number):
    center, scale = np.array([60, 60], np.float32), np.array([0.4, 0.4], np.float32)
    return Person(
        video=video,
        frame=number,
        number=number,
        center=center,
        scale=scale,
        joints=np.full((17, 2), 60.0),
        labeled=np.ones(17, bool),
    )


@pytest.fixture
def decodes(tmp_path, monkeypatch):
    """Names of the frames that were decoded, in any process."""
    log, decode = tmp_path / "decoded", lib.frames.store.decode

    def counted(content, path, oriented=False):
        with log.open("a") as file:
            file.write(f"{path}\n")
        return decode(content, path, oriented)

    monkeypatch.setattr(lib.frames.store, "decode", counted)
    log.touch()
    return lambda: log.read_text().splitlines()


def shuffled(clips, megabytes=4.0, process=(0, 1), epoch=0, batch_size=8):
    sampler = BlockShuffle(clips, int(megabytes * 2**20), batch_size=batch_size, process=process, seed=1)
    sampler.set_epoch(epoch)
    return list(sampler)


@pytest.mark.parametrize("count", [0, 1, 7, 8, 64, 100])
@pytest.mark.parametrize("workers", [0, 1, 2, 3, 8])
def test_every_worker_reads_one_part_in_order(count, workers):
    order = split_among_workers(range(count), 4, workers)
    assert sorted(order) == list(range(count))
    batches = [order[first : first + 4] for first in range(0, count, 4)]
    for worker in range(max(1, workers)):
        part = [clip for batch in batches[worker :: max(1, workers)] for clip in batch]
        assert part == list(range(part[0], part[0] + len(part))) if part else True


def test_shares_differ_by_one_clip_at_most():
    shares = [share(11, (rank, 4)) for rank in range(4)]
    assert [clip for part in shares for clip in part] == list(range(11))
    assert {len(part) for part in shares} == {2, 3}


def test_every_clip_occurs_once_in_an_order_of_seed_and_epoch(clips):
    order = shuffled(clips)
    assert sorted(order) == list(range(len(clips)))
    assert order == shuffled(clips)
    assert order != shuffled(clips, epoch=1)


def test_processes_share_the_clips_as_with_the_distributed_sampler(clips):
    shares = [shuffled(clips, process=(rank, 7)) for rank in range(7)]
    assert {len(part) for part in shares} == {math.ceil(len(clips) / 7)}
    assert {clip for part in shares for clip in part} == set(range(len(clips)))


def test_blocks_are_shuffled_and_consist_of_other_clips_in_each_epoch(clips):
    first, second = shuffled(clips, batch_size=32), shuffled(clips, epoch=1, batch_size=32)
    videos = [[clips.people[clip].video for clip in order[:32]] for order in (first, second)]
    assert set(videos[0]) != set(videos[1])
    numbers = np.array([clips.people[clip].number for clip in first[:32]])
    assert abs(np.corrcoef(numbers, np.arange(32))[0, 1]) < 0.6  # not in the order of the video
    whole = shuffled(clips, megabytes=1000, batch_size=len(clips) // PARTS)
    assert len({clips.people[clip].video for clip in whole[: len(clips) // PARTS]}) >= 2


def test_single_frames_are_shuffled_apart_from_their_neighbors(clips):
    single = ClipDataset(clips.people, clips._videos, FixedFrames([0]), options=clips.options)
    order = shuffled(single, batch_size=32)
    assert len({clips.people[clip].video for clip in order[:32]}) > 4


@pytest.mark.parametrize(("asked", "used"), [(0, 0), (1, 1), (2, 2), (3, 2), (7, 4), (24, 8)])
def test_the_parts_are_shared_evenly_among_workers(asked, used):
    assert block_workers(asked) == used


@pytest.mark.parametrize("workers", [0, 2])
def test_shuffled_training_decodes_a_frame_about_once(clips, decodes, workers):
    frame = 120 * 160 * 3
    megabytes = 16 * FRAMES / 4 * frame / 2**20  # a quarter of all frames
    sampler = BlockShuffle(clips, int(megabytes * 2**20), batch_size=4, seed=1)
    clips._videos[0]._store._images._max_bytes = 16 * FRAMES / 4 * frame / max(1, workers)
    loader = torch.utils.data.DataLoader(clips, batch_size=4, sampler=sampler, num_workers=workers)
    indices = [index for batch in loader for index in batch.index.tolist()]
    assert indices == list(sampler)
    needed = {(clips.people[clip].video, number) for clip in indices for number in clips.frame_numbers(clip)}
    assert len(set(decodes())) == len(needed)
    assert len(decodes()) <= 1.3 * len(needed)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_test_decodes_a_frame_about_once(clips, decodes, workers):
    five = ClipDataset(clips.people, clips._videos, FixedFrames([0, -1, -2, 1, 2]), options=clips.options)
    one = {clip: five[clip].frames for clip in (0, 500, 959)}
    before = len(decodes())
    found = {}
    for batch in sequential_loader(five, LoaderOptions(4, workers)):
        found |= dict(zip(batch.index.tolist(), batch.frames, strict=True))
    assert sorted(found) == list(range(len(five)))
    assert all(torch.equal(found[clip], frames) for clip, frames in one.items())
    assert len(decodes()) - before <= 1.02 * 16 * FRAMES


def test_the_training_loader_shuffles_in_blocks_if_asked_to(tmp_path):
    make_video(tmp_path / "data", "v", num_frames=9)
    keys = ["DATASET.TRAIN_SET", "val", "TRAIN.BATCH_SIZE_PER_GPU", "4", "TRAIN.FRAME_CACHE_MB"]

    def batches(*values):
        cfg = load_config(write_experiment(tmp_path, tmp_path / "data"), [*keys, *values])
        loader = build_training_loader(cfg, build_training_set(cfg), (0, 1), cuda=False)
        return [batch.index.tolist() for batch in loader]

    blocks = batches("100")
    assert sorted(clip for batch in blocks for clip in batch) == list(range(18))
    assert blocks == batches("100", "WORKERS", "2")  # resuming with other workers changes nothing
    assert blocks != batches("0")
    with pytest.raises(InputError, match=r"TRAIN\.FRAME_CACHE_MB requires TRAIN\.SHUFFLE"):
        batches("100", "TRAIN.SHUFFLE", "False")
