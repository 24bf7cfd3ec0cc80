// Requests to the server of the page, and the changes that are not on its disk yet.

const RETRY = 1000; // milliseconds

class Connection {
  constructor(window_, columns) {
    [this.window, this.columns] = [window_, columns]; // the columns say which joints this page shows
    this.waiting = []; // changes in order; the first one is on its way
    this.sent = 0; // number of changes so far
    this.isSending = false;
    this.isOver = false; // the server refuses changes of this window
    this.tell = () => {}; // called with "saved", "saving" or "lost", and a text
    window.addEventListener("beforeunload", (event) => { if (this.waiting.length) event.preventDefault(); });
    window.addEventListener("pagehide", () => this.post("leave", { window: this.window }, { keepalive: true }));
  }

  // The status and the content of an answer; null if there was none.
  async #ask(path, options) {
    try {
      const answer = await fetch(path, { cache: "no-store", ...options });
      return { status: answer.status, content: await answer.json() };
    } catch {
      return null;
    }
  }

  get(path) { return this.#ask(path, {}); }

  post(path, message, options = {}) {
    const headers = { "Content-Type": "application/json" };
    return this.#ask(path, { method: "POST", headers, body: JSON.stringify(message), ...options });
  }

  // True if a change of the frame with this number is not on disk yet.
  isWaiting(number) { return this.waiting.some((message) => message.frames && number in message.frames); }

  // Send a change, at once and until the server has it. Changes of one step that wait together become one.
  send(message) {
    if (this.isOver) return;
    this.sent += 1;
    const last = this.waiting.at(-1);
    const isOnItsWay = this.isSending && this.waiting.length === 1;
    if (message.do && last?.do === message.do && !isOnItsWay) {
      this.waiting[this.waiting.length - 1] = { ...message, frames: { ...last.frames, ...message.frames } };
    } else {
      this.waiting.push(message);
    }
    this.#drain();
  }

  async #drain() {
    if (this.isSending) return;
    this.isSending = true;
    this.tell("saving", "Saving …");
    while (this.waiting.length) {
      const answer = await this.post("edit", { ...this.waiting[0], window: this.window, columns: this.columns });
      if (answer?.status === 200) {
        this.waiting.shift();
      } else if (!answer || answer.status >= 500) {
        this.tell("lost", answer ? `Not saved: ${answer.content.error}` : "Not saved: the server does not answer");
        await pause(RETRY);
      } else {
        this.close(answer.content.error);
      }
    }
    this.isSending = false;
    if (!this.isOver) this.tell("saved", "Saved");
  }

  // Nothing can be changed in this window anymore.
  close(reason) {
    if (this.isOver) return;
    this.isOver = true;
    this.waiting = [];
    this.tell("over", reason);
  }
}

function pause(milliseconds) { return new Promise((resolve) => { setTimeout(resolve, milliseconds); }); }
