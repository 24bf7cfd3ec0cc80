// Keys, buttons, and startup.

// As in the list of actions: "Shift+a", "Ctrl+z", "Space", "?"; empty with Alt, which is the browser's.
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
    if (document.querySelector("dialog[open]")) return;
    const isClosed = event.target.closest("dialog"); // where the focus may stay; an open one was seen above
    if (!isClosed && (tagName === "SELECT" || (tagName === "INPUT" && type === "text"))) {
      if (event.key === "Escape" || event.key === "Enter") event.target.blur();
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
    field.value = app.frame.number;
    field.blur();
  });
}

function listKeys() {
  const name = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓" };
  const shown = (key) => key.replace(/Arrow\w+/, (arrow) => name[arrow]);
  const line = ([keys, text]) => element("div", {},
    element("span", {}, ...keys.flatMap((key) => [element("kbd", { textContent: shown(key) }), " "])),
    element("span", { textContent: text }));
  const sections = Object.entries(GROUPS).map(([title, actions]) => element("section", {},
    element("h3", { textContent: title }), ...Object.values(actions).map(line)));
  document.getElementById("keylist").append(...sections);
}

// The JSON of a part of the page.
function read(id) { return JSON.parse(document.getElementById(`data-${id}`).textContent); }

// Show labels, with pictures from `files`.
function start(model, files) {
  const { review } = model;
  Object.assign(document.getElementById("title"), { textContent: review.video, title: `labels: ${review.name}` });
  document.getElementById("note").textContent = read("note");
  const app = new App(model, files);
  document.getElementById("colors").setAttribute("aria-pressed", app.bySide);
  listenToKeys(app);
  listenToButtons(app);
  listKeys();
  app.queue.open();
  app.refresh();
  return app;
}
