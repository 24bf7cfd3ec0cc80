// Who is who: identities are swapped, split, merged and renamed, in one step of the history each.

class Identities {
  constructor(app) {
    this.app = app;
    this.chosen = null; // the track to swap with, if it was chosen
    this.dialogs = { merge: document.getElementById("merge"), rename: document.getElementById("rename") };
    this.field = this.dialogs.rename.querySelector("input");
    this.dialogs.rename.querySelector("form").addEventListener("submit", ({ submitter }) => {
      if (submitter?.value !== "cancel") this.rename(this.field.value.trim());
    });
  }

  // Tracks to swap the selected one with: those of the frame, the nearest first, then the others.
  #others() {
    const { app } = this;
    const here = app.model.people(app.frame).filter((person) => person.track !== app.track);
    const far = new Map(here.map((person) => [person.track, distance(app.person(), person)]));
    const near = [...far.keys()].sort((a, b) => far.get(a) - far.get(b));
    return [...near, ...app.tracks.filter((track) => track !== app.track && !far.has(track))];
  }

  // The track to swap with, undefined if there is one track alone.
  partner() {
    const others = this.#others();
    return others.includes(this.chosen) ? this.chosen : others[0];
  }

  nextPartner() {
    const others = this.#others();
    this.chosen = others[(others.indexOf(this.partner()) + 1) % others.length] ?? null;
    this.app.refresh();
  }

  // Exchange the selected track and its partner, in the frames for which `isChosen` is true of their index.
  swap(isChosen, where) {
    const { app } = this;
    const { model, track } = app;
    const partner = this.partner();
    if (partner === undefined) { app.say("There is nobody to swap with."); return; }
    const exchanged = new Map([[track, partner], [partner, track]]);
    const after = renumbered(model, (frame) => isChosen(frame.index), exchanged);
    if (!after.size) { app.say(`Neither ${model.label(track)} nor ${model.label(partner)} is in these frames.`); return; }
    app.adding = null;
    model.change(app.frame, after);
    this.chosen = track;
    app.select(partner, app.joint); // the same body as before
    app.say(`${app.name(track)} and ${model.label(partner)} swapped ${where}: ${count(after.size)}.`);
  }

  swapHere() { this.swap((index) => index === this.app.frame.index, "in this frame"); }

  swapBefore() { this.swap((index) => index <= this.app.frame.index, "up to this frame"); }

  swapAfter() { this.swap((index) => index >= this.app.frame.index, "from this frame on"); }

  // The selected track ends before this frame, and a new one starts here.
  split() {
    const { app } = this;
    const { index } = app.frame;
    const made = Math.max(...app.tracks) + 1;
    const isBefore = app.model.frames.some((frame) => frame.index < index && app.model.person(frame, app.track));
    const after = renumbered(app.model, (frame) => frame.index >= index, new Map([[app.track, made]]));
    if (!isBefore || !after.size) {
      app.say(`${app.name()} is only ${isBefore ? "before" : "from"} this frame${isBefore ? "" : " on"}: nothing to split.`);
      return;
    }
    app.adding = null;
    app.model.change(app.frame, after);
    app.say(`${app.name()} is ${app.model.label(made)} from this frame on.`);
    app.select(made, app.joint);
  }

  // Tracks that share no frame with the selected one, those that are nearest in time first.
  #joinable() {
    const { app } = this;
    const spans = new Map(app.tracks.map((track) => [track, null]));
    const beside = new Set([app.track]);
    for (const frame of app.model.frames) {
      const here = app.model.people(frame).map((person) => person.track);
      if (here.includes(app.track)) here.forEach((track) => beside.add(track));
      for (const track of here) spans.set(track, [spans.get(track)?.[0] ?? frame, frame]);
    }
    const own = spans.get(app.track);
    if (!own) return [];
    const gap = ([first, last]) => Math.max(0, first.index - own[1].index, own[0].index - last.index);
    return [...spans].filter(([track, span]) => span && !beside.has(track))
      .map(([track, span]) => ({ track, span })).sort((a, b) => gap(a.span) - gap(b.span));
  }

  askMerge() {
    const { app } = this;
    const buttons = this.#joinable().map(({ track, span: [first, last] }) => {
      const button = element("button", {}, chip(app, track), `${app.model.label(track)}, frames ${first.number} to ${last.number}`);
      button.addEventListener("click", () => this.merge(track));
      return element("li", {}, button);
    });
    if (!buttons.length) { app.say(`${app.name()} shares frames with every other track: it cannot be merged.`); return; }
    this.dialogs.merge.querySelector("h2").textContent = `Merge ${app.model.label(app.track)} into`;
    this.dialogs.merge.querySelector("ol").replaceChildren(...buttons);
    this.dialogs.merge.showModal();
  }

  merge(target) {
    const { app } = this;
    const { model, track } = app;
    this.dialogs.merge.close();
    const names = new Map(model.trackNames);
    const name = names.get(target) ?? names.get(track);
    names.delete(track);
    if (name !== undefined) names.set(target, name);
    const text = `${app.name()} merged into ${model.label(target)}`;
    const after = renumbered(model, () => true, new Map([[track, target]]));
    app.adding = null;
    model.change(app.frame, after, { names });
    app.select(target, app.joint);
    app.say(`${text}: ${count(after.size)}.`);
  }

  askRename() {
    this.dialogs.rename.querySelector("h2").textContent = `Name of ${this.app.model.label(this.app.track)}`;
    this.field.value = this.app.model.trackNames.get(this.app.track) ?? "";
    this.dialogs.rename.showModal();
    this.field.select();
  }

  // An empty name makes it a number again. Names are unique, and no track is called like the number of another.
  rename(name) {
    const { app } = this;
    const { model, track } = app;
    const names = new Map(model.trackNames);
    if (name && name !== `track ${track}`) names.set(track, name);
    else names.delete(track);
    const isTaken = app.tracks.some((one) => one !== track && [model.label(one), `track${one}`].includes(name));
    if (isTaken) { app.say(`Another track is called ${name}: merge the two, or choose another name.`); return; }
    model.change(app.frame, new Map(), { names });
    app.say(`The name is now ${model.label(track)}.`);
  }
}

function count(frames) { return frames === 1 ? "1 frame" : `${frames} frames`; }

// The people of the frames in which somebody gets another number.
function renumbered(model, isChosen, numbers) {
  const after = new Map();
  for (const frame of model.frames) {
    const people = model.people(frame);
    if (!isChosen(frame) || !people.some((person) => numbers.has(person.track))) continue;
    after.set(frame, people.map((one) => (
      numbers.has(one.track) ? { ...one, track: numbers.get(one.track) } : one)));
  }
  return after;
}

// Mean distance of the joints that both have; infinite if there are none.
function distance(one, other) {
  let [sum, count] = [0, 0];
  for (let at = 0; at < other.keypoints.length; at += 3) {
    if (!one || one.keypoints[at + 2] === MISSING || other.keypoints[at + 2] === MISSING) continue;
    sum += Math.hypot(one.keypoints[at] - other.keypoints[at], one.keypoints[at + 1] - other.keypoints[at + 1]);
    count += 1;
  }
  return count ? sum / count : Infinity;
}
