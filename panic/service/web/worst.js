// Accounts that are not clear, worst first; above them the account that somebody has opened.

import { Card } from "./account.js";
import { h, put, say } from "./dom.js";
import { ask } from "./service.js";
import { mark } from "./shapes.js";
import { count, number, STATES } from "./words.js";

const HELD_MS = 10_000; // how long a hand that rests on the list keeps it as it is
const LEFT_MS = 2000; // and one that has left it: the page may have moved, and not the hand
const AGAIN_MS = 2000; // how often an account that is open is asked for while it changes

export class Worst {
  constructor(found) {
    this.cards = new Map();
    this.title = h("h2", {});
    const hold = () => this.hold();
    this.list = h("ol", {
      onpointermove: hold,
      onpointerdown: hold,
      onfocusin: hold,
      onpointerleave: () => this.hold(LEFT_MS),
    });
    this.rest = h("p", { class: "note" });
    this.all = h("div", {});
    this.opened = h("section", {
      id: "opened",
      class: "opened",
      "aria-label": "Account",
      tabindex: "-1",
      hidden: true,
      onkeydown: (event) => event.key === "Escape" && this.close(),
    });
    this.found = found;
    this.element = h(
      "section",
      { id: "worst", class: "worst", "aria-label": "Accounts that are not clear", tabindex: "0" },
      this.opened,
      found,
      this.all,
    );
  }

  /** Take the whole board; a card that says the same as before stays, and stays open, as it is. */
  take(board, codeOf) {
    const { worst, more, live, finished } = board;
    this.board = board;
    this.codeOf = codeOf;
    this.isLive = live && !finished;
    if (this.isHeld) for (const card of this.cards.values()) card.become(codeOf(card.id));
    else this.fill(board);
    this.draw(worst.length + more, board.counts);
  }

  /** Somebody's hand is on the list: what is under it keeps its place, and says how it stands. */
  hold(forMs = HELD_MS) {
    clearTimeout(this.holding);
    this.holding = setTimeout(() => this.release(), forMs);
    this.isHeld = true;
  }

  release() {
    clearTimeout(this.holding);
    if (!this.isHeld) return;
    this.isHeld = false;
    for (const card of this.cards.values()) card.text = ""; // it may say something else than when it was made
    this.take(this.board, this.codeOf);
  }

  fill(board) {
    const cards = new Map();
    for (const one of board.worst) {
      const key = one.id ?? `row ${cards.size}`,
        text = JSON.stringify([one, this.isLive]),
        before = this.cards.get(key);
      const card =
        before?.text === text ? before : new Card(one, board, { isLive: this.isLive, isOpen: before?.isOpen });
      cards.set(key, Object.assign(card, { text }));
    }
    this.cards = cards;
    const elements = [...cards.values()].map((card) => card.element);
    if (
      elements.some((element, i) => this.list.children[i] !== element) ||
      this.list.children.length !== elements.length
    )
      put(this.list, elements);
  }

  draw(left, { r: refused = 0, o: open = 0, k: unknown = 0 }) {
    const bad = [
      refused && `${number(refused)} refused`,
      unknown && `${number(unknown)} unknown`,
      open && `${number(open)} open`,
    ]
      .filter(Boolean)
      .join(" · ");
    say(this.title, this.isLive ? `Not clear yet: ${bad || number(left)}` : `Not clear: ${number(left)}, worst first`);
    say(
      this.rest,
      left > this.cards.size && this.cards.size
        ? `and ${count(left - this.cards.size, "more account")}${this.isLive ? "" : ": the report lists all of them"}`
        : "",
    );
    const kind = this.cards.size ? "list" : this.isLive ? "shapes" : left ? "list" : "clear";
    if (kind !== this.kind) {
      this.kind = kind;
      put(this.all, kind === "list" ? [this.title, this.list, this.rest] : kind === "shapes" ? shapes() : null);
    }
    this.arrange();
  }

  /** What is looked for takes the place of the worst; where there is neither, the board gets the space. */
  arrange() {
    this.all.hidden = !this.found.hidden;
    this.element.hidden = this.kind === "clear" && this.found.hidden && this.opened.hidden;
  }

  // ── one account ──────────────────────────────────────────────────────────────────────────────────────────────

  /** Open an account: its row, and its letter now. */
  async open(row, code) {
    this.row = row;
    this.code = code;
    const back = document.activeElement;
    this.back = this.opened.contains(back) ? this.back : back;
    this.opened.hidden = false;
    put(this.opened, this.top(), h("p", { class: "note" }, `Reading account ${row[0] ?? ""}…`));
    this.arrange();
    this.opened.scrollIntoView({ block: "nearest" });
    this.opened.focus();
    await this.ask();
  }

  /** Take the letter that an open account has now; a new one is a reason to ask again. */
  now(code) {
    if (this.opened.hidden || (code === this.code && this.isLive === this.wasLive)) return;
    this.code = code;
    clearTimeout(this.again);
    this.again = setTimeout(() => this.ask(), Math.max(0, (this.askedAt ?? 0) + AGAIN_MS - performance.now()));
  }

  async ask() {
    const row = this.row,
      [id] = row;
    this.askedAt = performance.now();
    this.wasLive = this.isLive;
    try {
      const one =
        id === null
          ? null
          : await ask("GET", `/v1/runs/${this.board.run_id}/accounts/${id}`, undefined, { within: 60_000 });
      if (row !== this.row) return;
      put(
        this.opened,
        this.top(),
        one
          ? h(
              "ul",
              {},
              new Card({ ...one, id, code: this.code }, this.board, { isLive: this.isLive, isFull: true }).element,
            )
          : h("p", {}, `${row[1]}: this row has no readable id. Nothing was sent: cancel its orders by hand.`),
      );
    } catch (error) {
      if (row === this.row) put(this.opened, this.top(), h("p", { class: "bad" }, `Account ${id}: ${error.message}.`));
    }
  }

  top() {
    return h(
      "p",
      { class: "opened-top" },
      h("b", {}, "Account"),
      h("button", { type: "button", class: "quiet small", onclick: () => this.close() }, "Close"),
    );
  }

  close() {
    this.row = null;
    clearTimeout(this.again);
    this.opened.hidden = true;
    this.arrange();
    if (this.back?.isConnected) this.back.focus();
  }
}

/** What the shapes mean, for as long as there is nothing worse to tell. */
function shapes() {
  return [
    h("h2", {}, "What the shapes mean"),
    h(
      "ul",
      { class: "shapes" },
      Object.entries(STATES).map(([code, { name, tells }]) =>
        h("li", {}, mark(code), h("span", {}, h("b", {}, name), ` ${tells}`)),
      ),
    ),
  ];
}
