// What only the paper has: which run, when it was printed, and how each desk stands.

import { compare, divide } from "./desks.js";
import { h, put } from "./dom.js";
import { CODES, number, STATES } from "./words.js";

const day = (iso) => `${new Date(iso).toISOString().slice(0, 19).replace("T", " ")} UTC`;

/** Draw the sheet's own part of a board and its accounts, rows of id, name, group and owner, as it was told then. */
function sheet({ run_id: run, base_url: host, started_at: began, finished_at: ended, codes }, accounts, toldAt) {
  const desks = divide(accounts, codes).sort(compare);
  const shown = [...CODES].filter((code) => codes.includes(code));
  return [
    h(
      "p",
      {},
      `Report of run ${run} at ${host}. Pressed ${day(began)}, ` +
        `${ended ? `ended ${day(ended)}` : `not ended as of ${day(toldAt)}`}. Printed ${day(new Date())}.`,
    ),
    desks.length
      ? h(
          "table",
          { class: "tight" },
          h("caption", {}, "By desk"),
          h(
            "thead",
            {},
            h(
              "tr",
              {},
              h("th", { scope: "col" }, "Desk"),
              shown.map((code) => h("th", { class: "n", scope: "col" }, STATES[code].name)),
            ),
          ),
          h(
            "tbody",
            {},
            desks.map(({ name, counts }) =>
              h(
                "tr",
                {},
                h("th", { scope: "row" }, name),
                shown.map((code) => h("td", { class: "n" }, number(counts[code] ?? 0))),
              ),
            ),
          ),
        )
      : null,
  ];
}

/** Keep a sheet for a view: it is drawn, and what is folded is unfolded, whenever somebody prints. Give what ends
 * that. */
export function paper(element, told) {
  let folded = [];
  const before = () => {
    const [board, ...more] = told();
    if (board) put(element, sheet(board, ...more));
    folded = [...document.querySelectorAll("details:not([open])")];
    for (const one of folded) one.open = true;
  };
  const after = () => {
    for (const one of folded) one.open = false;
  };
  window.addEventListener("beforeprint", before);
  window.addEventListener("afterprint", after);
  return () => {
    window.removeEventListener("beforeprint", before);
    window.removeEventListener("afterprint", after);
  };
}
