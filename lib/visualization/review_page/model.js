// The labels, the changes a person made, and the file that results from both.
//
// A person of a frame is {from, track, keypoints, propagated}: `from` is the place among the file's annotations, -1 for
// somebody added here; keypoints are x, y, v of each joint, v 0: missing, 1: hidden, 2: visible; propagated are the
// joints that nobody has set or looked at, all of a propagated pose, or those that were added to a person's own. People
// and lists of them are never changed, always replaced, so that the history can keep them.

const MISSING = 0, HIDDEN = 1, VISIBLE = 2;
const BOX_MARGIN = 0.15; // of the extent of the joints on each side, as the boxes that training makes
const OF_PROPAGATION = ["scores", "propagated_from", "sources", "disagreement"];

class Model {
  constructor(labels, review) {
    this.labels = labels;
    this.review = review;
    this.category = labels.categories.find((category) => category.keypoints?.length);
    this.names = this.category.keypoints;
    this.frames = review.order.map((place, index) => ({
      index, number: review.numbers[index], image: labels.images[place], people: [],
    }));
    this.frameOf = new Map(this.frames.map((frame) => [frame.image.id, frame]));
    labels.annotations.forEach((record, place) => this.#add(record, place));
    this.suggested = new Set(review.suggested.map((one) => one.frame));
    this.edits = new Map(); // by index of the frame the people that it now has
    this.past = [];
    this.future = [];
    this.changed = () => {}; // called with the frame after every change of its people
    this.prefix = `posewarper-review:${review.identity}:`;
  }

  #add(record, place) {
    if (isCrowd(record)) return;
    const frame = this.frameOf.get(record.image_id);
    const keypoints = record.keypoints?.length ? record.keypoints : new Array(3 * this.names.length).fill(0);
    const propagated = this.review.propagated[place];
    frame.people.push({ from: place, track: Number(record.track_id ?? 0), keypoints, propagated });
  }

  // True if no person set any joint of an annotation of the file.
  #isPropagated(place) { return this.review.propagated[place].length === this.names.length; }

  people(frame) { return this.edits.get(frame.index) ?? frame.people; }

  person(frame, track) { return this.people(frame).find((person) => person.track === track); }

  state(frame) {
    if (this.people(frame).some((person) => person.propagated.length)) return "propagated";
    if (this.edits.has(frame.index)) return "corrected";
    return frame.people.length ? "labeled" : "empty";
  }

  isDone(frame) { return ["corrected", "labeled"].includes(this.state(frame)); }

  // The score, the disagreement, the sources and the doubt of a joint; nothing of joints that a person has looked at.
  evidence(person, joint) {
    if (!person?.propagated.includes(joint)) return {};
    const record = this.labels.annotations[person.from];
    return {
      score: record.scores[joint], disagreement: record.disagreement?.[joint], sources: record.sources?.[joint],
      doubt: this.review.doubts[person.from][joint],
    };
  }

  tracks() {
    const tracks = new Set([0]);
    for (const frame of this.frames) for (const person of this.people(frame)) tracks.add(person.track);
    return [...tracks].sort((a, b) => a - b);
  }

  // Give a frame other people. Changes that follow each other and have one `gesture` are undone together. Poses that
  // are propagated as a whole become labels by it; joints that were added to a person's own pose stay what they are.
  edit(frame, changed, gesture = null) {
    const people = changed?.map((one) => (
      one.from >= 0 && this.#isPropagated(one.from) ? { ...one, propagated: [] } : one));
    const before = this.edits.get(frame.index);
    const last = this.past.at(-1);
    if (gesture !== null && last && last.gesture === gesture && last.frame === frame) last.after = people;
    else this.past.push({ frame, before, after: people, gesture });
    this.future = [];
    this.#set(frame, people);
  }

  editJoint(frame, person, joint, values, gesture) {
    const keypoints = [...person.keypoints];
    keypoints.splice(3 * joint, 3, ...values);
    const propagated = person.propagated.filter((one) => one !== joint);
    const changed = { ...person, keypoints, propagated };
    this.edit(frame, this.people(frame).map((one) => (one === person ? changed : one)), gesture);
  }

  accept(frame) { this.edit(frame, this.people(frame).map((one) => ({ ...one, propagated: [] }))); }

  // Both return the frame that changed, if any did.
  undo() {
    const step = this.past.pop();
    if (!step) return null;
    this.future.push({ ...step, gesture: null });
    this.#set(step.frame, step.before);
    return step.frame;
  }

  redo() {
    const step = this.future.pop();
    if (!step) return null;
    this.past.push(step);
    this.#set(step.frame, step.after);
    return step.frame;
  }

  #set(frame, people) {
    if (people) this.edits.set(frame.index, people);
    else this.edits.delete(frame.index);
    this.#keep(frame);
    this.changed(frame);
  }

  // What was changed is kept by the browser, a key for each frame, so that a closed page loses nothing.
  #keep(frame) {
    const key = this.prefix + frame.image.id;
    const people = this.edits.get(frame.index);
    try {
      if (people) localStorage.setItem(key, JSON.stringify(people));
      else localStorage.removeItem(key);
    } catch {
      this.forgetful();
    }
  }

