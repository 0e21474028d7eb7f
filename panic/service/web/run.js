// One run: the verdict in one line, the board, and who is not clear, worst first. Afterwards the whole report.

import { announce, copies, h, put, say, shout } from "./dom.js";
import { distribution, timeline } from "./charts.js";
import { Mosaic, legend, mark } from "./mosaic.js";
import { CODE_OF, STATES, count, number, seconds, spelled, title, utc } from "./words.js";

const LISTED = 25;

export class RunView {
  constructor() {
    this.board = null;
    this.mosaic = new Mosaic();
    this.verdict = h("div", { id: "verdict", class: "verdict" });
    this.facts = h("p", { class: "facts" });
    this.clock = h("span", { class: "clock", role: "timer", "aria-live": "off" });
    this.counts = h("div", { class: "sums" });
    this.flags = h("div", {});
    this.worst = h("section", { id: "worst", class: "worst", "aria-label": "Accounts that are not clear" });
    this.report = h("div", { id: "report", class: "report" });
    this.again = h("a", { class: "danger", href: "#/" }, "Press again");
    this.element = h("article", { class: "run" },
      h("header", { class: "run-top" }, this.verdict, h("div", { class: "run-side" }, this.clock, this.again)),
      this.facts, this.flags, this.counts,
      h("div", { class: "run-body" }, h("section", { class: "board", "aria-label": "Board" }, this.mosaic.element), this.worst),
      this.report);
    this.ticking = setInterval(() => this.tick(), 100);
    this.waiting("Waiting for the run");
  }

  waiting(words) {
    put(this.verdict, h("h1", {}, words));
  }

  end() {
    clearInterval(this.ticking);
    this.mosaic.end();
  }

  /** The page does not hear the service: nothing here goes on as if it did. */
  freeze(isLost) {
    this.isLost = isLost;
  }

  /** Take the whole board. */
  take(board) {
    const was = this.board;
    this.board = board;
    this.heardAt = performance.now();
    if (!was || was.run_id !== board.run_id || was.accounts.length !== board.accounts.length) this.mosaic.show(board.accounts);
    else this.mosaic.change(byCode(board.accounts));
    this.draw(board.counts);
    this.drawFacts();
    this.drawWorst();
    if (board.finished || !board.live) this.drawReport();
    else put(this.report);
    if (board.finished && !was?.finished) shout(`${board.drill ? "Drill. " : ""}${board.verdict.toUpperCase()}: ${board.headline}`);
  }

  /** Take changes. */
  change({ run_id: run, elapsed_s: elapsed, counts, changed }) {
    if (!this.board || this.board.run_id !== run) return;
    this.board.elapsed_s = elapsed;
    this.board.counts = counts;
    this.heardAt = performance.now();
    this.mosaic.change(changed);
    this.draw(counts);
  }

  get all() {
    return this.board.accounts.length;
  }

  draw(counts) {
    const board = this.board, clear = counts.c ?? 0;
    const isOver = board.finished, isCut = !board.live && !board.finished;
    const word = isOver || isCut ? board.verdict.toUpperCase() : clear === this.all ? "CLEAR SO FAR" : "CANCELLING";
    const code = isOver || isCut ? CODE_OF[board.verdict] : clear === this.all ? "c" : "s";
    const rest = isOver ? board.headline
      : isCut ? `${board.headline}. This run did not come to its end.`
        : clear === this.all ? `${count(clear, "account")} read clear; still watching for orders that reappear`
          : `${number(clear)} of ${count(this.all, "account")} read clear`;
    const told = `${code}${word}${rest}`;
    if (told !== this.told) {
      this.told = told;
      this.verdict.className = `verdict v-${isOver || isCut ? board.verdict : "live"}`;
      put(this.verdict, h("h1", {}, mark(code), h("span", {}, board.drill ? "DRILL · " : "", word)), h("p", {}, rest));
      if (!isOver) announce(`${word.toLowerCase()}: ${rest}`);
    }
    const sums = JSON.stringify(counts);
    if (sums !== this.sums) {
      this.sums = sums;
      put(this.counts, legend(counts));
      this.mosaic.describe(`Board of ${count(this.all, "account")}: ${Object.entries(counts).filter(([, n]) => n)
        .map(([one, n]) => `${number(n)} ${STATES[one].name}`).join(", ")}`);
    }
    this.tick();
  }

  tick() {
    if (!this.board) return;
    const { live, finished, elapsed_s: elapsed, deadline_s: deadline } = this.board;
    const since = live && !finished && !this.isLost ? (performance.now() - this.heardAt) / 1000 : 0;
    say(this.clock, finished ? `took ${seconds(elapsed)}` : `${seconds(elapsed + since)} of ${seconds(deadline)}`);
  }

  drawFacts() {
    const { scope, trigger, base_url: host, run_id: run, joined, resumed, latch, flags, started_at: at, contact } = this.board;
    put(this.facts, h("b", {}, scope), ` at ${host}, pressed ${utc(at)} by `, h("b", {}, trigger.by), `: ${trigger.reason} `,
      h("code", {}, run), contact ? h("span", { class: "contact" }, ` Broker: ${contact}`) : null);
    const lines = [
      latch && !latch.engaged ? h("li", { class: "bad" }, `THE LATCH IS NOT ENGAGED: ${latch.text}`) : null,
      ...flags.map((flag) => h("li", {}, flag.text)),
      latch?.engaged ? h("li", {}, `Latch: ${latch.text}`) : null,
      ...joined.map((one) => h("li", {}, `Pressed again ${utc(one.at)} by ${one.by}: ${one.reason}${one.sent_again ? `, ${count(one.sent_again, "account")} sent again` : ""}`)),
      ...resumed.map((one) => h("li", {}, `Taken up again ${utc(one.at)} by ${one.by}`)),
    ].filter(Boolean);
    put(this.flags, lines.length ? h("ul", { class: "flags" }, lines) : null);
  }

