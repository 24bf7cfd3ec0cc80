// All frames from left to right: what they are, the selected joint's score and disagreement, and how doubtful every
// joint of the selected person is, a row for each. What does not move is painted once, to a layer of its own.

const GUTTER = 96;
const MARKS = 14; // heights of the parts, in pixels
const CURVE = 56;
const GAP = 4;
const MIN_SPAN = 20; // frames

class Timeline {
  constructor(app) {
    this.app = app;
    this.canvas = document.getElementById("timeline");
    this.layer = document.createElement("canvas");
    this.heat = document.createElement("canvas"); // a pixel for each frame and joint
    this.heat.width = app.model.frames.length;
    this.heat.height = app.model.names.length;
    this.range = [0, app.model.frames.length];
    this.track = null; // whose doubts `heat` shows
    this.isAsked = false;
    this.isStale = true;
    this.width = this.height = 1; // of the part with the frames
    watchSize(this.canvas, (width, height) => {
      [this.width, this.height] = [width - GUTTER, height];
      this.repaint();
    });
    darkness.addEventListener("change", () => { this.track = null; this.repaint(); });
    this.canvas.addEventListener("pointerdown", (event) => this.#press(event));
    this.canvas.addEventListener("pointermove", (event) => { if (event.buttons & 1) this.#seek(event); });
    this.canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
  }

  // The current frame has changed.
  draw() {
    if (this.isAsked) return;
    this.isAsked = true;
    requestAnimationFrame(() => { this.isAsked = false; this.#paint(); });
  }

  // Another joint, person or window.
  repaint() { this.isStale = true; this.draw(); }

  // The people of frames have changed; while one is dragged that is often.
  update(frames) {
    if (frames.length > 1) this.track = null;
    else if (frames.length && this.track === this.app.track) this.#heatColumns(frames);
    clearTimeout(this.pause);
    this.pause = setTimeout(() => this.repaint(), 100);
  }

  x(index) { return GUTTER + ((index + 0.5 - this.range[0]) / (this.range[1] - this.range[0])) * this.width; }

  #paint() {
    const { index } = this.app.frame;
    const span = this.range[1] - this.range[0];
    if (index < this.range[0] || index >= this.range[1]) {
      const first = Math.max(0, Math.min(this.app.model.frames.length - span, index - Math.floor(span / 2)));
      this.range = [first, first + span];
      this.isStale = true;
    }
    if (this.isStale) this.#paintLayer();
    const context = this.canvas.getContext("2d");
    context.clearRect(0, 0, GUTTER + this.width, this.height);
    context.drawImage(this.layer, 0, 0, GUTTER + this.width, this.height);
    this.#paintStretch(context, index);
    context.fillStyle = theme("text");
    context.fillRect(this.x(index) - 0.75, 0, 1.5, this.height);
  }

  // From where a stretch starts to the current frame.
  #paintStretch(context, index) {
    const { start } = this.app.accepting;
    if (start === null) return;
    const step = this.width / (this.range[1] - this.range[0]);
    const [left, right] = [start, index].sort((a, b) => a - b).map((one) => this.x(one));
    context.fillStyle = theme("corrected");
    context.globalAlpha = 0.3;
    context.fillRect(Math.max(GUTTER, left - step / 2), 0, right - Math.max(GUTTER, left - step / 2) + step / 2, this.height);
    context.globalAlpha = 1;
  }

  #paintLayer() {
    this.isStale = false;
    this.layer.width = this.canvas.width; // which also clears it
    this.layer.height = this.canvas.height;
    const context = this.layer.getContext("2d");
    context.scale(this.canvas.width / (GUTTER + this.width), this.canvas.height / this.height);
    context.font = "11px system-ui, sans-serif";
    this.#paintHeat(context);
    this.#paintCurve(context);
    this.#paintMarks(context);
  }

  #visible() { return this.app.model.frames.slice(this.range[0], this.range[1]); }

  #paintMarks(context) {
    const step = this.width / (this.range[1] - this.range[0]);
    for (const frame of this.#visible()) {
      const x = this.x(frame.index);
      const state = this.app.model.state(frame);
      if (!this.app.pictures.has(frame.index)) {
        context.fillStyle = theme("line");
        context.fillRect(x - step / 2, MARKS - 3, Math.max(1, step), 2);
      }
      if (state === "labeled" || state === "corrected") {
        context.fillStyle = theme(state);
        if (state === "corrected") context.fillRect(x - 2.5, 2, 5, MARKS - 5);
        else { circle(context, [x, MARKS / 2], 4); context.fill(); }
        context.globalAlpha = 0.35;
        context.fillRect(x - 0.5, MARKS, 1, this.height - MARKS);
        context.globalAlpha = 1;
      } else if (state === "partial") {
        context.strokeStyle = theme("corrected");
        context.lineWidth = 1.5;
        context.strokeRect(x - 2.5, 3, 5, MARKS - 7);
      } else if (this.app.model.suggested.has(frame.index)) {
        context.strokeStyle = theme("suggested");
        context.lineWidth = 2;
        context.beginPath();
        for (const [dx, dy] of [[0, -4], [4, 0], [0, 4], [-4, 0]]) context.lineTo(x + dx, MARKS / 2 + dy);
        context.closePath();
        context.stroke();
      }
    }
    for (const { frame, link } of this.app.queue.lists.needs) {
      if (link && frame >= this.range[0] && frame < this.range[1]) this.#paintCross(context, this.x(frame));
    }
  }

  #paintCross(context, x) {
    context.strokeStyle = theme("doubt");
    context.lineWidth = 2;
    context.beginPath();
    for (const [from, to] of [[-3.5, 3.5], [3.5, -3.5]]) {
      context.moveTo(x + from, MARKS / 2 - 3.5);
      context.lineTo(x + to, MARKS / 2 + 3.5);
    }
    context.stroke();
  }

