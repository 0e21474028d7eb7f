// One run: the band, the board, and the accounts not clear, worst first. Afterwards the report.

import { caller } from "./account.js";
import { sound, soundSwitch } from "./attention.js";
import { Band } from "./band.js";
import { command, copies, h, put, shout } from "./dom.js";
import { Find } from "./find.js";
import { Mosaic } from "./mosaic.js";
import { paper } from "./paper.js";
import { report } from "./report.js";
import { ask } from "./service.js";
import { count, number, STATES, utc } from "./words.js";
import { Worst } from "./worst.js";

const ACCOUNTS_MS = 60_000; // who thousands of accounts are, over a slow link
const AGAIN_MS = 3000;
const RESUME_MS = 20_000; // a service that is started again looks at once for what was cut off

export class RunView {
  constructor() {
    this.board = null;
    this.brokeAt = 0; // when the process of a run that was followed ended; 0 for not
    this.accounts = [];
    this.order = ""; // of the accounts that are known
    this.opened = -1;
    this.mosaic = new Mosaic((index) => this.open(index));
    this.find = new Find({ changed: () => this.look(), open: (index) => this.open(index) });
    this.worst = new Worst(this.find.found);
    this.band = new Band();
    this.facts = h("p", { class: "facts" });
    this.switch = soundSwitch();
    this.flags = h("div", {});
    this.report = h("div", { id: "report", class: "report" });
    this.sheet = h("section", { class: "on-paper" });
    this.unprint = paper(this.sheet, () => [this.board, this.isKnown ? this.accounts : [], this.toldAt]);
    this.element = h(
      "article",
      { class: "run" },
      this.band.element,
      this.sheet,
      this.facts,
      this.flags,
      this.find.element,
      h("div", { class: "run-body" }, h("section", { "aria-label": "Board" }, this.mosaic.element), this.worst.element),
      this.report,
    );
    this.ticking = setInterval(() => this.tick(), 100);
  }

  end() {
    this.isEnded = true;
    this.unprint();
    clearInterval(this.ticking);
    clearTimeout(this.retrying);
    this.mosaic.end();
    this.find.end();
  }

  /** The page has lost the service: stop everything that looks alive. */
  freeze(isLost) {
    this.isLost = isLost;
    this.tick();
  }

  /** Take a board; one that was overtaken on its way is old. What is over is under way again only where it was
   * resumed. */
  take(board) {
    const was = this.board;
    if (
      was &&
      board.live &&
      board.resumed.length <= was.resumed.length &&
      (!was.live || board.elapsed_s < was.elapsed_s)
    )
      return;
    this.board = board;
    this.follow(was, board);
    this.heardAt = performance.now();
    this.toldAt = Date.now();
    this.isStale = false;
    if (board.order !== this.order) this.know(board.run_id);
    else if (was?.order !== board.order || !this.isShown) this.show();
    else this.mosaic.change(board.codes);
    this.draw();
    this.drawFacts();
    this.worst.take(board, (id) => (this.isKnown ? board.codes[this.places.get(id)] : undefined));
    if (this.opened >= 0 && this.isKnown) this.worst.now(board.codes[this.opened]);
    put(this.report, this.isOver ? report(board) : null);
    this.switch.hidden = board.finished;
    if (board.finished && was?.finished === false) sound(board.verdict);
    if (board.finished && !was?.finished)
      shout(`${board.drill ? "Drill. " : ""}${board.verdict.toUpperCase()}: ${board.headline}`);
  }

  /** Follow a run that was under way over the end of its process: it is about to be resumed, and then read again. */
  follow(was, board) {
    if (board.live) this.brokeAt = 0;
    else if (was?.live && !board.finished) this.brokeAt = performance.now();
    const isCutOff = was?.live && (!board.live || board.resumed.length > was.resumed.length);
    if (isCutOff) this.band.reread = was.counts.c ?? 0;
    else if ((board.counts.c ?? 0) >= this.band.reread) this.band.reread = 0;
  }

  /** Whether its process ended a moment ago, and the next one may resume it. */
  get isBroken() {
    return this.brokeAt > 0 && performance.now() - this.brokeAt < RESUME_MS;
  }

  /** Ask who the accounts of a run are, once; the band is true before. */
  async know(run) {
    if (this.asks) return;
    this.asks = true;
    const how = { within: ACCOUNTS_MS, cache: "no-cache" };
    const found = await ask("GET", `/v1/runs/${encodeURIComponent(run)}/accounts`, undefined, how).catch(() => null);
    if (this.isEnded) return;
    if (!found) return this.retry();
    this.accounts = found.accounts;
    this.order = found.order;
    this.asks = false;
    if (!this.board) return;
    if (this.order === this.board.order) this.show();
    else this.retry();
  }