  forgetful() {} // called when the browser does not keep what was changed

  restore() {
    try {
      for (const frame of this.frames) this.take(frame, localStorage.getItem(this.prefix + frame.image.id));
    } catch {
      this.forgetful();
    }
  }

  // Take over what another page of the same labels, or this one before it was closed, has kept of a frame.
  take(frame, text) {
    const people = text && readPeople(text, this);
    if (people) this.edits.set(frame.index, people);
    else this.edits.delete(frame.index);
  }

  // The labels of people, the frames as they were corrected or accepted, and all else as it was.
  saved() {
    const annotations = [];
    this.labels.annotations.forEach((record, place) => {
      const frame = this.frameOf.get(record.image_id);
      const edit = this.edits.get(frame.index);
      const person = edit?.find((one) => one.from === place);
      if (isCrowd(record) || (!edit && !this.#isPropagated(place))) annotations.push(record);
      else if (person) annotations.push(this.#record(person, record));
    });
    let id = this.labels.annotations.reduce((most, record) => Math.max(most, Number(record.id) || 0), 0);
    for (const frame of this.frames) {
      for (const person of this.people(frame)) {
        if (person.from < 0) annotations.push(this.#record(person, this.#blank(frame, (id += 1))));
      }
    }
    const images = this.labels.images.map((image) =>
      this.state(this.frameOf.get(image.id)) === "corrected" ? { ...image, is_labeled: true } : image);
    return { ...this.labels, images, annotations };
  }

  #blank(frame, id) {
    return { id, image_id: frame.image.id, category_id: this.category.id ?? 1, iscrowd: 0 };
  }

  #record(person, record) {
    const isOwn = person.from >= 0 && !this.#isPropagated(person.from);
    const isLess = person.from >= 0 && person.propagated.length < this.review.propagated[person.from].length;
    if (isOwn && !isLess && String(person.keypoints) === String(record.keypoints)) return record;
    const made = { ...record, track_id: record.track_id ?? person.track, keypoints: person.keypoints };
    for (const key of OF_PROPAGATION) {
      if (!person.propagated.length) delete made[key];
      else if (Array.isArray(made[key])) {
        made[key] = made[key].map((value, joint) => (person.propagated.includes(joint) ? value : null));
      }
    }
    if (!isOwn || "num_keypoints" in record) {
      made.num_keypoints = person.keypoints.filter((value, place) => place % 3 === 2 && value > 0).length;
    }
    const [x1, y1, x2, y2] = extent(person.keypoints);
    if (isOwn) {
      if (Array.isArray(record.bbox)) made.bbox = union(record.bbox, x1, y1, x2, y2);
    } else {
      const [w, h] = [x2 - x1, y2 - y1];
      const box = [x1 - BOX_MARGIN * w, y1 - BOX_MARGIN * h, (1 + 2 * BOX_MARGIN) * w, (1 + 2 * BOX_MARGIN) * h];
      made.bbox = box.map(rounded);
      made.area = rounded(box[2] * box[3]);
    }
    return made;
  }
}

function rounded(value) { return Math.round(value * 1000) / 1000; }

function isCrowd(record) { return ["1", "1.0", "true"].includes(String(record.iscrowd ?? 0).trim().toLowerCase()); }

// Smallest and largest x and y of the present joints; zeros if there are none.
function extent(keypoints) {
  const xs = [], ys = [];
  for (let at = 0; at < keypoints.length; at += 3) {
    if (keypoints[at + 2] > 0) { xs.push(keypoints[at]); ys.push(keypoints[at + 1]); }
  }
  return xs.length ? [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)] : [0, 0, 0, 0];
}

// A box x, y, w, h, enlarged as needed to contain the corners too.
function union([x, y, w, h], x1, y1, x2, y2) {
  const [left, top] = [Math.min(x, x1), Math.min(y, y1)];
  return [left, top, Math.max(x + w, x2) - left, Math.max(y + h, y2) - top].map(rounded);
}

// What the browser kept; null of anything that is not of these labels.
function readPeople(text, model) {
  let people;
  try { people = JSON.parse(text); } catch { return null; }
  const isPerson = (one) => Number.isInteger(one?.from) && one.from < model.labels.annotations.length
    && Number.isInteger(one.track) && Array.isArray(one.keypoints)
    && one.keypoints.length === 3 * model.names.length && one.keypoints.every(Number.isFinite)
    && Array.isArray(one.propagated ?? []) && (one.propagated ?? []).every(Number.isInteger);
  if (!Array.isArray(people) || !people.every(isPerson)) return null;
  return people.map((one) => ({ propagated: [], ...one })); // earlier pages kept labels alone, without it
}
