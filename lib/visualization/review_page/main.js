// Actions of buttons and keys, and startup.

const ACTIONS = {
  previous: [["ArrowLeft", ","], "previous frame", (app) => app.step(-1)],
  next: [["ArrowRight", "."], "next frame", (app) => app.step(1)],
  back: [["Shift+ArrowLeft"], "10 frames back", (app) => app.step(-10)],
  on: [["Shift+ArrowRight"], "10 frames on", (app) => app.step(10)],
  first: [["Home"], "first frame", (app) => app.go(0)],
  last: [["End"], "last frame", (app) => app.go(app.model.frames.length - 1)],
  number: [["g"], "go to a frame by its number", () => document.getElementById("frame").select()],
  labeledBefore: [["PageUp"], "labeled frame before", (app) => app.labeled(-1)],
  labeledAfter: [["PageDown"], "labeled frame after", (app) => app.labeled(1)],
  need: [["n"], "next frame that needs review", (app) => app.follow("needs", 1)],
  needBefore: [["Shift+n"], "the one before it in the list", (app) => app.follow("needs", -1)],
  suggestion: [["m"], "next frame to label", (app) => app.follow("suggested", 1)],
  suggestionBefore: [["Shift+m"], "the one before it in the list", (app) => app.follow("suggested", -1)],
  play: [["Space"], "play, pause", (app) => app.play()],
  jointBefore: [["ArrowUp"], "joint before", (app) => app.selectJoint(-1)],
  jointAfter: [["ArrowDown"], "joint after", (app) => app.selectJoint(1)],
  track: [["t"], "next person or animal of the frame", (app) => app.selectPerson()],
  up: [["i"], "move the joint by a pixel: up", (app) => app.nudge(0, -1)],
  left: [["j"], "left", (app) => app.nudge(-1, 0)],
  down: [["k"], "down", (app) => app.nudge(0, 1)],
  right: [["l"], "right", (app) => app.nudge(1, 0)],
  upFar: [["Shift+i"], "by 10 pixels: up", (app) => app.nudge(0, -10)],
  leftFar: [["Shift+j"], "left", (app) => app.nudge(-10, 0)],
  downFar: [["Shift+k"], "down", (app) => app.nudge(0, 10)],
  rightFar: [["Shift+l"], "right", (app) => app.nudge(10, 0)],
  place: [["Enter"], "put a missing joint in the middle of the view", (app) => app.placeJoint(...app.stage.middle())],
  deleteJoint: [["Delete", "Backspace"], "delete the joint", (app) => app.deleteJoint()],
  toggleHidden: [["h"], "the joint is hidden, is visible", (app) => app.toggleHidden()],
  accept: [["a"], "accept the frame as it is", (app) => app.accept()],
  acceptOn: [["Shift+a"], "accept, and on to what needs review", (app) => { app.accept(); app.follow("needs", 1); }],
  revert: [["r"], "take back all changes of the frame", (app) => app.revert()],
  undo: [["z", "Ctrl+z"], "undo", (app) => app.back(app.model.undo(), "Undone")],
  redo: [["Shift+z", "Ctrl+y", "Ctrl+Shift+z"], "redo", (app) => app.back(app.model.redo(), "Redone")],
  addPerson: [["p"], "add a person or animal", (app) => app.addPerson()],
  deletePerson: [["Shift+Delete", "Shift+Backspace"], "delete it from the frame", (app) => app.deletePerson()],
  unseen: [["x"], "show the joint, or do not", (app) => app.show(app.joint, app.unseen.has(app.joint))],
  showAll: [["Shift+x"], "show all joints", (app) => app.showAll()],
  names: [["b"], "names of the joints", (app) => app.toggle("showNames", "names")],
  colors: [["c"], "colors by side, by person", (app) => app.toggle("bySide", "colors")],
  zoomIn: [["+", "="], "zoom in", (app) => app.stage.zoom(1.25)],
  zoomOut: [["-"], "zoom out", (app) => app.stage.zoom(0.8)],
  center: [["f"], "the joint to the middle", (app) => app.center()],
  fit: [["0"], "fit the picture", (app) => app.stage.fit()],
  save: [["s", "Ctrl+s"], "save the labels", (app) => app.save()],
  keys: [["?"], "this list", () => document.getElementById("keys").showModal()],
};

// As in the list above: "Shift+a", "Ctrl+z", "Space", "?"; empty with Alt, which is the browser's.
function keyOf(event) {
  if (event.altKey) return "";
  const key = event.key === " " ? "Space" : event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const isShifted = event.shiftKey && (key.length > 1 || /^[a-z]$/.test(key));
  return (event.ctrlKey || event.metaKey ? "Ctrl+" : "") + (isShifted ? "Shift+" : "") + key;
}

function listenToKeys(app) {
  const runs = new Map(Object.values(ACTIONS).flatMap(([keys, , run]) => keys.map((key) => [key, run])));
  document.addEventListener("keydown", (event) => {
    const { tagName, type } = event.target;
    if (document.getElementById("keys").open) return;
    if (tagName === "SELECT" || (tagName === "INPUT" && type === "text")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const key = keyOf(event);
    if (["BUTTON", "INPUT"].includes(tagName) && (key === "Space" || key === "Enter")) return;
    const run = runs.get(key);
    if (!run) return;
    event.preventDefault();
    run(app);
  });
}

function listenToButtons(app) {
  for (const [action, button] of app.buttons) {
    const [keys, text, run] = ACTIONS[action];
    button.title = `${text} (${keys[0]})`;
    button.addEventListener("click", () => run(app));
  }
  // A click does not move the focus, so the keys keep working.
  document.addEventListener("mousedown", (event) => { if (event.target.closest("button")) event.preventDefault(); });
  document.getElementById("speed").addEventListener("change", (event) => event.target.blur());
  const field = document.getElementById("frame");
  field.addEventListener("change", () => {
    const number = Number(field.value);
    const near = (frame) => Math.abs(frame.number - number);
    if (Number.isFinite(number)) {
      app.go(app.pictured.reduce((best, one) => (near(one) < near(best) ? one : best)).index);
    }
    app.refresh();
    field.blur();
  });
}

function listKeys() {
  const name = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓" };
  const shown = (key) => key.replace(/Arrow\w+/, (arrow) => name[arrow]);
  const lines = Object.values(ACTIONS).map(([keys, text]) => element("div", {},
    element("span", {}, ...keys.flatMap((key) => [element("kbd", { textContent: shown(key) }), " "])),
    element("span", { textContent: text })));
  document.getElementById("keylist").append(...lines);
}

function start() {
  const read = (id) => JSON.parse(document.getElementById(`data-${id}`).textContent);
  const review = read("review");
  document.getElementById("title").textContent = review.name;
  document.getElementById("note").textContent = read("note");
  const app = new App(read("labels"), review);
  document.getElementById("colors").setAttribute("aria-pressed", app.bySide);
  listenToKeys(app);
  listenToButtons(app);
  listKeys();
  app.refresh();
}

start();
