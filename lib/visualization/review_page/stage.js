// The frame with its poses: zoom, pan, and joints that can be dragged.

const GRAB = 12; // pixels of the screen around a joint
const STILL = 3; // pixels that a click may move by

class Stage {
  constructor(app) {
    this.app = app;
    this.canvas = document.getElementById("picture");
    this.view = { scale: 1, x: 0, y: 0 };
    this.isFitted = true;
    this.frame = null; // the one whose picture is on the screen
    this.bitmap = null;
    this.size = null;
    this.ready = Promise.resolve();
    this.isAsked = false;
    this.gestures = 0;
    this.drag = null;
    this.width = this.height = 1; // of the canvas
    watchSize(this.canvas, (width, height) => {
      [this.width, this.height] = [width, height];
      if (this.isFitted) this.fit();
      this.draw();
    });
    this.canvas.addEventListener("pointerdown", (event) => this.#press(event));
    this.canvas.addEventListener("pointermove", (event) => this.#move(event));
    this.canvas.addEventListener("pointerup", (event) => this.#release(event));
    this.canvas.addEventListener("pointercancel", () => { this.drag = null; });
    this.canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
  }

  // Poses and picture change together, once the picture is decoded.
  show(frame) {
    this.ready = this.app.pictures.get(frame.index).then((bitmap) => {
      if (this.app.frame !== frame) return;
      const size = this.app.pictures.size(frame.index);
      const isOther = String(size) !== String(this.size);
      [this.frame, this.bitmap, this.size] = [frame, bitmap, size];
      if (isOther) this.fit();
      this.draw();
    });
  }

  draw() {
    if (this.isAsked) return;
    this.isAsked = true;
    requestAnimationFrame(() => { this.isAsked = false; this.#paint(); });
  }

  #paint() {
    const context = this.canvas.getContext("2d");
    context.clearRect(0, 0, this.width, this.height);
    if (!this.bitmap) return;
    const { scale, x, y } = this.view;
    context.imageSmoothingEnabled = scale < 4;
    context.drawImage(this.bitmap, x, y, this.size[0] * scale, this.size[1] * scale);
    const people = this.app.model.people(this.frame);
    for (const person of people) drawPerson(context, this.app, person, (px, py) => this.toScreen(px, py));
  }

  // Coordinates refer to pixel centers: 0, 0 is the center of the first pixel.
  toScreen(x, y) { return [(x + 0.5) * this.view.scale + this.view.x, (y + 0.5) * this.view.scale + this.view.y]; }

  toFrame(x, y) { return [(x - this.view.x) / this.view.scale - 0.5, (y - this.view.y) / this.view.scale - 0.5]; }

  middle() { return this.toFrame(this.width / 2, this.height / 2); }

  fit() {
    if (!this.size) return;
    const [width, height] = this.size;
    const scale = Math.min(this.width / width, this.height / height);
    this.view = { scale, x: (this.width - width * scale) / 2, y: (this.height - height * scale) / 2 };
    this.isFitted = true;
    this.draw();
  }

  zoom(factor, x = this.width / 2, y = this.height / 2) {
    const scale = Math.min(60, Math.max(0.05, this.view.scale * factor));
    const by = scale / this.view.scale;
    this.view = { scale, x: x - (x - this.view.x) * by, y: y - (y - this.view.y) * by };
    this.isFitted = false;
    this.draw();
  }

  // Bring a point of the frame to the middle.
  center(px, py) {
    const [x, y] = this.toScreen(px, py);
    this.view.x += this.width / 2 - x;
    this.view.y += this.height / 2 - y;
    this.isFitted = false;
    this.draw();
  }

  // The joint nearest to a point of the screen, of the selected person before others.
  #hit(x, y) {
    let best = null;
    for (const person of this.app.model.people(this.frame)) {
      for (let joint = 0; joint < this.app.model.names.length; joint++) {
        const [px, py, v] = person.keypoints.slice(3 * joint, 3 * joint + 3);
        if (v === MISSING || this.app.unseen.has(joint)) continue;
        const [sx, sy] = this.toScreen(px, py);
        const distance = Math.hypot(sx - x, sy - y) - (person.track === this.app.track ? 2 : 0);
        if (distance < (best?.distance ?? GRAB)) best = { distance, track: person.track, joint, px, py };
      }
    }
    return best;
  }

  #press(event) {
    if (event.button !== 0 || this.frame !== this.app.frame) return;
    this.app.stop();
    this.canvas.setPointerCapture(event.pointerId);
    const [x, y] = [event.offsetX, event.offsetY];
    const hit = this.#hit(x, y);
    this.drag = { x, y, lastX: x, lastY: y, hit, moved: false, gesture: `drag ${(this.gestures += 1)}` };
    if (hit) this.app.select(hit.track, hit.joint);
  }

  #move(event) {
    const [x, y] = [event.offsetX, event.offsetY];
    if (!this.drag) {
      this.canvas.style.cursor = this.frame && this.#hit(x, y) ? "grab" : this.app.isPlacing() ? "crosshair" : "";
      return;
    }
    const drag = this.drag;
    drag.moved ||= Math.hypot(x - drag.x, y - drag.y) > STILL;
    if (!drag.moved) return;
    if (drag.hit) {
      const { scale } = this.view;
      const [px, py] = [drag.hit.px + (x - drag.x) / scale, drag.hit.py + (y - drag.y) / scale];
      this.app.moveJoint(px, py, drag.gesture);
    } else {
      this.view.x += x - drag.lastX;
      this.view.y += y - drag.lastY;
      this.isFitted = false;
      this.draw();
    }
    [drag.lastX, drag.lastY] = [x, y];
  }

  #release() {
    const drag = this.drag;
    this.drag = null;
    if (drag && !drag.moved && !drag.hit && this.app.isPlacing()) this.app.placeJoint(...this.toFrame(drag.x, drag.y));
  }

  #wheel(event) {
    event.preventDefault();
    const lines = event.deltaMode === 0 ? event.deltaY / 100 : event.deltaY / 3;
    this.zoom(Math.exp(-0.25 * lines), event.offsetX, event.offsetY);
  }
}
