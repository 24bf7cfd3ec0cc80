"""Loss, accuracy and speed of an epoch of training."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Meter:
    """Running mean, weighted by the number of clips."""

    total: float = 0.0
    count: int = 0

    def add(self, value: float, count: int) -> None:
        """Add the mean of `count` clips."""
        self.total += value * count
        self.count += count

    @property
    def mean(self) -> float:
        """Return the mean over all clips, 0 without any."""
        return self.total / max(1, self.count)


@dataclass
class EpochReport:
    """Loss, accuracy and speed of an epoch.

    Attributes:
        loss: Mean loss over the clips.
        accuracy: Mean accuracy over the clips.
        replaced: Number of frames that were missing or damaged and had the nearest frame take their place.
        seconds: Duration so far.
        data_seconds: The part of it that was spent waiting for clips.
        peak_memory: Peak memory of this process in MiB: of the GPU, or the resident memory where the CPU trains.
    """

    loss: Meter = field(default_factory=Meter)
    accuracy: Meter = field(default_factory=Meter)
    replaced: int = 0
    seconds: float = 0.0
    data_seconds: float = 0.0
    peak_memory: float = 0.0

    @property
    def speed(self) -> float:
        """Return the clips per second of this process."""
        return self.loss.count / self.seconds if self.seconds else 0.0

    def record(self) -> dict[str, Any]:
        """Return the epoch's line of the history."""
        return {
            "loss": self.loss.mean,
            "accuracy": self.accuracy.mean,
            "samples": self.loss.count,
            "seconds": self.seconds,
            "data_seconds": self.data_seconds,
            "clips_per_second": self.speed,
            "peak_memory_mib": self.peak_memory,
            "replaced_frames": self.replaced,
        }
