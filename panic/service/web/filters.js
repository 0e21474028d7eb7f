// Which orders a press is for, where it is not for all.

import { h } from "./dom.js";

/** A form of the broker's order filters; `changed()` is told of every change. */
export function filterForm(changed) {
  const pick = (name, label, values) =>
    h(
      "label",
      { class: "field" },
      h("span", {}, label),
      h(
        "select",
        { name, onchange: changed },
        h("option", { value: "" }, "every"),
        values.map((value) => h("option", { value }, value.replaceAll("_", " ").toLowerCase())),
      ),
    );
  return h(
    "div",
    { class: "filters" },
    pick("side", "Side", ["BUY", "SELL"]),
    pick("type", "Order type", [
      "MARKET",
      "LIMIT",
      "STOP",
      "STOP_LIMIT",
      "TRAILING_STOP",
      "TRAILING_STOP_LIMIT",
      "OTHER",
    ]),
    pick("instrument_type", "Instrument type", ["COMMON_STOCK", "INDEX", "OPTION", "CASH"]),
    h(
      "label",
      { class: "field" },
      h("span", {}, "Instruments"),
      h("input", { name: "instruments", autocomplete: "off", placeholder: "every; or AAPL, MSFT", oninput: changed }),
    ),
  );
}

/** What was chosen, as a press names it. */
export function filtersOf(form) {
  const filters = {};
  for (const select of form.querySelectorAll("select")) if (select.value) filters[select.name] = select.value;
  const instruments = form
    .querySelector("[name=instruments]")
    .value.split(",")
    .map((one) => one.trim())
    .filter(Boolean);
  if (instruments.length) filters.instruments = instruments;
  return filters;
}
