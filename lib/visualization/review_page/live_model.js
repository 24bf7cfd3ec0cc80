// Labels that a server keeps: it has the history too, and its programs set joints while the page is open.

class LiveModel extends Model {
  constructor(labels, review, live, connection) {
    super(labels, review);
    this.connection = connection;
    this.store = new ServerStore();
    this.byNumber = new Map(this.frames.map((frame) => [frame.number, frame]));
    this.#takeNames(live.names);
    const isEmpty = (frame) => frame.image.is_labeled && !frame.people.length;
    for (const frame of this.frames.filter(isEmpty)) this.edits.set(frame.index, []);
    const step = ({ id, at }) => ({
      id, at: this.byNumber.get(at), before: new Map(), after: new Map(), gesture: null,
      namesBefore: this.trackNames, namesAfter: this.trackNames,
    });
    [this.past, this.future] = [live.past.map(step), live.future.map(step)];
  }

  change(at, after, options = {}) {
    for (const frame of after.keys()) {
      if (!this.edits.has(frame.index)) this.edits.set(frame.index, frame.people); // what undo goes back to
    }
    const whole = this.#anchored(at, after);
    super.change(at, whole, options);
    const step = this.past.at(-1);
    step.id ??= crypto.randomUUID();
    const people = ({ track, keypoints, propagated }) => ({ track, keypoints, propagated });
    const frames = Object.fromEntries([...whole].map(([frame, list]) => [frame.number, list.map(people)]));
    this.connection.send({ do: step.id, at: at.number, frames, names: Object.fromEntries(this.trackNames) });
  }

  // Labels of a file and corrections are the same here.
  state(frame) {
    const state = super.state(frame);
    return state === "corrected" ? "labeled" : state;
  }

  undo() { return this.#step("undo", this.past, () => super.undo()); }

  redo() { return this.#step("redo", this.future, () => super.redo()); }

  #step(what, steps, act) {
    const id = steps.at(-1)?.id;
    const at = act();
    if (id) this.connection.send({ [what]: id });
    return at;
  }

  // Where poses of a program get another identity, they count as accepted in the frame where that was done: labels lead
  // programs, and these poses would come back as they were.
  #anchored(at, after) {
    const people = after.get(at);
    if (!people) return after;
    const before = new Map(this.people(at).map((one) => [one.from, one.track]));
    const isOther = (one) => one.from >= 0 && one.propagated.length && before.get(one.from) !== one.track;
    if (!people.some(isOther)) return after;
    return new Map(after).set(at, people.map((one) => (isOther(one) ? { ...one, propagated: [] } : one)));
  }

  // Returns true if names have changed.
  #takeNames(pairs) {
    const isSame = JSON.stringify(pairs) === JSON.stringify([...this.trackNames]);
    if (!isSame) this.trackNames = new Map(pairs);
    return !isSame;
  }

  // Show what the server has. `isKept` is true of people who are being added, whom the server does not know.
  receive({ frames = [], names }, isKept) {
    const isRenamed = this.#takeNames(names);
    const changed = [];
    for (const { number, isComplete, people } of frames) {
      if (this.connection.isWaiting(number)) continue; // it comes again
      const frame = this.byNumber.get(number);
      const added = this.people(frame).filter((one) => isKept(frame, one));
      frame.people = [...people.map((one) => this.#person(one)), ...added];
      if (isComplete && !people.length) this.edits.set(frame.index, []);
      else this.edits.delete(frame.index);
      changed.push(frame);
    }
    if (changed.length || isRenamed) this.changed(changed);
  }

  #person({ record, propagated, doubts }) {
    const place = this.labels.annotations.push(record) - 1;
    [this.review.propagated[place], this.review.doubts[place]] = [propagated, doubts];
    const person = { from: place, track: record.track_id, keypoints: record.keypoints, propagated };
    this.originals.set(place, person);
    return person;
  }

  // The server names people of possible swaps by frame and track, the page by their places.
  placed(item) {
    if (!item.link) return item;
    const place = ([number, track]) => this.person(this.byNumber.get(number), track)?.from;
    const link = item.link.map(place);
    return link.includes(undefined) || link.includes(-1) ? null : { ...item, link };
  }
}

class ServerStore {
  keep() {}

  keepNames() {}

  restore() {}

  take() { return null; }
}

// Pictures from the server.
class ServerFiles {
  constructor(frames) { this.frames = frames; }

  has(index) { return index >= 0 && index < this.frames.length; }

  size(index) {
    const { width, height } = this.frames[index].image;
    return [width, height];
  }

  // Asks again while the server does not answer.
  async file(index) {
    for (;;) {
      try {
        const answer = await fetch(`frames/${this.frames[index].number}`);
        if (answer.ok) return await answer.blob();
      } catch { /* it is asked again */ }
      await pause(RETRY);
    }
  }
}
