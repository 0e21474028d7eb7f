// Accounts that are not clear, worst first, each with what to do next and the request ids to read out.

import { copies, h, put, say } from "./dom.js";
import { mark } from "./shapes.js";
import { CODE_OF, STATES, count, number, spelled, capital, utc } from "./words.js";

export class Worst {
  constructor() {
    this.cards = new Map();
    this.title = h("h2", {});
    this.list = h("ol", {});
    this.rest = h("p", { class: "note" });
    this.element = h("section", { id: "worst", class: "worst", "aria-label": "Accounts that are not clear", tabindex: "0" });
  }

  /** Take the whole board; a card that says the same as before stays, and stays open, as it is. */
  take({ worst, more, live, finished }) {
    this.isLive = live && !finished;
    const cards = new Map();
    for (const one of worst) {
      const key = one.id ?? `row ${cards.size}`, text = JSON.stringify([one, this.isLive]), before = this.cards.get(key);
      cards.set(key, before?.text === text ? before : new Card(one, text, this.isLive, before?.isOpen));
    }
    this.cards = cards;
    this.more = more;
    const elements = [...cards.values()].map((card) => card.element);
    if (elements.some((element, i) => this.list.children[i] !== element) || this.list.children.length !== elements.length) put(this.list, elements);
    this.draw(worst.length + more);
  }

  draw(left) {
    say(this.title, this.isLive ? `Not clear yet: ${number(left)}` : `Not clear: ${number(left)}, worst first`);
    say(this.rest, this.more > 0 && left > this.cards.size ? `and ${count(left - this.cards.size, "more account")}${this.isLive ? "" : ": the report lists all of them"}` : "");
    const kind = this.cards.size ? "list" : this.isLive ? "shapes" : left ? "list" : "clear";
    if (kind === this.kind) return;
    this.kind = kind;
    this.element.hidden = kind === "clear"; // the verdict says it all, and the board gets the space
    put(this.element, kind === "list" ? [this.title, this.list, this.rest] : kind === "shapes" ? shapes() : null);
  }
}

class Card {
  constructor(one, text, isLive, isOpen = false) {
    this.id = one.id;
    this.text = text;
    this.state = h("span", { class: "state" });
    this.details = h("details", { open: isOpen }, h("summary", {}, `${count(one.attempts, "request")}, cancel ${one.outcome.replaceAll("_", " ")}, read ${one.standing}`),
      one.notes.length ? h("ul", { class: "notes" }, one.notes.map((note) => h("li", {}, note))) : null,
      one.request_ids.length ? requests(one.request_ids) : null);
    const who = [one.name, one.group, one.owner].filter(Boolean).join(" · ");
    this.next = h("p", { class: "next" });
    this.step = isLive && one.verdict !== "refused" ? "" : one.next_step; // while it is being worked on there is nothing to do
    this.element = h("li", { class: `account v-${one.verdict}` },
      h("div", { class: "account-top" }, this.state, h("span", { class: "id" }, one.id ?? "no readable id"), who ? h("span", { class: "name" }, who) : null),
      this.next, this.details);
    this.become(isLive ? one.code : CODE_OF[one.verdict]);
  }

  get isOpen() {
    return this.details.open;
  }

  become(code) {
    if (code === this.code || code === undefined) return;
    this.code = code;
    put(this.state, mark(code), h("b", {}, capital(STATES[code].name)));
    say(this.next, this.step && code !== "c" ? this.step : capital(STATES[code].tells));
    this.element.classList.toggle("is-clear", code === "c");
  }
}

function requests(ids) {
  return h("table", { class: "ids" }, h("caption", {}, "Request ids, newest first"), h("tbody", {}, ids.map((request) => h("tr", {},
    h("td", {}, request.method), h("td", {}, request.error ?? request.status ?? "–"), h("td", {}, utc(request.at)),
    h("td", {}, request.request_id ? [h("code", {}, spelled(request.request_id)), copies(request.request_id)] : "none")))));
}

/** What the shapes mean, for as long as there is nothing worse to tell. */
function shapes() {
  return [h("h2", {}, "What the shapes mean"), h("ul", { class: "shapes" }, Object.entries(STATES).map(([code, { name, tells }]) =>
    h("li", {}, mark(code), h("span", {}, h("b", {}, name), ` ${tells}`))))];
}
