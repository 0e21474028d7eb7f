// The page's only stream. It says every two seconds how things stand; a page that misses it says so loudly.

const SILENT_MS = 6000; // three beats
const LOST_MS = 1500; // how long a broken connection may take to come back before the page says that it is lost
const AGAIN_MS = 1000;

export class Link {
  /** `on` has room, board, stale, paused, lost, back and refused. */
  constructor(on) {
    this.on = on;
    this.run = ""; // the run to follow; "" for none
    this.heardAt = 0;
    this.isLost = this.isPaused = this.isLent = false;
    this.source = null;
    this.brokeAt = 0;
    this.openedAt = 0;
    setInterval(() => this.look(), 500);
    document.addEventListener("visibilitychange", () => {
      if (!this.isUsed) return;
      if (document.hidden) this.pause();
      else this.open();
    });
  }

  /** Follow this run from now on. */
  follow(run) {
    if (run === this.run && this.source) return;
    this.run = run;
    this.open();
  }

  open() {
    this.close();
    this.isBack = this.isBack || this.isLent;
    this.isLent = false;
    this.isUsed = true;
    if (document.hidden) return this.pause();
    this.wanted = true;
    this.brokeAt ||= Date.now();
    this.openedAt = Date.now();
    const source = new EventSource(`/v1/events${this.run ? `?run=${encodeURIComponent(this.run)}` : ""}`);
    this.source = source;
    const hear = (name, take) => source.addEventListener(name, (event) => {
      if (source !== this.source) return;
      this.heard();
      take(JSON.parse(event.data));
    });
    hear("room", (found) => this.on.room(found));
    hear("board", (found) => this.on.board(found));
    hear("stale", (found) => this.on.stale(found));
    source.onerror = () => {
      if (source !== this.source) return;
      this.brokeAt ||= Date.now();
      if (source.readyState === EventSource.CLOSED) { // refused: the browser does not try again by itself
        this.source = null;
        this.on.refused();
      }
    };
  }

  /** A browser keeps six connections to a service: a page that nobody sees takes none, and claims nothing. */
  pause() {
    this.close();
    this.isPaused = true;
    this.on.paused();
  }

  /** Let the connection go for a moment: a press may wait for it. Whoever borrows it calls `open` again. */
  lend() {
    if (!this.wanted) return;
    this.close();
    this.isLent = true;
    this.on.paused();
  }

  close() {
    this.wanted = false;
    if (this.source) this.source.close();
    this.source = null;
  }

  /** Not signed in any more: there is nothing to be heard, and nothing is lost. */
  rest() {
    this.close();
    this.run = "";
    this.isUsed = this.isLent = false;
    this.brokeAt = 0;
    this.heardAt = 0;
    this.isLost = this.isPaused = false;
  }

  heard() {
    this.heardAt = Date.now();
    this.brokeAt = 0;
    if (this.isLost || this.isPaused || this.isBack) {
      this.isLost = this.isPaused = this.isBack = false;
      this.on.back();
    }
  }

  look() {
    if (!this.wanted && !this.isLent) return;
    const now = Date.now();
    const isBroken = !this.isLent && this.brokeAt && now - this.brokeAt > LOST_MS;
    const isSilent = this.heardAt && now - Math.max(this.heardAt, this.openedAt) > SILENT_MS;
    if (!isBroken && !isSilent) return;
    if (!this.isLost) {
      this.isLost = true;
      this.on.lost();
    }
    const isStuck = !this.isLent && (this.source === null || isSilent);
    if (isStuck && now - (this.triedAt || 0) > AGAIN_MS * 3) {
      this.triedAt = now;
      this.open();
    }
  }
}
