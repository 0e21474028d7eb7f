// One account: what became of it, what to do, whom to call, and the request ids to read out.

import { copies, h, put, say } from "./dom.js";
import { mark } from "./shapes.js";
import { blocks, CODE_OF, capital, count, number, phone, quantity, STATES, utc } from "./words.js";

const LISTED_MOST = 10;

/** How the orders of an account stand, in a line; "" where none is known. */
const ORDERS = [
  ["open", "open"],
  ["accepted", "accepted for cancel"],
  ["canceled", "seen cancelled"],
  ["filled", "filled meanwhile"],
];
const ordersOf = ({ orders }) =>
  ORDERS.filter(([key]) => orders[key])
    .map(([key, words]) => `${number(orders[key])} ${words}`)
    .join(", ");
const outcomeOf = (one) => `cancel ${one.outcome.replaceAll("_", " ")}, read ${one.standing}`;

/** The orders that nobody has seen ended, as a list has the largest of them and a report all: what, and how much at
 * which price. */
const openOf = (one) =>
  (
    one.open_orders ??
    one.order_list.filter((order) => order.open).sort((a, b) => (b.notional ?? Infinity) - (a.notional ?? Infinity))
  ).map((order) => [
    [order.side, order.symbol].filter(Boolean).join(" ") || order.id,
    [quantity(order.leaves ?? undefined), order.price ?? order.type].filter(Boolean).join(" @ "),
  ]);

/** The board's list counts requests and has the latest; a report has all of them, the oldest first. */
const requestsOf = (one) => one.request_ids ?? [...one.attempts].reverse();
const numberOf = (one) => (one.request_ids ? one.attempts : one.attempts.length);

/** What to have in hand at the telephone, as plain text. */
export function callSheet(one, { run_id: run, contact, base_url: host, scope }) {
  const ids = requestsOf(one)
    .filter((request) => request.request_id)
    .map(
      (request) =>
        `  ${request.method} ${request.error ?? request.status ?? "no answer"}, ` +
        `${utc(request.at)}: ${request.request_id}`,
    );
  return [
    `Broker: ${contact || "not named"} (${host})`,
    `Account: ${one.id ?? "no readable id"} ${[one.name, one.group, one.owner].filter(Boolean).join(", ")}`.trim(),
    `Verdict: ${one.verdict.toUpperCase()} (${outcomeOf(one)}), as of ${utc(new Date().toISOString())}`,
    `Orders: ${ordersOf(one) || "none known"}`,
    ...openOf(one)
      .slice(0, LISTED_MOST)
      .map(([what, much]) => `  ${what} ${much}`),
    ...one.notes.map((note) => `Note: ${note}`),
    one.next_step ? `Next: ${one.next_step}` : "",
    "Request ids, newest first:",
    ...(ids.length ? ids : ["  none"]),
    `Run: ${run}, ${scope}`,
  ]
    .filter(Boolean)
    .join("\n");
}

/** A link that calls the broker, where the contact has a telephone number; `words` stand in any case. */
export function caller(contact, words = "") {
  const number = phone(contact);
  if (!number) return words;
  const how = { class: "call", href: `tel:${number.replace(/[^+\d]/g, "")}`, title: contact };
  return h("a", words ? how : { ...how, "aria-label": `Call the broker: ${number}` }, words || `☎ ${number}`);
}

export class Card {
  /** `isFull` shows at once what is folded away in a list. */
  constructor(one, board, { isLive, isOpen = false, isFull = false }) {
    this.id = one.id;
    this.isLive = isLive;
    const who = [one.name, one.group, one.owner].filter(Boolean).join(" · "),
      isFinal = !isLive || one.verdict === "refused";
    const told = ordersOf(one);
    this.state = h("span", { class: "state" });
    this.next = h("p", { class: "next" });
    this.step = isFinal ? one.next_step : ""; // while it is being worked on there is nothing to do
    this.details = h(
      "details",
      { open: isOpen || isFull },
      h("summary", {}, `${count(numberOf(one), "request")}, ${outcomeOf(one)}`),
      one.notes.length
        ? h(
            "ul",
            { class: "notes" },
            one.notes.map((note) => h("li", {}, note)),
          )
        : null,
      requestsOf(one).length ? requests(requestsOf(one)) : null,
    );
    this.element = h(
      "li",
      { class: `account v-${one.verdict}` },
      h(
        "div",
        { class: isFull ? "account-top is-full" : "account-top" },
        this.state,
        h("span", { class: "id" }, one.id ?? "no readable id"),
        who ? h("span", { class: "name" }, who) : null,
      ),
      this.next,
      told ? h("p", { class: "orders" }, told) : null,
      h(
        "dl",
        { class: "open-orders" },
        openOf(one)
          .slice(0, LISTED_MOST)
          .map(([what, much]) => [h("dt", {}, what), h("dd", {}, much)]),
      ),
      this.details,
      (isFinal && one.verdict !== "clear") || isFull
        ? h("p", { class: "calls" }, caller(board.contact), copies(callSheet(one, board), "Copy call sheet"))
        : null,
    );
    this.become(isLive && one.code ? one.code : CODE_OF[one.verdict]);
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

function requests(all) {
  const ids = all.slice(0, LISTED_MOST),
    earlier = all.length - ids.length;
  return h(
    "ul",
    { class: "ids", "aria-label": "Request ids, newest first" },
    ids.map((request) =>
      h(
        "li",
        {},
        h("span", {}, `${request.method} ${request.error ?? request.status ?? "no answer"}, ${utc(request.at)}`),
        request.request_id
          ? h(
              "span",
              { class: "spelled" },
              h(
                "code",
                {},
                blocks(request.request_id).map((block) => [h("span", {}, block), " "]),
              ),
              copies(request.request_id),
            )
          : h("span", {}, "no request id"),
      ),
    ),
    earlier ? h("li", {}, h("span", {}, `and ${count(earlier, "earlier request")}: see the report`)) : null,
  );
}
