"""Loss, accuracy and speed of a training epoch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Meter:
    """Running mean, weighted by the number of clips.

    Attributes:
        total: Sum of the values of all clips.
        count: Number of clips.
    """

    total: float = 0.0
    count: int = 0

    def add(self, value: float, count: int) -> None:
        """Add the mean of a batch.

        Args:
            value: Mean of the batch.
            count: Number of clips in the batch.
        """
        self.total += value * count
        self.count += count

    @property
    def mean(self) -> float:
        """Mean over all clips; 0 if there are none."""
        return self.total / max(1, self.count)


@dataclass
class EpochReport:
    """Loss, accuracy and speed of an epoch.

    Attributes:
        loss: Mean loss over the clips.
        accuracy: Mean accuracy over the clips.
        replaced: Number of missing or damaged frames that were replaced by the nearest frame.
        damaged: Number of times that another clip took the place of a clip with a damaged key frame.
        skipped: Number of iterations that were skipped because their loss was not finite.
        seconds: Duration so far.
        data_seconds: Part of `seconds` that was spent waiting for clips.
        peak_memory: Peak memory of this process in MiB: GPU memory, or resident memory if the device is the CPU.
    """

    loss: Meter = field(default_factory=Meter)
    accuracy: Meter = field(default_factory=Meter)
    replaced: int = 0
    damaged: int = 0
    skipped: int = 0
    seconds: float = 0.0
    data_seconds: float = 0.0
    peak_memory: float = 0.0

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "EpochReport":
        """Return the report whose fields `dataclasses.asdict` returned.

        Args:
            fields: Value of each field.
        """
        meters = {name: Meter(**fields[name]) for name in ("loss", "accuracy")}
        return cls(**{**fields, **meters})

    @property
    def speed(self) -> float:
        """Clips per second of this process."""
        return self.loss.count / self.seconds if self.seconds else 0.0

    def record(self) -> dict[str, Any]:
        """Return the record of the epoch in the history."""
        return {
            "loss": self.loss.mean,
            "accuracy": self.accuracy.mean,
            "samples": self.loss.count,
            "seconds": self.seconds,
            "data_seconds": self.data_seconds,
            "clips_per_second": self.speed,
            "peak_memory_mib": self.peak_memory,
            "replaced_frames": self.replaced,
            "damaged_clips": self.damaged,
            "skipped_iterations": self.skipped,
        }
