// The page as a whole: the current frame and selection, and all actions on them.

class App {
  constructor(model, files) {
    const { review } = model;
    this.model = model;
    this.model.store.forgetful = () =>
      this.warn("This browser does not keep corrections: save before you close the page.");
    this.model.store.restore();
    this.model.changed = (frames) => this.#changed(frames);
    this.pictures = new Pictures(files);
    this.pictured = this.model.frames.filter((frame) => this.pictures.has(frame.index));
    this.tracks = this.model.tracks();
    this.frame = this.pictured[0];
    this.track = this.tracks[0];
    this.joint = 0;
    this.corrected = this.#countCorrected();
    this.adding = null; // somebody who is being added: {track, steps of the history before it}
    this.taken = new Set(); // frames that another page has changed, not shown yet
    this.unseen = new Set(); // joints that are not shown
    this.showNames = false;
    this.bySide = this.tracks.length === 1 && review.sides.some(Boolean);
    this.run = 0; // counts starts of playing; 0: not playing
    this.starts = 0;
    const buttons = [...document.querySelectorAll("[data-action]")];
    this.buttons = new Map(buttons.map((button) => [button.dataset.action, button]));
    this.stage = new Stage(this);
    this.timeline = new Timeline(this);
    this.accepting = new Accepting(this);
    this.identities = new Identities(this);
    this.queue = new Queue(this, review);
    this.panels = new Panels(this);
    window.addEventListener("storage", (event) => this.#take(event));
  }

  // Shown for a while, and read out.
  say(text) {
    document.getElementById("said").textContent = text;
    clearTimeout(this.silence);
    this.silence = setTimeout(() => { document.getElementById("said").textContent = ""; }, 5000);
  }

  warn(text) {
    const place = document.getElementById("warning");
    [place.textContent, place.hidden] = [text, false];
  }

  // The name of a track at the start of a sentence.
  name(track = this.track) {
    const label = this.model.label(track);
    return this.model.trackNames.has(track) ? label : label[0].toUpperCase() + label.slice(1);
  }

  person() { return this.model.person(this.frame, this.track); }

  isPlacing() { return this.person()?.keypoints[3 * this.joint + 2] === MISSING; }

  // Going to frames

  go(index) {
    const near = (frame) => Math.abs(frame.index - index);
    const frame = this.pictures.has(index)
      ? this.model.frames[index]
      : this.pictured.reduce((best, one) => (near(one) < near(best) ? one : best));
    if (frame === this.frame) return;
    this.frame = frame;
    this.adding = null;
    this.refresh();
  }

  step(by) {
    const place = this.pictured.indexOf(this.frame) + by;
    this.go(this.pictured[Math.max(0, Math.min(this.pictured.length - 1, place))].index);
    return place < this.pictured.length;
  }

  labeled(by) {
    const done = this.pictured.filter((frame) => this.model.isDone(frame));
    const next = by > 0 ? done.find((frame) => frame.index > this.frame.index)
      : done.findLast((frame) => frame.index < this.frame.index);
    if (next) this.go(next.index);
    else this.say(`No labeled frame ${by > 0 ? "after" : "before"} this one.`);
  }

  async play() {
    if (this.run) { this.stop(); return; }
    const run = (this.starts += 1);
    this.run = run;
    document.getElementById("play").textContent = "Pause";
    while (this.run === run) {
      const pause = 1000 / Number(document.getElementById("speed").value);
      const wait = new Promise((resolve) => { setTimeout(resolve, pause); });
      if (!this.step(1)) { this.stop(); break; }
      const place = this.pictured.indexOf(this.frame);
      for (const frame of this.pictured.slice(place + 1, place + 4)) this.pictures.get(frame.index);
      await Promise.all([wait, this.stage.ready]);
    }
  }

  stop() {
    this.run = 0;
    document.getElementById("play").textContent = "Play";
  }

  // Selecting

  select(track, joint) {
    if (track !== this.track) this.adding = null;
    [this.track, this.joint] = [track, joint];
    this.timeline.repaint();
    this.refresh();
  }

  selectJoint(by) {
    const count = this.model.names.length;
    this.select(this.track, (this.joint + by + count) % count);
    this.say(`${this.model.names[this.joint]}`);
  }

  selectPerson() {
    const tracks = this.model.people(this.frame).map((person) => person.track);
    if (tracks.length) this.select(tracks[(tracks.indexOf(this.track) + 1) % tracks.length], this.joint);
  }

  show(joint, isShown) {
    if (isShown) this.unseen.delete(joint);
    else this.unseen.add(joint);
    this.refresh();
  }

  showAll() { this.unseen.clear(); this.refresh(); }

  toggle(key, button) {
    this[key] = !this[key];
    document.getElementById(button).setAttribute("aria-pressed", this[key]);
    this.stage.draw();
  }

  center() {
    const [x, y, v] = this.person()?.keypoints.slice(3 * this.joint, 3 * this.joint + 3) ?? [0, 0, MISSING];
    if (v !== MISSING) this.stage.center(x, y);
  }

  // Correcting

  #setJoint(x, y, v, gesture) {
    const person = this.person();
    if (!person) { this.say(`${this.name()} is not in this frame.`); return; }
    this.model.editJoint(this.frame, person, this.joint, [x, y, v], gesture);
  }

