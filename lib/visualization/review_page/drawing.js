// Colors, and poses on a canvas.

// Okabe and Ito's colorblind-safe palette; the colors that stand out on pictures come first.
const TRACK_COLORS = ["#56b4e9", "#e69f00", "#f0e442", "#cc79a7", "#00b482", "#d55e00", "#ffffff", "#4f7fff"];
const SIDE_COLORS = { left: "#50c850", right: "#ff8c28", "": "#3cc8e6" };
const RADIUS = 4;

const trackColors = new Map(); // by track, in the order in which they are first asked for: no edit changes a color

function trackColor(app, track) {
  for (const one of app.tracks) {
    if (!trackColors.has(one)) trackColors.set(one, TRACK_COLORS[trackColors.size % TRACK_COLORS.length]);
  }
  return trackColors.get(track) ?? TRACK_COLORS[0];
}

function chip(app, track) {
  const made = document.createElement("i");
  made.className = "chip";
  made.style.background = trackColor(app, track);
  return made;
}

const darkness = matchMedia("(prefers-color-scheme: dark)");
const themes = new Map(); // colors of the style sheet; asking it is slow
darkness.addEventListener("change", () => themes.clear());

function theme(name) {
  if (!themes.has(name)) {
    themes.set(name, getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim());
  }
  return themes.get(name);
}

// Calls back with the width and height of a canvas, now and whenever they change; it is as sharp as the screen then.
function watchSize(canvas, resized) {
  new ResizeObserver(([{ contentRect: { width, height } }]) => {
    canvas.width = Math.round(width * window.devicePixelRatio);
    canvas.height = Math.round(height * window.devicePixelRatio);
    canvas.getContext("2d").scale(canvas.width / width, canvas.height / height);
    resized(width, height);
  }).observe(canvas);
}

// One pose. `place` takes a joint's x, y in the frame to the screen.
function drawPerson(context, app, person, place) {
  const { sides, bones } = app.model.review;
  const own = trackColor(app, person.track);
  const color = (joint) => (app.bySide ? SIDE_COLORS[sides[joint]] : own);
  const isShown = (joint) => person.keypoints[3 * joint + 2] > MISSING && !app.unseen.has(joint);
  const at = (joint) => place(person.keypoints[3 * joint], person.keypoints[3 * joint + 1]);
  for (const [a, b] of bones) {
    if (isShown(a) && isShown(b)) drawBone(context, at(a), at(b), color(sides[a] ? a : b));
  }
  for (let joint = 0; joint < app.model.names.length; joint++) {
    if (!isShown(joint)) continue;
    const { score } = app.model.evidence(person, joint);
    context.globalAlpha = score === undefined ? 1 : 0.35 + 0.65 * Math.min(1, score);
    drawJoint(context, at(joint), {
      color: color(joint), isHidden: person.keypoints[3 * joint + 2] === HIDDEN, isSet: score === undefined,
    });
    context.globalAlpha = 1;
    const isSelected = person.track === app.track && joint === app.joint;
    if (isSelected) drawRing(context, at(joint));
    if (isSelected || app.showNames) drawName(context, at(joint), app.model.names[joint]);
  }
  const shown = app.model.names.map((_, joint) => joint).filter(isShown).map(at);
  if (app.tracks.length > 1 && shown.length) {
    const [x, y] = shown.reduce((top, one) => (one[1] < top[1] ? one : top));
    drawText(context, [x - 10, y - 14], app.model.label(person.track), { color: own, font: "bold 13px system-ui, sans-serif" });
  }
}

function drawBone(context, [x1, y1], [x2, y2], color) {
  for (const [style, width] of [["rgba(0, 0, 0, 0.45)", 4], [color, 2]]) {
    context.strokeStyle = style;
    context.lineWidth = width;
    context.beginPath();
    context.moveTo(x1, y1);
    context.lineTo(x2, y2);
    context.stroke();
  }
}

function circle(context, [x, y], radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
}

// Visible joints are filled, hidden ones are not. Those that a person set are squares, those of a program are circles.
function drawJoint(context, at, { color, isHidden, isSet }) {
  circle(context, at, RADIUS);
  if (isSet) {
    context.beginPath();
    context.rect(at[0] - RADIUS, at[1] - RADIUS, 2 * RADIUS, 2 * RADIUS);
  }
  context.fillStyle = isHidden ? "rgba(0, 0, 0, 0.35)" : color;
  context.fill();
  context.lineWidth = isHidden ? 2 : 1;
  context.strokeStyle = isHidden ? color : "rgba(0, 0, 0, 0.8)";
  context.stroke();
}

function drawRing(context, at) {
  for (const [style, width] of [["#000000", 4], ["#ffffff", 2]]) {
    circle(context, at, RADIUS + 5);
    context.strokeStyle = style;
    context.lineWidth = width;
    context.stroke();
  }
}

function drawName(context, [x, y], name) { drawText(context, [x + 11, y + 4], name); }

function drawText(context, [x, y], text, { color = "#ffffff", font = "12px system-ui, sans-serif" } = {}) {
  context.font = font;
  context.lineWidth = 3;
  context.strokeStyle = "rgba(0, 0, 0, 0.8)";
  context.fillStyle = color;
  context.strokeText(text, x, y);
  context.fillText(text, x, y);
}
