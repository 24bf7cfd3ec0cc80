"""Difficulty settings of synthetic videos."""

from dataclasses import dataclass

from lib.utils.errors import InputError


@dataclass(frozen=True)
class VideoSpec:
    """Specification of a video; default speeds are those of people filmed at about 12 frames per second.

    Attributes:
        width: Width of the frames, in pixels.
        height: Height of the frames, in pixels.
        frames: Frames per video, at most 9999 (PoseTrack's frame ids have four digits for them).
        people: Minimum and maximum number of people in a video.
        person_height: Minimum and maximum height of an upright person, in heights of the frame.
        tempo: Factor on the speed of all movements of people.
        blur: Exposure time as a share of the time between two frames, 0 to 1.
        occlusion: Average number of things flying in front of the people.
        damage: Share of frames that are damaged independently: defocus, noise, lost blocks, exposure, 0 to 1.
        noise: Standard deviation of the sensor noise, in gray levels of 255.
        camera: Strength of pan, zoom and shake; 0 is a tripod.
        clutter: Number of objects in the background.
        jpeg_quality: 1 to 100.
    """

    width: int = 320
    height: int = 240
    frames: int = 40
    people: tuple[int, int] = (3, 5)
    person_height: tuple[float, float] = (0.38, 0.83)
    tempo: float = 1.0
    blur: float = 0.4
    occlusion: float = 0.8
    damage: float = 0.4
    noise: float = 4.0
    camera: float = 1.0
    clutter: int = 14
    jpeg_quality: int = 88

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("width", self.width, 32, 8192),
            ("height", self.height, 32, 8192),
            ("frames", self.frames, 1, 9999),
            ("people (fewest)", self.people[0], 0, 100),
            ("people (most)", self.people[1], self.people[0], 100),
            ("person_height (smallest)", self.person_height[0], 0.05, 4),
            ("person_height (largest)", self.person_height[1], self.person_height[0], 4),
            ("tempo", self.tempo, 0, 10),
            ("blur", self.blur, 0, 1),
            ("occlusion", self.occlusion, 0, 50),
            ("damage", self.damage, 0, 1),
            ("noise", self.noise, 0, 100),
            ("camera", self.camera, 0, 5),
            ("clutter", self.clutter, 0, 1000),
            ("jpeg_quality", self.jpeg_quality, 1, 100),
        ):
            if not low <= value <= high:
                raise InputError(f"synthetic videos: {name} is {value}; it must be between {low} and {high}")


PRESETS = {
    "easy": VideoSpec(people=(1, 3), blur=0.2, occlusion=0.2, damage=0.1, noise=2.0, camera=0.5, clutter=6, tempo=0.8),
    "default": VideoSpec(),
    "hard": VideoSpec(people=(4, 7), blur=0.7, occlusion=1.5, damage=0.6, noise=8.0, camera=1.6, clutter=24, tempo=1.2),
}