  drawWorst() {
    const { worst, more, live, finished } = this.board;
    const n = worst.length + more, isLive = live && !finished;
    if (!n) {
      put(this.worst, isLive ? shapes() : h("div", { class: "all-clear" }, mark("c"), h("p", {}, "Every account was read clear.")));
      return;
    }
    const open = new Set([...this.worst.querySelectorAll("details[open]")].map((one) => one.dataset.key));
    put(this.worst, h("h2", {}, isLive ? `Not clear yet: ${number(n)}` : `Not clear: ${number(n)}, worst first`),
      h("ol", {}, worst.slice(0, LISTED).map((one) => account(one, open, isLive))),
      n > LISTED ? h("p", { class: "note" }, `and ${count(n - LISTED, "more account", "more accounts")}: all of them stand in the report`) : null);
  }

  drawReport() {
    const board = this.board, { totals, coverage, timings, run_id: run, verify } = board, orders = totals.orders;
    const term = (name, value, note) => [h("dt", {}, name), h("dd", {}, value, note ? h("small", {}, ` ${note}`) : null)];
    put(this.report,
      h("nav", { class: "downloads", "aria-label": "Downloads" },
        h("a", { class: "button", href: `/v1/runs/${run}/report`, download: `${run}.json` }, "Report (JSON)"),
        h("a", { class: "button", href: `/v1/runs/${run}/evidence`, download: "" }, "Evidence"),
        h("button", { type: "button", class: "quiet", onclick: () => window.print() }, "Print")),
      h("div", { class: "charts" }, timeline(board), distribution(board)),
      h("div", { class: "columns" },
        h("section", { class: "panel" }, h("h2", {}, "Orders"), h("dl", {},
          term("Accepted for cancel", number(orders.accepted)), term("Seen cancelled", number(orders.canceled)),
          term("Filled meanwhile", number(orders.filled)), term("Seen open", number(orders.open)),
          term("Requests sent", number(totals.attempts)))),
        h("section", { class: "panel" }, h("h2", {}, "Fills during the cancel"), fills(totals.fills)),
        h("section", { class: "panel" }, h("h2", {}, "What “clear” rests on"), verify ? h("dl", {},
          term("Accounts read clear", `${number(coverage.accounts_clear)} of ${number(totals.accounts)}`),
          term("Open statuses", `${Math.round(coverage.open_lookback_s / 86400)} days back`), term("Any status", `${Math.round(coverage.recent_lookback_s / 3600)} hours back`),
          term("Named orders seen ended", `${number(coverage.named_seen_ended)} of ${number(coverage.named_orders)}`),
          term("Unlisted accounts", coverage.roster_checked ? number(coverage.unlisted_accounts.length) : "not asked"))
          : h("p", {}, "Nothing was read: accepted is not cancelled.")),
        h("section", { class: "panel" }, h("h2", {}, "Times"), h("dl", {},
          term("Last first cancel sent", seconds(timings.last_first_delete_s)), term("Every account concluded", seconds(timings.settled_s)),
          term("Took", seconds(timings.total_s), `of ${seconds(timings.deadline_s)}`),
          term("Ledger head", board.ledger_head ? h("code", { class: "head" }, board.ledger_head) : "none")))));
  }
}

/** What the shapes mean, for as long as there is nothing worse to tell. */
function shapes() {
  return [h("h2", {}, "What the shapes mean"), h("ul", { class: "shapes" }, Object.entries(STATES).map(([code, { name, tells }]) =>
    h("li", {}, mark(code), h("span", {}, h("b", {}, name), ` ${tells}`))))];
}

function byCode(accounts) {
  const found = {};
  accounts.forEach((row, index) => (found[row[3]] ??= []).push(index));
  return found;
}

function account(one, open, isLive) {
  const key = String(one.id ?? one.name), code = CODE_OF[one.verdict];
  const who = [one.name, one.group, one.owner].filter(Boolean).join(" · ");
  return h("li", { class: `account v-${one.verdict}` },
    h("div", { class: "account-top" }, mark(code), h("b", {}, title(isLive && one.verdict === "unverified" ? "not read yet" : one.verdict)),
      h("span", { class: "id" }, one.id ?? "no readable id"), who ? h("span", { class: "name" }, who) : null),
    h("p", { class: "next" }, one.next_step),
    h("details", { "data-key": key, open: open.has(key) }, h("summary", {}, `${count(one.attempts, "request")}, cancel ${one.outcome.replaceAll("_", " ")}, read ${one.standing}`),
      one.notes.length ? h("ul", { class: "notes" }, one.notes.map((note) => h("li", {}, note))) : null,
      one.request_ids.length ? h("table", { class: "ids" }, h("caption", {}, "Request ids, newest first"), h("tbody", {}, one.request_ids.map((request) => h("tr", {},
        h("td", {}, request.method), h("td", {}, request.error ?? request.status ?? "–"), h("td", {}, utc(request.at)),
        h("td", {}, request.id ? [h("code", {}, spelled(request.id)), copies(request.id)] : "none was given"))))) : null));
}

function fills(found) {
  if (!found.length) return h("p", {}, "None was seen.");
  return h("table", {}, h("thead", {}, h("tr", {}, h("th", {}, "Side"), h("th", {}, "Symbol"), h("th", { class: "n" }, "Quantity"))),
    h("tbody", {}, found.slice(0, 40).map((fill) => h("tr", {}, h("td", {}, fill.side.replaceAll("_", " ").toLowerCase()), h("td", {}, fill.symbol), h("td", { class: "n" }, fill.quantity)))));
}
