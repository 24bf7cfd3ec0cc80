// The bar of a served page: runs in the background, export, the other videos, and whether everything is saved.

const RUN_ACTIONS = {
  propagate: [["y"], "propagate the labels to all frames, and again after each change", (app) => app.runs.run("propagate")],
  train: [["Shift+y"], "train nets on the labels of all videos: minutes; their poses replace the others", (app) => app.runs.run("train")],
  stopRuns: [["Shift+Escape"], "stop both", (app) => app.runs.run("stop")],
  joints: [["v"], "change the joints, pairs, and bones", (app) => app.runs.joints.open()],
  videos: [["o"], "another video", (app) => app.runs.videos.open()],
};

class Runs {
  constructor(live, connection) {
    [this.live, this.connection] = [live, connection];
    GROUPS["Run"] = RUN_ACTIONS;
    GROUPS.Correct.save = [["s", "Ctrl+s"], "export the labels", () => this.dialog.showModal()];
    delete GROUPS.Correct.revert;
    Object.assign(ACTIONS, RUN_ACTIONS, { save: GROUPS.Correct.save });
    document.querySelector("[data-action=revert]").hidden = true;
    document.querySelector("[data-action=save]").textContent = "Export …";
    this.saved = element("span", { id: "saved", textContent: "Saved" });
    this.progress = element("progress", { hidden: true });
    this.text = element("span", { id: "progress" });
    this.text.setAttribute("role", "status");
    const button = (action, textContent) => {
      const made = element("button", { textContent });
      made.dataset.action = action;
      return made;
    };
    const bar = element("div", { id: "runs" }, button("propagate", "Propagate"), button("train", "Train nets"),
      button("stopRuns", "Stop"), this.progress, this.text, this.saved);
    document.querySelector("header").after(bar);
    document.querySelector("#joints").after(button("joints", "Joints …"));
    this.joints = new JointEditor(live, connection);
    document.getElementById("count").hidden = true;
    this.videos = new Videos(live, connection);
    document.getElementById("title").after(this.videos.button);
    this.#exportDialog();
  }

  #exportDialog() {
    const formats = element("select", { id: "format" }, ...this.live.formats.map((one) => element("option", { textContent: one })));
    const result = element("p", { id: "exported", className: "quiet" });
    const write = element("button", { textContent: "Write the file", type: "button", className: "main" });
    write.addEventListener("click", async () => {
      result.textContent = "Writing …";
      const answer = await this.connection.post("export", { format: formats.value });
      const { path, lost, error } = answer?.content ?? { error: "the server does not answer" };
      result.textContent = error ?? [`${path} written.`, ...lost.map((one) => `It cannot hold ${one}.`)].join(" ");
    });
    this.dialog = element("dialog", { id: "export" }, element("h2", { textContent: "Export labels" }),
      element("form", { method: "dialog" }, element("label", {}, "Format ", formats), " ", write, " ",
        element("button", { textContent: "Close" })), result);
    this.dialog.setAttribute("aria-label", "Export labels");
    document.body.append(this.dialog);
  }

  async run(what) {
    if (what === "train") this.app.say("The nets are training in the background; you can keep working.");
    const answer = await this.connection.post("run", { do: what, near: this.app.frame.number });
    if (answer?.content.error) this.app.say(answer.content.error);
  }

  tell(state, text) {
    this.saved.className = state;
    this.saved.textContent = state === "over" ? "Not saved" : text;
    if (state === "over") this.app.warn(text);
  }

  show({ flow, training }) {
    const isBusy = flow.busy && flow.total > 0;
    this.progress.hidden = !isBusy && !training.busy;
    if (isBusy) Object.assign(this.progress, { max: flow.total, value: flow.done });
    else this.progress.removeAttribute("value");
    const left = flow.left === null ? "" : `, ${Math.ceil(flow.left)} s left`;
    const texts = [
      isBusy ? `${flow.done} of ${flow.total} poses${left}` : flow.message,
      training.busy ? `nets: ${training.line}` : training.message,
    ];
    const text = texts.filter(Boolean).join("; ") || (flow.on ? "propagated; changes follow at once" : "");
    if (this.text.textContent !== text) this.text.textContent = text;
    document.querySelector("[data-action=propagate]").setAttribute("aria-pressed", flow.on);
    document.querySelector("[data-action=stopRuns]").disabled = !flow.on && !training.busy;
  }
}
