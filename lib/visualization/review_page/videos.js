// The list of all videos of a project, with the state of each.

class Videos {
  constructor(live, connection) {
    [this.live, this.connection] = [live, connection];
    this.button = element("button", { textContent: `Video ${live.video + 1} of ${live.numVideos} …`, hidden: live.numVideos < 2 });
    this.button.dataset.action = "videos";
    this.rows = element("tbody");
    const heads = ["video", "labeled frames", "state"].map((textContent) => element("th", { textContent, scope: "col" }));
    this.dialog = element("dialog", { id: "videos" }, element("h2", { textContent: "Videos of the project" }),
      element("table", {}, element("thead", {}, element("tr", {}, ...heads)), this.rows),
      element("form", { method: "dialog" }, element("button", { textContent: "Close" })));
    this.dialog.setAttribute("aria-label", "Videos");
    document.body.append(this.dialog);
  }

  async open() {
    const answer = await this.connection.get("../");
    if (answer?.status !== 200) return;
    this.rows.replaceChildren(...answer.content.map((video, index) => this.#row(video, index)));
    this.dialog.showModal();
    this.rows.querySelector("[aria-current]").focus();
  }

  #row(video, index) {
    const link = element("a", { href: `../${index}/`, textContent: video.name });
    if (index === this.live.video) link.setAttribute("aria-current", "page");
    return element("tr", {}, element("td", {}, link), element("td", { textContent: video.labeled || "" }),
      element("td", { textContent: stateOfVideo(video) }));
  }
}

function stateOfVideo({ labeled, propagated, flow, needs }) {
  if (flow?.busy && flow.total) return `propagating, ${Math.floor((100 * flow.done) / flow.total)} %`;
  if (propagated && needs !== undefined) return needs ? `${needs} to review` : "propagated, nothing to review";
  if (propagated) return "propagated";
  return labeled ? "labeled" : "not labeled yet";
}
