// The labels, the changes a person made, and their history.
//
// A person of a frame is {from, track, keypoints, propagated}: `from` is the place among the file's annotations, -1 for
// somebody added here; keypoints are x, y, v of each joint, v 0: missing, 1: hidden, 2: visible; propagated are the
// joints that a program set and that nobody has moved or accepted. People and lists of them are never changed, always
// replaced, so that the history can keep them. The same holds for `trackNames`, the names of tracks by number.

const MISSING = 0, HIDDEN = 1, VISIBLE = 2;

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
    this.trackNames = new Map();
    this.originals = new Map(); // by place among the file's annotations the person that it was
    labels.annotations.forEach((record, place) => this.#add(record, place));
    this.namesOfFile = this.trackNames;
    this.suggested = new Set(review.suggested.map((one) => one.frame));
    this.edits = new Map(); // by index of the frame the people that it now has
    this.past = [];
    this.future = [];
    this.changed = () => {}; // called with a list of frames after every change of their people, or of names
    this.store = new Store(this);
  }

  #add(record, place) {
    if (isCrowd(record)) return;
    const frame = this.frameOf.get(record.image_id);
    const keypoints = record.keypoints?.length ? record.keypoints : new Array(3 * this.names.length).fill(0);
    const track = Number(record.track_id ?? 0);
    if (typeof record.track_name === "string" && record.track_name) this.trackNames.set(track, record.track_name);
    const person = { from: place, track, keypoints, propagated: this.review.propagated[place] };
    this.originals.set(place, person);
    frame.people.push(person);
  }

  people(frame) { return this.edits.get(frame.index) ?? frame.people; }

  person(frame, track) { return this.people(frame).find((person) => person.track === track); }

  // The person that an annotation of the file has become; undefined if it was deleted.
  personAt(place) {
    const frame = this.frameOf.get(this.labels.annotations[place].image_id);
    return this.people(frame).find((person) => person.from === place);
  }

  // The name of a track, or "track 7".
  label(track) { return this.trackNames.get(track) ?? `track ${track}`; }

  // True if a person set at least one of the joints.
  isSet(person) { return person.propagated.length < this.names.length; }

  // "labeled" and "corrected" frames are done: a program set none of their joints. "empty" ones have nobody.
  state(frame) {
    const edit = this.edits.get(frame.index);
    const people = this.people(frame).filter((person) => person.from >= 0 || hasJoints(person));
    if (people.some((person) => person.propagated.length)) {
      return people.some((person) => this.isSet(person)) ? "partial" : "propagated";
    }
    if (edit && (people.length || frame.people.length || !edit.length)) return "corrected";
    return frame.people.length ? "labeled" : "empty";
  }

  isDone(frame) { return ["corrected", "labeled"].includes(this.state(frame)); }

  // The score, the disagreement, the sources and the doubt of a joint; nothing of joints that a person has looked at.
  evidence(person, joint) {
    if (!person?.propagated.includes(joint)) return {};
    const record = this.labels.annotations[person.from];
    return {
      score: record.scores?.[joint] ?? record.score, disagreement: record.disagreement?.[joint],
      sources: record.sources?.[joint], doubt: this.review.doubts[person.from][joint],
    };
  }

  // The most doubtful joint of a frame, {track, joint, doubt}; null if no joint is doubtful.
  mostDoubtful(frame) {
    let most = null;
    for (const person of this.people(frame)) {
      for (const joint of person.propagated) {
        const doubt = this.review.doubts[person.from][joint] ?? 0;
        if (doubt > (most?.doubt ?? this.review.doubtful)) most = { track: person.track, joint, doubt };
      }
    }
    return most;
  }

  tracks() {
    const tracks = new Set();
    for (const frame of this.frames) for (const person of this.people(frame)) tracks.add(person.track);
    return tracks.size ? [...tracks].sort((a, b) => a - b) : [0];
  }

  // Give frames other people, undefined for those of the file, in one step of the history that was made at a frame.
  // Steps at one frame that follow each other and have one `gesture` are undone together.
  change(at, after, { gesture = null, names = this.trackNames } = {}) {
    const last = this.past.at(-1);
    if (gesture !== null && last?.gesture === gesture && last.at === at) last.after = after;
    else {
      const before = new Map([...after.keys()].map((frame) => [frame, this.edits.get(frame.index)]));
      this.past.push({ at, before, after, namesBefore: this.trackNames, namesAfter: names, gesture });
    }
    this.future = [];
    this.#set(after, names);
  }

  edit(frame, people, gesture) { this.change(frame, new Map([[frame, people]]), { gesture }); }

  editJoint(frame, person, joint, values, gesture) {
    const keypoints = [...person.keypoints];
    keypoints.splice(3 * joint, 3, ...values);
    const changed = { ...person, keypoints, propagated: person.propagated.filter((one) => one !== joint) };
    this.edit(frame, this.people(frame).map((one) => (one === person ? changed : one)), gesture);
  }

  // Joints that a program set count as set by a person from now on: those for which `isChosen(person, joint)` is true.
  // Returns the frames that changed.
  accept(at, frames, isChosen) {
    const after = new Map();
    for (const frame of frames) {
      const people = this.people(frame);
      const accepted = people.map((one) => {
        const propagated = one.propagated.filter((joint) => !isChosen(one, joint));
        return propagated.length < one.propagated.length ? { ...one, propagated } : one;
      });
      if (accepted.some((one, place) => one !== people[place])) after.set(frame, accepted);
    }
    if (after.size) this.change(at, after);
    return [...after.keys()];
  }

  // Both return the frame at which the step was made, if there was one.
  undo() {
    const step = this.past.pop();
    if (!step) return null;
    this.future.push({ ...step, gesture: null });
    this.#set(step.before, step.namesBefore);
    return step.at;
  }

  redo() {
    const step = this.future.pop();
    if (!step) return null;
    this.past.push(step);
    this.#set(step.after, step.namesAfter);
    return step.at;
  }

  #set(people, names) {
    for (const [frame, list] of people) {
      if (list) this.edits.set(frame.index, list);
      else this.edits.delete(frame.index);
    }
    if (names !== this.trackNames) {
      this.trackNames = names;
      this.store.keepNames();
    }
    this.store.keep(people.keys());
    this.changed([...people.keys()]);
  }
}

function isCrowd(record) { return ["1", "1.0", "true"].includes(String(record.iscrowd ?? 0).trim().toLowerCase()); }

function hasJoints(person) { return person.keypoints.some((value, place) => place % 3 === 2 && value > MISSING); }
