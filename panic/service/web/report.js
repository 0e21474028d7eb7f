// After a run: downloads, how it went, and what its verdict rests on.

import { timeline } from "./charts.js";
import { copies, h } from "./dom.js";
import { number, quantity, seconds } from "./words.js";

const SIDES = [
  ["BUY", "bought"],
  ["SELL", "sold"],
  ["SELL_SHORT", "sold short"],
];
const SYMBOLS_MOST = 20;

/** Draw the report of a board whose run is over. */
export function report(board) {
  const { run_id: run, ledger_head: head } = board;
  return [
    h(
      "nav",
      { class: "downloads", "aria-label": "Downloads" },
      h(
        "a",
        { class: "button", href: `/v1/runs/${run}/report`, download: `panic-report-${run}.json` },
        "Report (JSON)",
      ),
      h("a", { class: "button", href: `/v1/runs/${run}/evidence`, download: "" }, "Evidence"),
      h("button", { type: "button", class: "quiet", onclick: () => window.print() }, "Print"),
    ),
    h("div", { class: "charts" }, timeline(board)),
    h("div", { class: "columns" }, orders(board), times(board), fills(board), coverage(board)),
    head
      ? h(
          "p",
          { class: "note" },
          "Keep the ledger's head outside this machine: it exposes any change to the record. ",
          h("code", {}, head),
          copies(head),
        )
      : h("p", { class: "note" }, "This run is not in a ledger: the report is its only record."),
  ];
}

const panel = (name, ...inside) => h("section", { class: "panel" }, h("h2", {}, name), inside);
const facts = (name, ...terms) => panel(name, h("dl", {}, ...terms));
const term = (name, value, note) => [h("dt", {}, name), h("dd", {}, value, note ? h("small", {}, ` ${note}`) : null)];

function orders({ totals: { orders: found, attempts } }) {
  return facts(
    "Orders",
    term("Accepted for cancel", number(found.accepted)),
    term("Seen cancelled", number(found.canceled)),
    term("Filled meanwhile", number(found.filled)),
    term("Seen open", number(found.open)),
    term("Requests sent", number(attempts)),
  );
}

/** What was traded while the cancels were under way: it changed positions. A row for each symbol. */
function fills({ totals: { fills: found, accounts, verdicts } }) {
  if (!found.length)
    return panel(
      "Fills during the cancel",
      h(
        "p",
        { class: "note" },
        verdicts.clear === accounts ? "None was seen." : "None was seen; not every account was read.",
      ),
    );
  const symbols = new Map(),
    others = new Set();
  for (const fill of found) {
    const { symbol, side } = fill;
    if (!symbols.has(symbol)) symbols.set(symbol, {});
    symbols.get(symbol)[side] = fill;
    if (!SIDES.some(([name]) => name === side)) others.add(side);
  }
  const sides = [
    ...SIDES.filter(([name]) => found.some((fill) => fill.side === name)),
    ...[...others].map((name) => [name, name.toLowerCase() || "?"]),
  ];
  const rows = [...symbols].slice(0, SYMBOLS_MOST);
  return panel(
    "Fills during the cancel",
    h(
      "div",
      { class: "scroll" },
      h(
        "table",
        { class: "tight" },
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            h("th", { scope: "col" }, "Symbol"),
            sides.map(([, word]) => h("th", { class: "n", scope: "col" }, word)),
          ),
        ),
        h(
          "tbody",
          {},
          rows.map(([symbol, of]) =>
            h(
              "tr",
              {},
              h("th", { scope: "row" }, symbol || "?"),
              sides.map(([name]) => h("td", { class: "n" }, quantity(of[name]?.quantity), price(of[name]))),
            ),
          ),
        ),
      ),
    ),
    symbols.size > rows.length
      ? h("p", { class: "note" }, `and ${number(symbols.size - rows.length)} more symbols: see the report`)
      : null,
  );
}

/** The average price of a fill; nothing where it is not known. */
function price(fill) {
  return fill?.price ? [h("br"), h("small", {}, `at ${quantity(fill.price)}`)] : null;
}

function coverage({ verify, coverage: on, totals }) {
  if (!verify) return panel("What “clear” rests on", h("p", {}, "Nothing was read: accepted is not cancelled."));
  return facts(
    "What “clear” rests on",
    term("Accounts read clear", `${number(on.accounts_clear)} of ${number(totals.accounts)}`),
    term("Of these by the broker’s count", number(on.accounts_counted)),
    term("In these every order had ended", `over ${Math.round(on.lookback_s / 86400)} days`),
    term("Named orders seen ended", `${number(on.named_seen_ended)} of ${number(on.named_orders)}`),
    term("Accounts the roster lacks", on.roster_checked ? number(on.unlisted_accounts.length) : "not asked"),
  );
}

function times({ timings }) {
  return facts(
    "Times since the press",
    term("Last first cancel left", seconds(timings.last_first_delete_s)),
    term("Every account concluded", seconds(timings.settled_s)),
    term("The run took", seconds(timings.total_s)),
    term("Deadline", seconds(timings.deadline_s)),
  );
}
