// The page of a server: changes go to its disk, and results of its programs come as they are made.

const PAUSE = { busy: 250, idle: 1000 }; // milliseconds between two questions for changes

async function follow(app, connection, runs, { revision, listed }) {
  for (;;) {
    const { sent } = connection;
    const isSaved = !connection.waiting.length; // otherwise the answer may be from before or after the change on its way
    const answer = await connection.get(`changes?after=${revision}&listed=${listed}&window=${connection.window}`);
    const isCurrent = isSaved && connection.sent === sent;
    if (answer?.status === 200) {
      const { content } = answer;
      runs.show(content);
      if (String(content.columns) !== String(connection.columns)) {
        connection.close("The joints of this project have changed; reload the page.");
        return;
      }
      if (!content.mayEdit) connection.close("This project was opened in another window, which edits now; reload to edit here.");
      if (isCurrent) {
        take(app, content);
        ({ revision, listed = listed } = content);
      }
    }
    if (!connection.waiting.length && !connection.isOver) {
      if (answer) connection.tell("saved", "Saved");
      else connection.tell("lost", "The server does not answer; start tools/annotate.py again");
    }
    await pause(answer?.content.flow?.on ? PAUSE.busy : PAUSE.idle);
  }
}

function take(app, content) {
  const { model } = app;
  model.receive(content, (frame, one) => frame === app.frame && app.adding && one.from === -1 && !hasJoints(one));
  if (!content.needs) return; // the lists have not changed
  const needs = content.needs.map((item) => model.placed(item)).filter(Boolean);
  model.suggested = new Set(content.suggested.map((one) => one.frame));
  const isFirst = needs.length && !app.queue.lists.needs.length;
  app.queue.fill({ needs, suggested: content.suggested });
  if (isFirst) document.getElementById("tab-needs").click();
  app.panels.fill();
  app.timeline.repaint();
  app.refresh();
}

function startLive() {
  const live = read("live");
  const connection = new Connection(live.window, live.joints.columns);
  const runs = new Runs(live, connection);
  const model = new LiveModel(read("labels"), read("review"), live, connection);
  const app = start(model, new ServerFiles(model.frames));
  [app.runs, runs.app] = [runs, app];
  connection.tell = (state, text) => runs.tell(state, text);
  if (live.isOther) app.warn("This project is open in another window, which can no longer edit.");
  if (!app.queue.lists.needs.length) {
    document.getElementById("tab-suggested").click();
    app.queue.follow("suggested", 1);
    if (!model.past.length) app.say("Add an individual (p), click where its joints are; then the next frame to label (m).");
  }
  follow(app, connection, runs, live);
}

startLive();
