"""Take the screenshots of docs/annotate.md: docs/images/annotate.png and docs/images/annotate_joints.png.

python docs/make_screenshots.py

This needs Playwright and Chromium. The video is synthetic, and every 15th frame of it is labeled.
"""

import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from lib.synthetic.presets import PRESETS, VideoSpec  # noqa: E402
from lib.synthetic.videos import make_videos  # noqa: E402

SPEC = replace(PRESETS["easy"], width=640, height=480, frames=120, people=(2, 2), tempo=0.5)
IMAGES = ROOT / "docs/images"
SEED, EVERY, FRAME = 2, 15, 37


def main() -> None:
    """Take both screenshots."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        clip, labels = make_clip(Path(folder))
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        command = [sys.executable, str(ROOT / "tools/annotate.py"), str(clip), "--labels", str(labels), "--no-browser"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(server.stdout.readline().split()[-1])
            take(page)
        finally:
            server.terminate()
            server.wait()


def make_clip(folder: Path, spec: VideoSpec = SPEC) -> tuple[Path, Path]:
    """Return a video and its labels."""
    make_videos(folder / "set", spec, {"val": 1}, seed=SEED, processes=1, as_mp4=True, label_every=EVERY)
    clip = folder / "clip.mp4"
    next((folder / "set/videos").rglob("*.mp4")).rename(clip)
    return clip, next((folder / "set/annotations/val").glob("*.json"))


def take(page: Any) -> None:
    """Take the screenshots: while a part of the poses is propagated, and of the dialog of joints."""
    page.wait_for_selector("#state:not(:empty)")
    page.locator("#frame").fill(str(FRAME))
    page.keyboard.press("Enter")
    page.keyboard.press("y")
    page.wait_for_function("() => document.getElementById('state').textContent === 'propagated'")
    page.wait_for_timeout(1000)  # the picture
    page.screenshot(path=IMAGES / "annotate.png")
    page.keyboard.press("v")
    page.locator("#joint-editor").screenshot(path=IMAGES / "annotate_joints.png")


if __name__ == "__main__":
    main()