  // Score as a line from 0 to 1, disagreement as bars up to the largest in sight.
  #paintCurve(context) {
    const { model, track, joint } = this.app;
    const found = this.#visible().map((frame) => [frame, model.evidence(model.person(frame, track), joint)]);
    const most = Math.max(0, ...found.map(([, { disagreement }]) => disagreement ?? 0));
    const bottom = MARKS + CURVE;
    const step = this.width / Math.max(1, found.length);
    context.fillStyle = theme("bars");
    context.globalAlpha = 0.6;
    for (const [frame, { disagreement }] of found) {
      const high = ((disagreement ?? 0) / (most || 1)) * (CURVE - 2);
      context.fillRect(this.x(frame.index) - step / 2, bottom - high, Math.max(0.75, step * 0.9), high);
    }
    context.globalAlpha = 1;
    context.strokeStyle = theme("curve");
    context.lineWidth = 1.5;
    context.beginPath();
    let isDrawing = false;
    for (const [frame, { score }] of found) {
      if (score === undefined) { isDrawing = false; continue; }
      const y = bottom - Math.min(1, score) * (CURVE - 2);
      if (isDrawing) context.lineTo(this.x(frame.index), y);
      else { context.moveTo(this.x(frame.index) - 0.5, y); context.lineTo(this.x(frame.index) + 0.5, y); }
      isDrawing = true;
    }
    context.stroke();
    context.strokeStyle = theme("line");
    context.lineWidth = 1;
    context.strokeRect(GUTTER - 0.5, MARKS - 0.5, this.width, CURVE + 1);
    this.#label(context, model.names[joint], MARKS + 12, theme("text"));
    this.#label(context, "score, to 1", MARKS + 28, theme("curve"));
    if (most) this.#label(context, `disagreement, to ${most.toFixed(most < 10 ? 1 : 0)} px`, MARKS + 44, theme("bars"));
  }

  #label(context, text, y, color) {
    context.fillStyle = color;
    context.textAlign = "right";
    context.fillText(text, GUTTER - 6, y, GUTTER - 8);
  }

  #paintHeat(context) {
    if (this.track !== this.app.track) {
      this.track = this.app.track;
      this.#heatColumns(this.app.model.frames);
    }
    const top = MARKS + CURVE + GAP;
    const row = (this.height - top) / this.heat.height;
    const [first, last] = this.range;
    context.fillStyle = theme("panel");
    context.fillRect(GUTTER, top, this.width, this.height - top);
    context.imageSmoothingEnabled = last - first > this.width;
    context.drawImage(this.heat, first, 0, last - first, this.heat.height, GUTTER, top, this.width, this.height - top);
    context.strokeStyle = theme("accent");
    context.lineWidth = 1;
    context.strokeRect(GUTTER - 0.5, top + this.app.joint * row, this.width, row);
    if (row < 9) this.#label(context, "doubt, each joint", top + 11, theme("quiet"));
    else this.app.model.names.forEach((name, joint) => this.#label(context, name, top + (joint + 0.75) * row, theme("quiet")));
  }

  // More doubtful joints are more opaque.
  #heatColumns(frames) {
    const context = this.heat.getContext("2d");
    const joints = this.heat.height;
    const [red, green, blue] = theme("doubt").match(/\w\w/g).map((digits) => parseInt(digits, 16));
    const pixels = context.createImageData(frames.length, joints);
    const { model } = this.app;
    frames.forEach((frame, column) => {
      const person = model.person(frame, this.app.track);
      for (let joint = 0; joint < joints; joint++) {
        const { doubt } = model.evidence(person, joint);
        pixels.data.set([red, green, blue, 255 * (doubt ?? 0)], 4 * (joint * frames.length + column));
      }
    });
    context.putImageData(pixels, frames.length === this.heat.width ? 0 : frames[0].index, 0);
  }

  #seek(event) {
    const share = (event.offsetX - GUTTER) / this.width;
    const index = Math.floor(this.range[0] + share * (this.range[1] - this.range[0]));
    this.app.go(Math.max(0, Math.min(this.app.model.frames.length - 1, index)));
  }

  #press(event) {
    this.app.stop();
    this.canvas.setPointerCapture(event.pointerId);
    const top = MARKS + CURVE + GAP;
    const row = Math.floor(((event.offsetY - top) / (this.height - top)) * this.heat.height);
    if (row >= 0 && row < this.heat.height) this.app.select(this.app.track, row);
    if (event.offsetX >= GUTTER) this.#seek(event);
  }

  // Zoom about the frame under the pointer.
  #wheel(event) {
    event.preventDefault();
    const count = this.app.model.frames.length;
    const [first, last] = this.range;
    const share = Math.max(0, Math.min(1, (event.offsetX - GUTTER) / this.width));
    const span = Math.round(Math.min(count, Math.max(MIN_SPAN, (last - first) * Math.exp(0.002 * event.deltaY))));
    const start = Math.round(Math.max(0, Math.min(count - span, first + share * (last - first - span))));
    this.range = [start, Math.min(count, start + span)];
    this.repaint();
  }
}
