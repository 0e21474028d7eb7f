// What is open in the accounts that are chosen. It is read when somebody asks: that takes a request for each account.

import { h, put, say } from "./dom.js";
import { problem } from "./pages.js";
import { ask } from "./service.js";
import { ago, count, money, number, utc } from "./words.js";

const ASK = "What is open there?";
const WITHIN_MS = 60_000; // the service ends a sweep after 50 s
const LONGEST = 6000; // characters of a query
const SYMBOLS_MOST = 15;

export class OpenOrders {
  constructor() {
    this.line = h("summary", {}, ASK);
    this.told = h("div", { role: "status" });
    this.element = h(
      "details",
      { id: "open-orders", hidden: true, ontoggle: () => this.element.open && this.look() },
      this.line,
      this.told,
    );
  }

  /** Take what is chosen, null for nothing; what was said of another choice goes. */
  choose(asked) {
    const query = asked && queryOf(asked);
    if (query === this.query) return;
    this.query = query;
    this.element.hidden = !query;
    this.element.open = false;
    say(this.line, ASK);
    put(this.told);
  }

  async look() {
    const query = this.query;
    put(this.told, h("p", { class: "note" }, "Reading every account. A press goes first at any time…"));
    try {
      if (query.length > LONGEST) throw new Error("So many accounts are shown by panic orders alone");
      const found = await ask("GET", `/v1/orders?${query}`, undefined, { within: WITHIN_MS });
      if (query !== this.query) return;
      say(this.line, `Open at ${utc(found.at)}: ${found.headline}`);
      put(this.told, tables(found));
    } catch (error) {
      if (query === this.query) put(this.told, problem(error));
    }
  }
}

function queryOf({ scope, filters }) {
  const query = new URLSearchParams({ limit: "0" });
  if (scope.all) query.set("all", "true");
  const lists = { groups: scope.groups, accounts: scope.accounts, instruments: filters.instruments };
  for (const [name, list] of Object.entries(lists)) if (list?.length) query.set(name, list.join(","));
  for (const name of ["side", "type", "instrument_type"]) if (filters[name]) query.set(name, filters[name]);
  return String(query);
}

function tables({ not_known: blind, groups, symbols, largest, oldest, at }) {
  return [
    blind.length
      ? h(
          "div",
          { class: "panel warn" },
          h("h2", {}, `${count(blind.length, "account")} could not be read whole`),
          h(
            "ul",
            {},
            blind
              .slice(0, 5)
              .map((one) => h("li", {}, `${[one.account, one.name].filter(Boolean).join(" ")}: ${one.why}`)),
          ),
          blind.length > 5
            ? h("p", { class: "note" }, `and ${number(blind.length - 5)} more: panic orders lists them all`)
            : null,
        )
      : null,
    sums("Desk", groups, (one) => one.group || "(no group)"),
    sums("Symbol and side", symbols, (one) => `${one.symbol || "(no symbol)"} ${one.side}`),
    orders("Largest", largest, at),
    orders("Oldest", oldest, at),
  ];
}

const cells = (row) =>
  h(
    "tr",
    {},
    row.map((cell) => h("td", {}, cell)),
  );
const table = (heads, rows) =>
  h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": heads[0] },
    h(
      "table",
      { class: "rows" },
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          heads.map((word) => h("th", { scope: "col" }, word)),
        ),
      ),
      h("tbody", {}, rows.map(cells)),
    ),
  );

function sums(title, found, name) {
  if (!found.length) return null;
  const rows = found
    .slice(0, SYMBOLS_MOST)
    .map((one) => [
      name(one),
      number(one.orders),
      number(one.accounts),
      one.priced ? money(one.notional) : "–",
      one.outlive_the_day ? number(one.outlive_the_day) : "",
      one.on_close ? number(one.on_close) : "",
    ]);
  const more = found.length - rows.length;
  return [
    table([title, "Orders", "Accounts", "Notional", "GTC", "On close"], rows),
    more > 0 ? h("p", { class: "note" }, `and ${number(more)} more`) : null,
  ];
}

function orders(title, found, at) {
  if (!found.length) return null;
  return table(
    [title, "Quantity", "Price", "Notional", "Entered", "", "Account"],
    found.map((one) => [
      `${one.side} ${one.symbol} ${one.type}`,
      one.leaves === null ? "" : number(one.leaves),
      one.price ?? "",
      one.notional === null ? "" : money(one.notional),
      one.created_at ? ago((Date.parse(at) - Date.parse(one.created_at)) / 1000) : "",
      one.outlives_the_day ? "GTC" : one.on_close ? "on close" : "",
      `${one.account} ${one.name}`,
    ]),
  );
}