  // Clamp to the frame and round to hundredths of a pixel.
  moveJoint(x, y, gesture) {
    const [width, height] = this.pictures.size(this.frame.index);
    const inside = (value, size) => Math.round(100 * Math.max(0, Math.min(size - 1, value))) / 100;
    const v = this.person()?.keypoints[3 * this.joint + 2] || VISIBLE;
    this.#setJoint(inside(x, width), inside(y, height), v, gesture);
  }

  nudge(dx, dy) {
    const person = this.person();
    if (!person || this.isPlacing()) return;
    const [x, y] = person.keypoints.slice(3 * this.joint);
    this.moveJoint(x + dx, y + dy, `nudge ${this.track} ${this.joint}`);
  }

  // Place a missing joint and select the next missing one.
  placeJoint(x, y) {
    if (!this.isPlacing()) return;
    this.moveJoint(x, y, null);
    const { keypoints } = this.person();
    const missing = this.model.names.findIndex((_, joint) => joint > this.joint && keypoints[3 * joint + 2] === MISSING);
    if (missing >= 0) this.select(this.track, missing);
  }

  deleteJoint() { if (this.person() && !this.isPlacing()) this.#setJoint(0, 0, MISSING, null); }

  toggleHidden() {
    const person = this.person();
    if (!person || this.isPlacing()) return;
    const [x, y, v] = person.keypoints.slice(3 * this.joint);
    this.#setJoint(x, y, v === HIDDEN ? VISIBLE : HIDDEN, null);
  }

  addPerson() {
    const inFrame = new Set(this.model.people(this.frame).map((person) => person.track));
    const track = this.tracks.find((one) => !inFrame.has(one)) ?? Math.max(...this.tracks) + 1;
    const person = { from: -1, track, keypoints: new Array(3 * this.model.names.length).fill(0), propagated: [] };
    const steps = this.model.past.length;
    this.model.edit(this.frame, [...this.model.people(this.frame), person]);
    this.select(track, 0);
    this.adding = { track, steps };
    this.say(`${this.name(track)} added: click where its joints are. Escape cancels.`);
  }

  // Take back somebody who is being added, or the start of a stretch.
  cancel() {
    if (!this.adding) { this.accepting.unmark(); return; }
    const { track, steps } = this.adding;
    this.adding = null;
    while (this.model.past.length > steps) this.model.undo();
    this.say(`Adding ${this.model.label(track)} was canceled.`);
  }

  deletePerson() {
    const person = this.person();
    if (!person) return;
    this.model.edit(this.frame, this.model.people(this.frame).filter((one) => one !== person));
    this.adding = null;
    this.say(`${this.name(person.track)} deleted from this frame.`);
  }

  revert() {
    if (!this.model.edits.has(this.frame.index)) return;
    this.adding = null;
    this.model.edit(this.frame, undefined);
  }

  back(frame, what) {
    this.adding = null;
    if (frame) { this.stop(); this.go(frame.index); }
    this.say(frame ? `${what}, frame ${frame.number}.` : `Nothing to ${what === "Undone" ? "undo" : "redo"}.`);
  }

  save() {
    const name = `${this.model.review.name}_reviewed.json`;
    const url = URL.createObjectURL(new Blob([JSON.stringify(savedLabels(this.model))], { type: "application/json" }));
    element("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60000);
    this.say(`${name} saved.`);
  }

  // Showing

  #countCorrected() {
    return [...this.model.edits.keys()].filter((index) =>
      ["corrected", "partial"].includes(this.model.state(this.model.frames[index]))).length;
  }

  #changed(frames) {
    this.tracks = this.model.tracks();
    this.corrected = this.#countCorrected();
    this.timeline.update(frames);
    if (this.tracks.includes(this.track)) this.refresh();
    else this.select(this.model.people(this.frame)[0]?.track ?? this.tracks[0], this.joint);
  }

  // A swap elsewhere arrives frame by frame and is shown at once.
  #take(event) {
    const frames = this.model.store.take(event);
    if (!frames) return;
    frames.forEach((frame) => this.taken.add(frame));
    clearTimeout(this.taking);
    this.taking = setTimeout(() => {
      const changed = [...this.taken];
      this.taken.clear();
      this.#changed(changed);
    }, 50);
  }

  refresh() {
    const { frame, model } = this;
    this.stage.show(frame);
    this.timeline.draw();
    this.panels.update();
    const state = model.state(frame);
    const of = {
      labeled: "labeled", corrected: "corrected or accepted", partial: "partly labeled", propagated: "propagated",
      empty: "nobody",
    };
    const field = document.getElementById("frame");
    if (document.activeElement !== field) field.value = frame.number; // else somebody is typing
    Object.assign(document.getElementById("state"), { textContent: of[state], className: state });
    document.getElementById("count").textContent = `${this.corrected} corrected`;
    const enable = (action, isOn) => { this.buttons.get(action).disabled = !isOn; };
    enable("undo", model.past.length);
    enable("redo", model.future.length);
    enable("accept", !model.isDone(frame));
    enable("revert", model.edits.has(frame.index));
    for (const action of ["deletePerson", "acceptJoint", "acceptPerson", "split"]) enable(action, this.person());
    enable("stretch", this.accepting.start !== null);
    const isAlone = this.identities.partner() === undefined;
    for (const action of ["partner", "swapBefore", "swapHere", "swapAfter", "merge"]) enable(action, !isAlone);
    const text = `Frame ${frame.number}, ${of[state]}, ${model.people(frame).length} in it`;
    document.getElementById("picture").setAttribute("aria-label", text);
    document.getElementById("timeline").setAttribute("aria-label", `Timeline at frame ${frame.number}`);
  }
}
