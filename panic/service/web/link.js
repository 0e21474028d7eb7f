// The page's only stream, and the one word that says what a page may claim: connected, late or lost.

import { answered } from "./service.js";

const LATE_MS = 3500; // a beat comes every two seconds
const SILENT_MS = 6000;
const BROKEN_MS = 1500; // how long a broken stream may take to come back
const AGAIN_MS = 3000;

/** The state of the link from what was heard: the last beat of the stream, the last answer to anything, when the page
 *  began to listen, and since when the stream is broken (0 for not). Only a beat makes what is shown current. */
export function stateOf({ beatAt, answerAt, sinceAt, brokeAt }, now) {
  const isSilent = now - Math.max(beatAt, answerAt, sinceAt) > SILENT_MS;
  const isBroken = brokeAt && now - Math.max(brokeAt, answerAt) > BROKEN_MS;
  if (isSilent || isBroken) return "lost";
  return now - beatAt > LATE_MS ? "late" : "connected";
}

export class Link {
  /** `on` has room, board, stale, refused, and `changed(state, before)`: one of `stateOf`, "paused" or "rest". */
  constructor(on) {
    this.on = on;
    this.run = ""; // the run to follow; "" for none
    this.source = null;
    this.rest();
    setInterval(() => this.look(), 500);
    document.addEventListener("visibilitychange", () => {
      if (this.isUsed) this.open();
    });
  }

  get isLost() {
    return this.state === "lost";
  }

  /** Follow this run from now on. */
  follow(run) {
    if (run === this.run && this.source) return;
    this.run = run;
    this.open();
  }

  open() {
    this.close();
    this.isLent = false;
    const now = Date.now();
    if (!this.isUsed || this.state === "paused") {
      this.sinceAt = now;
      this.brokeAt = 0;
    }
    this.isUsed = true;
    if (!document.hidden) this.listen(now); // a browser keeps six connections: a page that nobody sees takes none
    this.look();
  }

  listen(now) {
    this.openedAt = now;
    const source = new EventSource(`/v1/events${this.run ? `?run=${encodeURIComponent(this.run)}` : ""}`);
    this.source = source;
    for (const name of ["room", "board", "stale"]) {
      source.addEventListener(name, (event) => {
        if (source !== this.source) return;
        this.beatAt = Date.now();
        this.brokeAt = 0;
        this.on[name](JSON.parse(event.data));
        this.look();
      });
    }
    source.onerror = () => {
      if (source !== this.source) return;
      this.brokeAt ||= Date.now();
      if (source.readyState === EventSource.CLOSED) {
        // refused: the browser does not try again by itself
        this.source = null;
        this.on.refused();
      }
    };
  }

  /** Nothing answers, as somebody has found out already; what is shown is of `beatAt`. */
  giveUp(beatAt) {
    this.beatAt = beatAt;
    this.brokeAt = 1;
    this.look();
  }

  /** Let the connection go for a moment: a press may wait for it. Whoever borrows it calls `open` again. */
  lend() {
    if (!this.source) return;
    this.close();
    this.isLent = true;
  }

  close() {
    if (this.source) this.source.close();
    this.source = null;
  }

  /** Not signed in any more: there is nothing to be heard, and nothing is lost. */
  rest() {
    this.close();
    this.run = "";
    this.isUsed = this.isLent = false;
    this.beatAt = this.sinceAt = this.brokeAt = this.openedAt = 0;
    this.state = "rest";
  }

  look() {
    if (!this.isUsed) return;
    const now = Date.now(),
      before = this.state;
    this.state = document.hidden ? "paused" : stateOf({ ...this, answerAt: answered.at }, now);
    if (this.state !== before) this.on.changed(this.state, before);
    const isStuck = this.source === null || now - Math.max(this.beatAt, this.openedAt) > SILENT_MS;
    if (isStuck && !document.hidden && !this.isLent && now - this.openedAt > AGAIN_MS) this.open();
  }
}
