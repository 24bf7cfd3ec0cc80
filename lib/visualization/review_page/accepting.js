// Accepting what a program set, by the joint, the individual, the frame, or a stretch of frames.

class Accepting {
  constructor(app) {
    this.app = app;
    this.start = null; // index of the frame where a stretch starts
  }

  #accept(frames, isChosen, text) {
    const { app } = this;
    app.adding = null;
    const changed = app.model.accept(app.frame, frames, isChosen);
    app.say(changed.length ? text(changed) : "There is nothing to accept: a person has set this already.");
  }

  joint() {
    const { app } = this;
    if (!app.person()) { app.say(`${app.name()} is not in this frame.`); return; }
    const isChosen = (person, joint) => person.track === app.track && joint === app.joint;
    this.#accept([app.frame], isChosen, () => `${app.model.names[app.joint]} of ${app.model.label(app.track)} accepted.`);
  }

  person() {
    const { app } = this;
    if (!app.person()) { app.say(`${app.name()} is not in this frame.`); return; }
    this.#accept([app.frame], (person) => person.track === app.track, () => `${app.name()} accepted in this frame.`);
  }

  frame() {
    const { app } = this;
    if (app.model.state(app.frame) === "empty") {
      app.model.edit(app.frame, []);
      app.say("Accepted: nobody is in this frame.");
    } else {
      this.#accept([app.frame], () => true, () => "Frame accepted.");
    }
  }

  mark() {
    this.start = this.app.frame.index;
    this.app.say(`The range starts here, at frame ${this.app.frame.number}.`);
    this.app.refresh();
  }

  // Frames without a picture are left out: nobody has seen them.
  stretch() {
    const { app } = this;
    if (this.start === null) { app.say("First, mark the frame where the range starts ([)."); return; }
    const [first, last] = [this.start, app.frame.index].sort((a, b) => a - b);
    const frames = app.pictured.filter((frame) => frame.index >= first && frame.index <= last);
    this.unmark();
    this.#accept(frames, (person) => person.track === app.track, (changed) =>
      `${app.name()} accepted in ${changed.length} frames, ${changed[0].number} to ${changed.at(-1).number}.`);
  }

  unmark() {
    this.start = null;
    this.app.refresh();
  }
}