  retry() {
    this.asks = true;
    this.retrying = setTimeout(() => {
      this.asks = false;
      if (this.board && this.board.order !== this.order) this.know(this.board.run_id);
    }, AGAIN_MS);
  }

  show() {
    this.isShown = true;
    this.places = new Map(this.accounts.map(([id], place) => [id, place]));
    this.opened = -1;
    this.mosaic.show(this.accounts, this.board.codes);
    this.find.know(this.accounts);
  }

  open(index) {
    this.opened = index;
    this.worst.open(this.accounts[index], this.board.codes[index]);
  }

  /** Something else is looked for. */
  look() {
    if (!this.isKnown) return;
    this.mosaic.filter(this.find.by(this.board.codes));
    this.find.show(this.board.codes);
    this.worst.arrange();
  }

  /** The service cannot update the board any more: stop everything that looks alive. */
  stale() {
    if (!this.board || this.isStale) return;
    this.isStale = true;
    this.drawFacts();
    shout("This board is no longer up to date. The run continues.");
  }

  /** Whether it is known who the accounts of this board are. */
  get isKnown() {
    return this.isShown && this.order === this.board.order;
  }

  /** Whether nobody works on it any more: it came to its end, or its process did. */
  get isOver() {
    return this.board.finished || !(this.board.live || this.isBroken);
  }

  draw() {
    const { counts, codes } = this.board;
    this.band.draw(this.board, this.isOver);
    const sums = JSON.stringify(counts);
    if (sums !== this.sums) {
      this.sums = sums;
      this.find.draw(counts);
      this.mosaic.describe(
        `Board of ${count(codes.length, "account")}: ${Object.entries(counts)
          .filter(([, n]) => n)
          .map(([one, n]) => `${number(n)} ${STATES[one].name}`)
          .join(", ")}`,
      );
    }
    if (this.isKnown && this.find.by(codes)) this.look();
    this.tick();
  }

  tick() {
    if (!this.board) return;
    if (this.brokeAt && !this.isBroken) {
      this.brokeAt = 0; // nobody resumes it: it is as it is on record
      this.band.reread = 0;
      this.take(this.board);
    }
    const isStill = this.isOver || this.isLost || this.isStale || this.isBroken;
    this.band.tick(this.board, this.isOver, isStill ? 0 : (performance.now() - this.heardAt) / 1000);
  }

  drawFacts() {
    const {
      scope,
      trigger,
      base_url: host,
      run_id: run,
      joined,
      resumed,
      latch,
      flags,
      started_at: at,
      contact,
      order,
    } = this.board;
    const told = JSON.stringify([scope, trigger, joined, resumed, latch, flags, order, this.isStale]);
    if (told === this.told) return;
    this.told = told;
    const fact = (name, ...inside) => h("span", {}, h("small", {}, name), " ", inside);
    put(
      this.facts,
      fact("Scope", h("b", {}, scope)),
      fact("By", h("b", {}, trigger.by)),
      fact("Why", trigger.reason),
      fact("Pressed", `${utc(at)} (${newYork(at)} New York)`),
      fact("Broker", h("b", { class: "contact", title: `${contact} (${host})` }, caller(contact, contact || host))),
      fact("Run", h("code", {}, run), copies(run), this.switch),
    );
    const lines = [
      this.isStale
        ? h(
            "li",
            { class: "bad" },
            "THIS BOARD IS OUT OF DATE. The run continues: at a terminal, ",
            command(`panic show ${run}`),
          )
        : null,
      latch && !latch.engaged ? h("li", { class: "bad" }, `THE LATCH IS NOT ENGAGED: ${latch.text}`) : null,
      ...flags.map((flag) => h("li", {}, flag.text)),
      latch?.engaged && !flags.some((flag) => flag.code === "latch") ? h("li", {}, `Latch: ${latch.text}`) : null,
      ...joined.map((one) =>
        h(
          "li",
          {},
          `Pressed again ${utc(one.at)} by ${one.by}: ${one.reason}` +
            (one.sent_again ? `, ${count(one.sent_again, "account")} sent again` : ""),
        ),
      ),
      ...resumed.map((one) => h("li", {}, `Resumed ${utc(one.at)} by ${one.by}`)),
    ].filter(Boolean);
    this.flags.hidden = !lines.length;
    put(this.flags, h("ul", { class: "flags" }, lines));
    this.mosaic.arrange(); // what stands above it has another height now
  }
}

const newYork = (iso) =>
  new Intl.DateTimeFormat("en-GB", { timeZone: "America/New_York", hour: "2-digit", minute: "2-digit" }).format(
    new Date(iso),
  );
