// What was changed is kept by the browser, a key for each frame, so that a closed page loses nothing, and several pages
// of the same labels agree.

class Store {
  constructor(model) {
    this.model = model;
    this.prefix = `posewarper-review:${model.review.identity}:`;
    this.forgetful = () => {}; // called when the browser does not keep what was changed
  }

  keep(frames) {
    for (const frame of frames) this.#put(frame.image.id, this.#text(frame));
  }

  keepNames() { this.#put("names", JSON.stringify([...this.model.trackNames])); }

  #put(key, text) {
    try {
      if (text) localStorage.setItem(this.prefix + key, text);
      else localStorage.removeItem(this.prefix + key);
    } catch {
      this.forgetful();
    }
  }

  // Of people who have the joints of the file, the joints are left out: a swap in a long video has to fit.
  #text(frame) {
    const people = this.model.edits.get(frame.index);
    if (!people) return null;
    return JSON.stringify(people.map((person) => {
      const { from, track, keypoints, propagated } = person;
      const original = this.model.originals.get(from);
      if (original?.keypoints !== keypoints) return person;
      return original.propagated === propagated ? { from, track } : { from, track, propagated };
    }));
  }

  restore() {
    try {
      for (const frame of this.model.frames) this.#take(frame, localStorage.getItem(this.prefix + frame.image.id));
      this.#takeNames(localStorage.getItem(`${this.prefix}names`));
    } catch {
      this.forgetful();
    }
  }

  // Take over what another page of the same labels has changed; returns the frames, null if it is of other labels.
  take({ key, newValue }) {
    if (!key?.startsWith(this.prefix)) return null;
    const what = key.slice(this.prefix.length);
    if (what === "names") {
      this.#takeNames(newValue);
      return [];
    }
    const frame = this.model.frameOf.get(Number(what));
    if (!frame) return null;
    this.#take(frame, newValue);
    return [frame];
  }

  #take(frame, text) {
    const people = text && readPeople(text, frame, this.model);
    if (people) this.model.edits.set(frame.index, people);
    else this.model.edits.delete(frame.index);
  }

  #takeNames(text) {
    const pairs = parsed(text);
    const isName = (pair) => Array.isArray(pair) && Number.isInteger(pair[0]) && typeof pair[1] === "string";
    if (Array.isArray(pairs) && pairs.every(isName)) this.model.trackNames = new Map(pairs);
  }
}

function parsed(text) {
  try { return JSON.parse(text); } catch { return null; }
}

// What the browser kept; null of anything that is not of these labels. Earlier pages kept the joints of everybody, and
// of people whom they counted as labeled no `propagated`.
function readPeople(text, frame, model) {
  const people = parsed(text);
  if (!Array.isArray(people)) return null;
  const whole = people.map((one) =>
    (Array.isArray(one?.keypoints) ? { propagated: [], ...one } : { ...model.originals.get(one?.from), track: null, ...one }));
  const isJoint = (joint) => Number.isInteger(joint) && joint >= 0 && joint < model.names.length;
  const isPerson = (one) => (one.from === -1 || frame.people.includes(model.originals.get(one.from)))
    && Number.isInteger(one.track) && one.keypoints?.length === 3 * model.names.length && one.keypoints.every(Number.isFinite)
    && Array.isArray(one.propagated) && one.propagated.every(isJoint) && (one.from >= 0 || !one.propagated.length);
  return whole.every(isPerson) ? whole : null;
}
