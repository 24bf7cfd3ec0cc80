// The lists of frames: what needs review, and what to label next.

class Queue {
  constructor(app, review) {
    this.app = app;
    this.lists = { needs: [], suggested: [] };
    this.places = { needs: -1, suggested: -1 }; // in these lists
    this.fill(review);
  }

  // Take other lists; the place in them stays at its frame, if that is listed.
  fill(review) {
    for (const name of Object.keys(this.lists)) {
      const { frame } = this.lists[name][this.places[name]] ?? {};
      this.lists[name] = review[name].filter((one) => this.app.pictures.has(one.frame));
      this.places[name] = this.lists[name].findIndex((one) => one.frame === frame);
    }
  }

  // A frame to label is done as a whole; doubtful joints are done when a person has set all of them, and a possible
  // swap when the track goes on in another way, or when a person has set joints of both individuals.
  isDone(name, item) {
    const { model } = this.app;
    const frame = model.frames[item.frame];
    if (model.isDone(frame)) return true;
    if (name === "suggested") return false;
    if (!item.link) return !model.mostDoubtful(frame);
    const [before, after] = item.link.map((place) => model.personAt(place));
    if (before?.track !== after?.track) return true;
    return this.tracks(item).every((track) => model.isSet(model.person(frame, track) ?? { propagated: [] }));
  }

  // The track of an item, and the other one of a possible swap; swaps in frames before may have exchanged them. Frames
  // that are suggested before anything is labeled have none.
  tracks(item) {
    if (!item.link) return item.track === undefined ? [] : [item.track];
    const track = this.app.model.personAt(item.link[1])?.track;
    return track === item.other ? [item.other, item.track] : [item.track, item.other];
  }

  // Go to what needs review most.
  open() {
    const place = this.lists.needs.findIndex((item) => !this.isDone("needs", item));
    if (place >= 0) this.pick("needs", place);
  }

  // Continue in a list, from the last position, to the next item that is not done.
  follow(name, by) {
    const list = this.lists[name];
    let place = this.places[name] + by;
    while (list[place] && this.isDone(name, list[place])) place += by;
    if (list[place]) this.pick(name, place);
    else this.app.say(`No more frames ${by > 0 ? "after" : "before"} this one in the list.`);
  }

  pick(name, place) {
    const { app } = this;
    app.stop();
    this.places[name] = place;
    const item = this.lists[name][place];
    app.go(item.frame);
    const [track, other] = this.tracks(item);
    if (item.link) {
      app.identities.chosen = other;
      app.select(track, app.joint);
    } else if (track !== undefined) {
      const isLeft = app.model.person(app.frame, track)?.propagated.includes(item.joint);
      const { track: worst, joint } = (isLeft ? null : app.model.mostDoubtful(app.frame)) ?? item;
      app.select(worst, joint);
    }
  }
}
