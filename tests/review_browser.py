"""A review page in a browser, as a person has it, and the file that it saves."""

import pytest
from reviewed_video import HEIGHT, WIDTH

from lib.formats.coco import read_labels

IN_BOTH_BROWSERS = pytest.mark.parametrize("browser", ["chromium", "firefox"], indirect=True)
OF_PROPAGATION = {"scores", "propagated_from", "sources", "disagreement"}

COUNT_PENDING = """(() => {
  let pending = 0;  // pictures that are being decoded, and paintings that are asked for
  const nextFrame = requestAnimationFrame.bind(window), decode = createImageBitmap.bind(window);
  window.requestAnimationFrame = (paint) => {
    pending += 1;
    return nextFrame((time) => { pending -= 1; paint(time); });
  };
  window.createImageBitmap = (file) => {
    pending += 1;
    const picture = decode(file);
    picture.finally(() => setTimeout(() => { pending -= 1; }));
    return picture;
  };
  window.settled = () => new Promise((done) => {
    const check = () => { if (pending) setTimeout(check); else done(); };
    nextFrame(() => nextFrame(check));  // sizes of the canvases are reported between frames
  });
})()"""


class Review:
    """The page as a person has it, what it asks for and complains of is noted."""

    def __init__(self, context, address, size=(WIDTH, HEIGHT)):
        self.size = size
        self.page = context.new_page()
        self.page.add_init_script(COUNT_PENDING)
        self.asked, self.faults = [], []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: self.faults.append(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.goto(address)
        self.page.wait_for_selector("#state:not(:empty)")
        self.settle()

    def settle(self):
        """Wait until all pictures are decoded and everything is painted."""
        self.page.evaluate("() => settled()")

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)
        self.settle()

    def go(self, frame):
        self.page.locator("#frame").select_text()
        self.page.keyboard.type(str(frame))  # in Firefox, a value that a script sets is no change
        self.page.keyboard.press("Enter")
        self.settle()

    def text(self, selector):
        return self.page.inner_text(selector)

    @property
    def at(self):
        return self.page.input_value("#frame"), self.text("#state")

    @property
    def scale(self):
        box = self.page.locator("#picture").bounding_box()
        return min(box["width"] / self.size[0], box["height"] / self.size[1])

    def place(self, x, y):
        """A point of the frame, on the screen; the picture is fitted."""
        box = self.page.locator("#picture").bounding_box()
        left = box["x"] + (box["width"] - self.size[0] * self.scale) / 2
        top = box["y"] + (box["height"] - self.size[1] * self.scale) / 2
        return left + (x + 0.5) * self.scale, top + (y + 0.5) * self.scale

    def click(self, x, y):
        self.page.mouse.click(*self.place(x, y))
        self.settle()

    def drag(self, point, right, down):
        """Press at a point of the frame, and move by so many pixels of the screen."""
        x, y = (round(value) for value in self.place(*point))
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(x + right, y + down, steps=5)
        self.page.mouse.up()
        self.settle()

    def save(self, folder):
        with self.page.expect_download() as download:
            self.page.click("text=Save labels")
        assert download.value.suggested_filename == "mice_reviewed.json"
        download.value.save_as(folder / "saved.json")
        return read_labels(folder / "saved.json")


def people(content, frame):
    """The people of a frame, by track."""
    return {
        person["track_id"]: person
        for person in content["annotations"]
        if person["image_id"] == 7000 + frame and not person.get("iscrowd")
    }


def others(content, *frames):
    """The content without the people of some frames, and without what their images are marked by."""
    ids = {7000 + frame for frame in frames}
    rest = [person for person in content["annotations"] if person["image_id"] not in ids or person.get("iscrowd")]
    images = [
        {key: value for key, value in image.items() if key != "is_labeled" or image["id"] not in ids}
        for image in content["images"]
    ]
    return content | {"annotations": rest, "images": images}
