// The lists beside the picture: frames that need review, frames to label next, who is in the frame, and the joints.

const LISTED = 300; // frames of a list, at most

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

class Panels {
  constructor(app) {
    this.app = app;
    this.fill();
    this.rows = app.model.names.map((name, joint) => this.#row(name, joint));
    document.querySelector("#joints tbody").append(...this.rows.map((row) => row.line));
    for (const tab of document.querySelectorAll("[role=tab]")) tab.addEventListener("click", () => this.#open(tab));
  }

  // The lists of frames.
  fill() { this.lists = ["needs", "suggested"].map((name) => this.#list(name)); }

  #list(name) {
    const all = this.app.queue.lists[name];
    const panel = document.getElementById(name);
    const items = all.slice(0, LISTED).map((item, place) => {
      const who = element("span");
      const number = element("b", { textContent: this.app.model.frames[item.frame].number });
      const button = element("button", {}, number, who, item.text);
      button.addEventListener("click", () => this.app.queue.pick(name, place));
      return { name, item, who, button, line: element("li", {}, button) };
    });
    panel.querySelector("ol").replaceChildren(...items.map((item) => item.line));
    panel.querySelector("p").textContent =
      all.length > LISTED ? `and ${all.length - LISTED} more` : all.length ? "" : "None.";
    return items;
  }

  #open(chosen) {
    for (const tab of document.querySelectorAll("[role=tab]")) {
      tab.setAttribute("aria-selected", tab === chosen);
      document.getElementById(tab.getAttribute("aria-controls")).hidden = tab !== chosen;
    }
  }

  #row(name, joint) {
    const { app } = this;
    const select = element("button", { textContent: name });
    const state = element("button");
    const shown = element("input", { type: "checkbox", checked: true, ariaLabel: `show ${name}` });
    const [score, disagreement] = [element("td"), element("td")];
    select.addEventListener("click", () => app.select(app.track, joint));
    state.addEventListener("click", () => { app.select(app.track, joint); app.toggleHidden(); });
    shown.addEventListener("change", () => app.show(joint, shown.checked));
    const line = element("tr", {}, element("td", {}, select), score, disagreement, element("td", {}, state),
      element("td", {}, shown));
    return { line, select, score, disagreement, state, shown };
  }

  // All that depends on the frame, its people and what is selected.
  update() {
    const { app } = this;
    const person = app.person();
    this.#people();
    this.rows.forEach((row, joint) => {
      const v = person ? person.keypoints[3 * joint + 2] : MISSING;
      const { score, disagreement, doubt } = app.model.evidence(person, joint);
      const isSet = person && score === undefined && (v !== MISSING || person.from >= 0);
      row.score.textContent = isSet ? "✓" : v === MISSING || score === undefined ? "" : score.toFixed(2);
      row.score.title = isSet ? "set by a person" : app.model.review.scores;
      const isKnown = v !== MISSING && disagreement != null;
      row.disagreement.textContent = isKnown ? disagreement.toFixed(disagreement < 10 ? 1 : 0) : "";
      row.score.className = row.disagreement.className = doubt > app.model.review.doubtful ? "doubtful" : "";
      row.state.textContent = ["missing", "hidden", "visible"][v] ?? "visible";
      row.state.disabled = v === MISSING;
      row.shown.checked = !app.unseen.has(joint);
      row.line.classList.toggle("missing", v === MISSING);
      row.line.setAttribute("aria-current", joint === app.joint);
    });
    const { line } = this.rows[app.joint];
    if (this.shownJoint !== app.joint) line.scrollIntoView({ block: "nearest" });
    this.shownJoint = app.joint;
    document.getElementById("hint").textContent = this.#hint(person);
    this.#marks();
  }

  #people() {
    const { app } = this;
    const buttons = app.model.people(app.frame).map((person) => {
      const { track } = person;
      const text = app.model.label(track) + (person.propagated.length ? "" : " ✓");
      const button = element("button", { ariaPressed: String(track === app.track) }, chip(app, track), text);
      button.addEventListener("click", () => app.select(track, app.joint));
      return button;
    });
    document.getElementById("people").replaceChildren(...(buttons.length ? buttons : ["Nobody is in this frame."]));
    const partner = app.identities.partner();
    document.getElementById("partner").replaceChildren(
      ...(partner === undefined ? ["nobody"] : [chip(app, partner), app.model.label(partner)]));
  }

  #hint(person) {
    const { app } = this;
    const name = app.model.names[app.joint];
    if (!person) return `${app.name()} is not in this frame.`;
    if (app.isPlacing()) return `${name} is missing: click where it is.`;
    const { sources } = app.model.evidence(person, app.joint);
    return sources?.length ? `${name}: from frame${sources.length > 1 ? "s" : ""} ${sources.join(", ")}.` : "";
  }

  #marks() {
    const { app } = this;
    for (const { name, item, who, button, line } of this.lists.flat()) {
      const text = app.tracks.length > 1 ? app.queue.tracks(item).map((track) => app.model.label(track)).join(" ⇄ ") : "";
      if (who.textContent !== text) who.textContent = text;
      line.classList.toggle("done", app.queue.isDone(name, item));
      if (item.frame === app.frame.index) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
  }
}
