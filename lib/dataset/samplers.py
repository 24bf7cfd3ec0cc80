"""Orders of clips, in which a reading process gets clips that share frames one after another."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import cast

import numpy as np
from torch.utils.data import DistributedSampler, Sampler

from lib.dataset.clips import ClipDataset, Clips


def share(count: int, process: tuple[int, int]) -> range:
    """Return the consecutive clips of one of the processes that share a data set; shares differ by one at most.

    Args:
        count: Number of clips.
        process: Rank of the process and number of processes.
    """
    rank, processes = process
    return range(rank * count // processes, (rank + 1) * count // processes)


def split_among_workers(
    clips: Sequence[int],
    batch_size: int,
    num_workers: int,
    reorder: Callable[[Sequence[int]], Sequence[int]] = lambda part: part,
) -> list[int]:
    """Return clips in an order that gives each worker of a DataLoader one consecutive part of them.

    A DataLoader gives batch b to worker b mod num_workers, so the parts take turns, one batch each.

    Args:
        clips: Indices of clips.
        batch_size: Clips per batch. Only the last batch may be smaller.
        num_workers: Number of workers; 0 or 1: one process reads everything.
        reorder: Returns the clips of a part in the order in which the worker reads them.
    """
    workers = max(1, num_workers)
    batches = -(-len(clips) // batch_size)
    missing = batches * batch_size - len(clips)  # from the last batch
    parts, start = [], 0
    for worker in range(workers):
        size = len(range(worker, batches, workers)) * batch_size
        if batches and worker == (batches - 1) % workers:
            size -= missing
        parts.append(reorder(clips[start : start + size]))
        start += size
    firsts = [(parts[batch % workers], batch // workers * batch_size) for batch in range(batches)]
    return [clip for part, first in firsts for clip in part[first : first + batch_size]]


PARTS = 8
"""Number of blocks that the workers of a process read in turn. It does not depend on the number of workers, so that the
order of the clips does not either."""

BLOCK_SHARE = 0.6
"""Size of all blocks relative to the cache, which also holds frames of the blocks before."""


def block_workers(num_workers: int) -> int:
    """Return the number of workers, at most `num_workers`, that can share the parts of a BlockShuffle evenly.

    Args:
        num_workers: Number of workers, 0 for none.
    """
    return max((count for count in range(1, PARTS + 1) if PARTS % count == 0 and count <= num_workers), default=0)


class BlockShuffle(Sampler[int]):
    """Shuffle clips so that the workers of a DataLoader decode each frame about once in an epoch.

    Runs of clips that share frames are shuffled and divided into PARTS parts, which take turns, one batch each. Within
    a part, as many clips as have frames that fit into its share of the cache form a block and are shuffled. Blocks
    consist of other clips in each epoch. The order is the same for the same seed, epoch, and number of processes.

    Every clip occurs once in an epoch. If the processes cannot share the clips evenly, a few clips occur twice, as with
    torch.utils.data.DistributedSampler.

    Args:
        clips: Clips to shuffle.
        cached_bytes: Size of the decoded frames that the workers of a process keep together.
        batch_size: Clips per batch.
        process: Rank of this process and number of processes.
        seed: Seed of the order.
    """

    def __init__(
        self,
        clips: ClipDataset,
        cached_bytes: int,
        *,
        batch_size: int,
        process: tuple[int, int] = (0, 1),
        seed: int = 0,
    ) -> None:
        self._clips = clips
        self._block_bytes = BLOCK_SHARE * cached_bytes / PARTS
        self._batch_size = batch_size
        self._process = process
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of an epoch.

        Args:
            epoch: Number of the epoch.
        """
        self._epoch = epoch

    def __len__(self) -> int:
        return -(-len(self._clips) // self._process[1])

    def __iter__(self) -> Iterator[int]:
        rng = np.random.default_rng((self._seed, self._epoch))
        reads = [self._clips.frame_numbers(clip) for clip in range(len(self._clips))]
        runs = self._runs(reads)
        order = [clip for run in rng.permutation(len(runs)) for clip in runs[run]]
        order += order[: len(self) * self._process[1] - len(order)]
        part = [order[position] for position in share(len(order), self._process)]

        def shuffle_blocks(clips: Sequence[int]) -> list[int]:
            return [clip for block in self._blocks(clips, reads) for clip in rng.permutation(block).tolist()]

        return iter(split_among_workers(part, self._batch_size, PARTS, shuffle_blocks))

    def _runs(self, reads: Sequence[Sequence[int]]) -> list[list[int]]:
        """Return the runs of clips whose frames overlap in time, each in the order of the video.

        Args:
            reads: Numbers of the frames of each clip.
        """
        people = self._clips.people
        runs: list[list[int]] = []
        video, last = -1, -1  # of the current run
        for clip in sorted(range(len(people)), key=lambda clip: (people[clip].video, min(reads[clip]))):
            if people[clip].video != video or min(reads[clip]) > last:
                runs.append([])
                video, last = people[clip].video, -1
            runs[-1].append(clip)
            last = max(last, *reads[clip])
        return runs

    def _blocks(self, clips: Sequence[int], reads: Sequence[Sequence[int]]) -> Iterator[list[int]]:
        """Yield consecutive clips whose frames fit into a block, at least one clip at a time."""
        block: list[int] = []
        frames: set[tuple[int, int]] = set()
        size = 0
        for clip in clips:
            video = self._clips.people[clip].video
            new = {(video, number) for number in reads[clip]} - frames
            new_size = len(new) * self._clips.frame_bytes(clip)
            if block and size + new_size > self._block_bytes:
                yield block
                block, frames, size = [], set(), 0
                new = {(video, number) for number in reads[clip]}
                new_size = len(new) * self._clips.frame_bytes(clip)
            block.append(clip)
            frames |= new
            size += new_size
        if block:
            yield block


class EpochSampler(Sampler[int]):
    """Order of the clips of an epoch, which can begin in the middle of the epoch.

    Args:
        clips: The clips, whose frames and crops depend on the epoch too.
        order: Order of the clips, which depends on the epoch alone.
    """

    def __init__(self, clips: ClipDataset, order: "DistributedSampler[Clips] | BlockShuffle") -> None:
        self._clips = clips
        self._order = order
        self._start = 0

    def begin(self, epoch: int, start: int = 0) -> None:
        """Choose the clips of the next pass.

        Args:
            epoch: Number of the epoch.
            start: Number of clips at the beginning of the epoch to leave out.
        """
        self._clips.epoch = epoch
        self._order.set_epoch(epoch)
        self._start = start

    def __len__(self) -> int:
        """Return the number of clips in a complete epoch."""
        return len(self._order)

    def __iter__(self) -> Iterator[int]:
        return islice(cast(Iterator[int], iter(self._order)), self._start, None)
