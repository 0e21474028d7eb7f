// One run: the verdict in one line, the board, and the accounts not clear, worst first. Afterwards the report.

import { announce, command, h, put, say, shout } from "./dom.js";
import { Mosaic } from "./mosaic.js";
import { report } from "./report.js";
import { legend, mark } from "./shapes.js";
import { Worst } from "./worst.js";
import { CODE_OF, STATES, count, number, seconds, utc } from "./words.js";

export class RunView {
  constructor() {
    this.board = null;
    this.mosaic = new Mosaic();
    this.verdict = h("div", { id: "verdict", class: "verdict" });
    this.facts = h("p", { class: "facts" });
    this.clock = h("span", { class: "clock", role: "timer", "aria-live": "off" });
    this.pace = h("p", { class: "pace" });
    this.counts = h("div", {});
    this.flags = h("div", {});
    this.worst = new Worst();
    this.report = h("div", { id: "report", class: "report" });
    this.again = h("a", { class: "danger", href: "#/" }, "Press again");
    this.element = h("article", { class: "run" },
      h("header", { class: "run-top" }, this.verdict, h("div", { class: "run-side" }, this.clock, this.pace, this.again)),
      this.facts, this.flags, this.counts,
      h("div", { class: "run-body" }, h("section", { "aria-label": "Board" }, this.mosaic.element), this.worst.element),
      this.report);
    this.ticking = setInterval(() => this.tick(), 100);
    put(this.verdict, h("h1", {}, "Waiting for the run"));
  }

  end() {
    clearInterval(this.ticking);
    this.mosaic.end();
  }

  /** The page has lost the service: stop everything that looks alive. */
  freeze(isLost) {
    this.isLost = isLost;
    this.tick();
  }

  /** Take a board; while the run is under way a stream leaves out who the accounts are. */
  take(board) {
    const was = this.board;
    const accounts = board.accounts ?? (was?.run_id === board.run_id ? was.accounts : null);
    if (!accounts || accounts.length !== board.codes.length) return;
    this.board = { ...board, accounts };
    this.heardAt = performance.now();
    this.isStale = false;
    if (was?.accounts.length !== accounts.length) {
      this.mosaic.show(accounts, board.codes);
    } else {
      this.mosaic.change(board.codes);
    }
    this.draw(board.counts);
    this.drawFacts();
    this.worst.take(board);
    put(this.report, this.isOver ? report(this.board) : null);
    if (board.finished && !was?.finished) shout(`${board.drill ? "Drill. " : ""}${board.verdict.toUpperCase()}: ${board.headline}`);
  }

  /** The service cannot update the board any more: stop everything that looks alive. */
  stale() {
    if (!this.board || this.isStale) return;
    this.isStale = true;
    this.drawFacts();
    shout("This board is no longer up to date. The run continues.");
  }

  get all() {
    return this.board.accounts.length;
  }

  /** Whether nobody works on it any more: it came to its end, or its process did. */
  get isOver() {
    return this.board.finished || !this.board.live;
  }

  draw(counts) {
    const { verdict, drill } = this.board, clear = counts.c ?? 0, isClear = clear === this.all;
    const [code, word] = this.isOver ? [CODE_OF[verdict], verdict.toUpperCase()] : isClear ? ["c", "CLEAR SO FAR"] : ["s", "CANCELLING"];
    const rest = this.sentence(clear);
    const told = `${code}${word}${rest}`;
    if (told !== this.told) {
      this.told = told;
      this.verdict.className = this.isOver ? `verdict v-${verdict}` : "verdict";
      this.again.className = this.isOver && verdict === "clear" ? "button" : "danger";
      put(this.verdict, h("h1", {}, mark(code), h("span", {}, drill ? "DRILL · " : "", word)), h("p", {}, rest), this.isOver ? null : bar(clear / this.all));
    }
    const step = `${word} ${Math.floor((4 * clear) / this.all)}`; // a screen reader hears of quarters, not of every account
    if (!this.isOver && step !== this.step) announce(`${word.toLowerCase()}: ${rest}`);
    this.step = step;
    const sums = JSON.stringify(counts);
    if (sums !== this.sums) {
      this.sums = sums;
      put(this.counts, legend(counts));
      this.mosaic.describe(`Board of ${count(this.all, "account")}: ${Object.entries(counts).filter(([, n]) => n)
        .map(([one, n]) => `${number(n)} ${STATES[one].name}`).join(", ")}`);
    }
    this.tick();
  }

  sentence(clear) {
    const { finished, live, headline } = this.board;
    if (finished) return headline;
    if (!live) return `${headline}. This run did not finish.`;
    if (clear === this.all) return `${count(clear, "account")} read clear; still watching for orders that reappear`;
    return `${number(clear)} of ${count(this.all, "account")} read clear`;
  }

  tick() {
    if (!this.board) return;
    const { elapsed_s: elapsed, deadline_s: deadline, finished, forecast } = this.board;
    const since = this.isOver || this.isLost || this.isStale ? 0 : (performance.now() - this.heardAt) / 1000;
    say(this.pace, this.isOver ? "" : forecast?.text ?? "");
    say(this.clock, finished ? `took ${seconds(elapsed)}` : `${seconds(elapsed + since)} of ${seconds(deadline)}`);
  }

  drawFacts() {
    const { scope, trigger, base_url: host, run_id: run, joined, resumed, latch, flags, started_at: at, contact } = this.board;
    put(this.facts, h("b", {}, scope), ` at ${host}, pressed ${utc(at)} by `, h("b", {}, trigger.by), `: ${trigger.reason} `,
      h("code", {}, run), " ", contact ? h("span", { class: "contact" }, `Broker: ${contact}`) : null);
    const lines = [
      this.isStale ? h("li", { class: "bad" }, "THIS BOARD IS OUT OF DATE. The run continues: at a terminal, ", command(`panic show ${run}`)) : null,
      latch && !latch.engaged ? h("li", { class: "bad" }, `THE LATCH IS NOT ENGAGED: ${latch.text}`) : null,
      ...flags.map((flag) => h("li", {}, flag.text)),
      latch?.engaged && !flags.some((flag) => flag.code === "latch") ? h("li", {}, `Latch: ${latch.text}`) : null,
      ...joined.map((one) => h("li", {}, `Pressed again ${utc(one.at)} by ${one.by}: ${one.reason}${one.sent_again ? `, ${count(one.sent_again, "account")} sent again` : ""}`)),
      ...resumed.map((one) => h("li", {}, `Resumed ${utc(one.at)} by ${one.by}`)),
    ].filter(Boolean);
    this.flags.hidden = !lines.length;
    put(this.flags, h("ul", { class: "flags" }, lines));
  }
}

/** How much is read clear, as a bar; the words above it say it to everybody else. */
function bar(share) {
  const done = h("span", {});
  done.style.width = `${(share * 100).toFixed(2)}%`;
  return h("div", { class: "bar-of-clear", "aria-hidden": "true" }, done);
}
