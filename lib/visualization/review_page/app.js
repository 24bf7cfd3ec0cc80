// The page as a whole: the current frame and selection, and all actions on them.

class App {
  constructor(labels, review) {
    this.model = new Model(labels, review);
    this.model.forgetful = () => this.warn("This browser does not keep corrections: save before you close the page.");
    this.model.restore();
    this.model.changed = (frame) => this.#changed(frame);
    this.pictures = new Pictures();
    this.pictured = this.model.frames.filter((frame) => this.pictures.has(frame.index));
    this.tracks = this.model.tracks();
    const listed = (name) => review[name].filter((one) => this.pictures.has(one.frame));
    this.lists = { needs: listed("needs"), suggested: listed("suggested") };
    this.places = { needs: -1, suggested: -1 }; // in these lists
    this.frame = this.pictured[0];
    this.track = this.lists.needs[0]?.track ?? this.tracks[0];
    this.joint = 0;
    this.unseen = new Set(); // joints that are not shown
    this.showNames = false;
    this.bySide = this.tracks.length === 1 && review.sides.some(Boolean);
    this.run = 0; // counts starts of playing; 0: not playing
    this.starts = 0;
    const buttons = [...document.querySelectorAll("[data-action]")];
    this.buttons = new Map(buttons.map((button) => [button.dataset.action, button]));
    this.stage = new Stage(this);
    this.timeline = new Timeline(this);
    this.panels = new Panels(this);
    window.addEventListener("storage", (event) => this.#taken(event));
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
    this.refresh();
  }

  step(by) {
    const place = this.pictured.indexOf(this.frame) + by;
    this.go(this.pictured[Math.max(0, Math.min(this.pictured.length - 1, place))].index);
    return place < this.pictured.length;
  }

  // Continue in a list, from the last position, to the next frame that is not done.
  follow(name, by) {
    const list = this.lists[name];
    let place = this.places[name] + by;
    while (list[place] && this.model.isDone(this.model.frames[list[place].frame])) place += by;
    if (list[place]) this.pick(name, place);
    else this.say(`No more frames ${by > 0 ? "after" : "before"} this one in the list.`);
  }

  pick(name, place) {
    this.stop();
    this.places[name] = place;
    const { frame, track, joint } = this.lists[name][place];
    this.go(frame);
    this.select(track, joint);
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
    if (!person) { this.say(`Track ${this.track} is not in this frame.`); return; }
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
    this.model.edit(this.frame, [...this.model.people(this.frame), person]);
    this.select(track, 0);
    this.say(`Track ${track} added: click where its joints are.`);
  }

  deletePerson() {
    const person = this.person();
    if (!person) return;
    this.model.edit(this.frame, this.model.people(this.frame).filter((one) => one !== person));
    this.say(`Track ${person.track} deleted from this frame.`);
  }

  accept() {
    if (this.model.isDone(this.frame)) this.say("This frame counts as labeled already.");
    else this.model.accept(this.frame);
  }

  revert() { if (this.model.edits.has(this.frame.index)) this.model.edit(this.frame, undefined); }

  back(frame, what) {
    if (frame) { this.stop(); this.go(frame.index); }
    this.say(frame ? `${what}, frame ${frame.number}.` : `Nothing to ${what === "Undone" ? "undo" : "redo"}.`);
  }

  save() {
    const name = `${this.model.review.name}_reviewed.json`;
    const url = URL.createObjectURL(new Blob([JSON.stringify(this.model.saved())], { type: "application/json" }));
    element("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60000);
    this.say(`${name} saved.`);
  }

  // Showing

  #changed(frame) {
    this.tracks = this.model.tracks();
    this.timeline.update(frame);
    this.refresh();
  }

  #taken({ key, newValue }) {
    if (!key?.startsWith(this.model.prefix)) return;
    const frame = this.model.frameOf.get(Number(key.slice(this.model.prefix.length)));
    if (!frame) return;
    this.model.take(frame, newValue);
    this.#changed(frame);
  }

  refresh() {
    const { frame, model } = this;
    this.stage.show(frame);
    this.timeline.draw();
    this.panels.update();
    const state = model.state(frame);
    const of = { labeled: "labeled", corrected: "corrected or accepted", propagated: "propagated", empty: "nobody" };
    document.getElementById("frame").value = frame.number;
    Object.assign(document.getElementById("state"), { textContent: of[state], className: state });
    document.getElementById("count").textContent = `${model.edits.size} corrected`;
    const enable = (action, isOn) => { this.buttons.get(action).disabled = !isOn; };
    enable("undo", model.past.length);
    enable("redo", model.future.length);
    enable("accept", !model.isDone(frame));
    enable("revert", model.edits.has(frame.index));
    enable("deletePerson", this.person());
    const text = `Frame ${frame.number}, ${of[state]}, ${model.people(frame).length} in it`;
    document.getElementById("picture").setAttribute("aria-label", text);
    document.getElementById("timeline").setAttribute("aria-label", `Timeline at frame ${frame.number}`);
  }
}
