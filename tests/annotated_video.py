"""A video of two moving animals with four joints each, which optical flow can follow, and a server that shows it."""

import re
import signal
import sys
from pathlib import Path

import cv2
import numpy as np

from lib.frames.video_writer import VideoWriter
from tests.tool_runner import RunningTool

ROOT = Path(__file__).parents[1]
COMMAND = [sys.executable, str(ROOT / "tools" / "annotate.py"), "--no-browser"]
NAMES = ["nose", "left_ear", "right_ear", "tail"]
WIDTH, HEIGHT, FRAMES = 320, 240, 41
SHAPE = np.array([[0, -30], [-22, -6], [22, -6], [0, 34]])


def joints(frame, track):
    """The (4, 2) joints of an animal."""
    angle = 0.02 * frame * (1 - 2 * track)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    start = np.array([[70, 80], [240, 150]][track])
    return start + frame * np.array([[1.5, 1.0], [-1.5, -0.5]][track]) + SHAPE @ turn.T


def draw(frame):
    noise = np.random.default_rng(3).integers(60, 130, (HEIGHT // 8, WIDTH // 8, 3), dtype=np.uint8)
    image = cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    for track in (0, 1):
        points = joints(frame, track)
        color = [(40, 60, 200), (200, 90, 30)][track]
        cv2.polylines(image, [points[[0, 1, 3, 2]].round().astype(int)], True, color, 8, cv2.LINE_AA)
        for place, (x, y) in enumerate(points):
            cv2.circle(
                image, (round(16 * x), round(16 * y)), 16 * 6, (255, 255 - 60 * place, 60 * place), -1, cv2.LINE_AA, 4
            )
    return image


def write_video(path, frames=FRAMES):
    with VideoWriter(path, (WIDTH, HEIGHT), 25) as video:
        for frame in range(frames):
            video.write(draw(frame))
    return path


class Server:
    """tools/annotate.py as a process."""

    def __init__(self, *arguments):
        self.arguments = [str(one) for one in arguments]
        self.address = ""
        self.start()

    def start(self):
        self.process = RunningTool([*COMMAND, *self.arguments], one_output=True)
        told = ""
        while not (found := re.search(r"http://\S+", told)):
            line = self.process.stdout.readline()
            assert line, told
            told += line
        self.address = found[0]

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    def interrupt(self):
        """Stop it as Ctrl-C does; returns what it printed, and the status."""
        self.process.send_signal(signal.SIGINT)
        told = self.process.stdout.read()
        return told, self.process.wait()
